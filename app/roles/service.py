"""What users may do: permissions are named `resource:action` and declared by the features; roles are sets of them."""

from __future__ import annotations

from functools import lru_cache

from app.roles.model import ADMINISTRATOR, MEMBER


class Roles:
    """The roles, and what each permits."""

    def __init__(self, permissions: frozenset[str]) -> None:
        """`permissions` are all that the features declare."""
        self._permitted = {ADMINISTRATOR: permissions, MEMBER: frozenset[str]()}
        self.permissions_of = lru_cache(maxsize=256)(self._permissions_of)
        """All that these roles permit together; a role that does not exist permits nothing."""

    def _permissions_of(self, roles: tuple[str, ...]) -> frozenset[str]:
        return frozenset().union(*(self._permitted.get(role, frozenset()) for role in roles))
