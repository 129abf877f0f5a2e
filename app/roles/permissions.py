"""What users may do: permissions are named `resource:action`, roles are sets of them."""

from __future__ import annotations

from functools import lru_cache

PERMISSIONS = frozenset({"users:read", "users:write", "roles:write", "audit:read", "keys:write", "products:write"})
"""Every permission there is."""

ADMINISTRATOR = "admin"
"""The role that permits everything; once a user has it, there is always a user who has it."""

ROLES: dict[str, frozenset[str]] = {ADMINISTRATOR: PERMISSIONS, "member": frozenset()}
"""The roles, and what each of them permits."""


@lru_cache(maxsize=256)
def permissions_of(roles: tuple[str, ...]) -> frozenset[str]:
    """All that these roles permit together; a role that does not exist permits nothing."""
    return frozenset().union(*(ROLES.get(role, frozenset()) for role in roles))
