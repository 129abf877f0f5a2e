"""Frees the space of expired entries; expiry itself is checked wherever it matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.clock import Clock
    from app.models.store import Store

_AT_ONCE = 500
"""Rows that one statement deletes, so that none holds the store for long."""
_MOST = 200
"""Statements that one run makes for each kind; the next run continues."""


@dataclass(frozen=True, slots=True)
class PurgeService:
    """Deletes expired sessions, holds, mail requests, audit events and counts of failed logins."""

    store: Store
    clock: Clock

    def purge(self) -> int:
        """Delete expired entries; returns how many."""
        now, purged = self.clock(), 0
        for repository in (
            self.store.sessions,
            self.store.login_failures,
            self.store.held_emails,
            self.store.mail_requests,
            self.store.events,
        ):
            for _ in range(_MOST):
                count = repository.purge(now, _AT_ONCE)
                purged += count
                if count < _AT_ONCE:
                    break
        return purged
