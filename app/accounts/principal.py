"""Who a request acts for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from app.accounts.model import User
    from app.web.caller import CallerKind


@dataclass(frozen=True, slots=True)
class Principal:
    """Who a request acts for: a user, through a session or an API key."""

    user: User
    session_id: str
    """The session; "" for an API key, which has none. No session has that identifier."""
    opened_at: datetime
    """When the session was opened, or the API key made."""
    last_used_at: datetime
    """When the session or the API key was last recorded as used."""
    permissions: frozenset[str] = frozenset()
    """All that the caller may do: nothing, until the service that authenticates them says otherwise."""
    kind: CallerKind = "session"
    """How they came in."""
    actor_id: str | None = None
    """The administrator who acts for the user in an impersonation; else None."""
    key_id: str | None = None
    """The API key, if this is one."""

    @property
    def subject(self) -> str:
        """The identifier of the user."""
        return self.user.id

    def with_permissions(self, permissions: frozenset[str]) -> Principal:
        """The same with these permissions. Made on every request, so not by the slower `replace`."""
        if permissions == self.permissions:
            return self  # most users have none
        return Principal(
            self.user,
            self.session_id,
            self.opened_at,
            self.last_used_at,
            permissions,
            self.kind,
            self.actor_id,
            self.key_id,
        )

    def actor_on(self, user_id: str) -> str | None:
        """The user who is responsible for what this caller does to a user; None if that is this user."""
        responsible = self.actor_id or self.user.id
        return None if responsible == user_id else responsible
