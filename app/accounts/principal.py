"""Who a request acts for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from app.accounts.model import User


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts for: a user, through a session."""

    user: User
    session_id: str
    opened_at: datetime
    """When the user logged in to this session."""
    last_used_at: datetime
    """When the session was last recorded as used."""
    permissions: frozenset[str] = frozenset()
    """All that the user may do: none, until the service that authenticates them says otherwise."""
    roles_version: int = 0
    """The version of the roles (`app.roles.model.RoleBook`) when the session was found live."""

    @property
    def subject(self) -> str:
        """The identifier of the user."""
        return self.user.id

    def with_permissions(self, permissions: frozenset[str]) -> Principal:
        """The same with these permissions. Made on every request, so not by the slower `replace`."""
        return Principal(self.user, self.session_id, self.opened_at, self.last_used_at, permissions, self.roles_version)
