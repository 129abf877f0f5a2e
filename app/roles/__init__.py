"""Roles, and the permissions that they grant."""

from __future__ import annotations

from app.feature import Feature
from app.roles.service import Roles

FEATURE = Feature(services={Roles: lambda _: Roles()}, permissions=frozenset({"roles:write"}))
