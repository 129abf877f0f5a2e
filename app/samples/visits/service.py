"""Counts visits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.samples.visits.model import Visits


@dataclass(frozen=True, slots=True)
class VisitService:
    """Counts visits, wherever the count is kept."""

    visits: Visits

    def count(self) -> int:
        """Count a visit; returns the number of visits, this one included. Raises Unavailable."""
        return self.visits.add_one()
