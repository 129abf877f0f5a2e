"""How long sessions live, and how many a user can have."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from app.sessions.model import Session


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Times are in seconds. A user has at most `most` logins, and `most_of_client` sessions of one client.

    `idle` counts from the last refresh, `absolute` from the login. For `grace` after the first exchange of a refresh
    token, the same token gives the same new one again.
    """

    idle: int
    absolute: int
    grace: int
    most: int
    most_of_client: int

    def idle_end(self, now: datetime, expires_at: datetime) -> datetime:
        """When a session that is refreshed now, and ends at `expires_at`, expires if it is not refreshed again."""
        return min(now + timedelta(seconds=self.idle), expires_at)

    def is_in_grace(self, generation: int, session: Session, now: datetime) -> bool:
        """Whether this generation is the one before the present one, and was replaced within the grace time."""
        if generation != session.generation - 1 or session.rotated_at is None:
            return False
        return now < session.rotated_at + timedelta(seconds=self.grace)
