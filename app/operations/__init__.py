"""Commands for operators: `flask db`, `flask doctor` and `flask secrets`."""

from __future__ import annotations

from app.feature import Feature
from app.operations.db import db
from app.operations.doctor import doctor
from app.operations.secrets import secrets

FEATURE = Feature(commands=(db, doctor, secrets))
