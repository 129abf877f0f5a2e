"""Whether a session is live, and what its user may do now."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.principal import Principal
    from app.platform.clock import Clock
    from app.sessions.model import Sessions


@dataclass(frozen=True, slots=True)
class LiveSessions:
    """Finds the principals of live sessions, in one round trip to the store."""

    sessions: Sessions
    permissions_of: Callable[[tuple[str, ...]], frozenset[str]]
    clock: Clock

    def principal(self, session_id: str, user_id: str) -> Principal | None:
        """The principal of a live session, with the permissions of its user; None if there is no such session."""
        principal = self.sessions.principal(session_id, user_id, self.clock())
        return None if principal is None else principal.with_permissions(self.permissions_of(principal.user.roles))

    def present(self, principal: Principal) -> Principal | None:
        """The principal of an earlier request as it is now; None if its session has ended."""
        return self.principal(principal.session_id, principal.user.id)
