"""Roles, and the permissions they hold."""

from app.feature import DeclaredPermissions, Feature
from app.roles.service import Roles

FEATURE = Feature(
    services={Roles: lambda parts: Roles(parts.get(DeclaredPermissions).permissions)},
    permissions=frozenset({"roles:write"}),
)
