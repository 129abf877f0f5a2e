"""Counting visits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.models.visits import Visits


@dataclass(frozen=True, slots=True)
class VisitService:
    """Counts visits, wherever the count lies."""

    visits: Visits

    def count(self) -> int:
        """Count a visit; how many there have been, with this one. Raises Unavailable."""
        return self.visits.add_one()
