"""Commands for operators: `flask attack`, `db`, `doctor`, `passwords`, `secrets` and `settings`."""

from __future__ import annotations

from app.feature import Feature
from app.operations.attack import attack
from app.operations.db import db
from app.operations.doctor import doctor
from app.operations.passwords import passwords
from app.operations.secrets import secrets
from app.operations.settings import settings

FEATURE = Feature(commands=(attack, db, doctor, passwords, secrets, settings))
