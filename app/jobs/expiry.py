"""Frees the space of expired entries; expiry itself is checked wherever it matters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from app.platform import pieces

if TYPE_CHECKING:
    from app.feature import Expiring
    from app.platform.clock import Clock

_MOST = 200
"""Statements that one run makes for each kind; the next run continues."""


@dataclass(frozen=True, slots=True)
class ExpiryService:
    """Deletes expired sessions, holds, mail requests, audit events and counts of failed logins."""

    repositories: tuple[Expiring, ...]
    clock: Clock

    def delete_expired(self) -> int:
        """Delete expired entries; returns how many."""
        now, deleted = self.clock(), 0
        for repository in self.repositories:
            for _ in range(_MOST):
                count = repository.delete_expired(now, pieces.AT_ONCE)
                deleted += count
                if count < pieces.AT_ONCE:
                    break
        return deleted
