"""The count of visits: one number for the whole service."""

from __future__ import annotations

from typing import Protocol


class Visits(Protocol):
    """The verb of a store for visits."""

    def add_one(self) -> int:
        """Count a visit; how many there have been, with this one: no two calls get the same number.

        Raises `Unavailable` when no answer comes; then the visit may or may not have been counted.
        """
