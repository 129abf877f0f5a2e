"""What users may do by their roles."""

from __future__ import annotations

from app.roles.permissions import permissions_of


class Roles:
    """The roles, and what each permits."""

    def permissions_of(self, roles: tuple[str, ...]) -> frozenset[str]:
        """All that these roles permit together; a role that does not exist permits nothing."""
        return permissions_of(roles)
