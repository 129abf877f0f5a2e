"""Freeing the space of what has expired; expiry itself is checked wherever it matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from app import pieces

if TYPE_CHECKING:
    from datetime import datetime

    from app.clock import Clock

_MOST = 200
"""Statements a run makes for each kind; the next run goes on."""


class Expiring(Protocol):
    """A repository that keeps things for a time only."""

    def purge(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` things that have expired at `now`; how many they were. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class PurgeService:
    """Deletes what has expired in each of the `repositories`."""

    repositories: tuple[Expiring, ...]
    clock: Clock

    def purge(self) -> int:
        """Delete what has expired; how much it was."""
        now, purged = self.clock(), 0
        for repository in self.repositories:
            for _ in range(_MOST):
                count = repository.purge(now, pieces.AT_ONCE)
                purged += count
                if count < pieces.AT_ONCE:
                    break
        return purged
