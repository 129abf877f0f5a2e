"""Notices of logouts, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class LogoutNotice:
    """That a session of a client has ended. `id` is that of the session, so each end is told of once."""

    id: str
    user_id: str
    client_id: str
    attempts: int
    """Those that have begun."""
    due_at: datetime
    expires_at: datetime


class LogoutNotices(Protocol):
    """The operations of a store on notices. Each raises `Unavailable` when the store does not answer."""

    def add(self, notices: Sequence[LogoutNotice]) -> None:
        """Store new ones; of a session of which there is one already, that one stays as it is."""

    def due(self, now: datetime, limit: int, *, beside: Collection[str] = ()) -> list[LogoutNotice]:
        """Up to `limit` that are due at `now`, those due longest first; none of the clients in `beside`."""

    def claim(self, notice: LogoutNotice, until: datetime) -> bool:
        """Begin another attempt, and have the notice due at `until` if it is not removed before.

        One atomic conditional write: False if another began one, or the notice is gone.
        """

    def remove(self, notice_id: str) -> None:
        """Delete one, if it is there."""

    def waiting(self, limit: int) -> int:
        """How many there are, up to `limit`."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` that have expired; returns how many."""
