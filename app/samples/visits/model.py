"""The count of visits: one number for the whole service."""

from __future__ import annotations

from typing import Protocol


class Visits(Protocol):
    """The operation of a store on visits."""

    def add_one(self) -> int:
        """Count a visit; returns the number of visits, this one included. No two calls return the same number.

        Raises `Unavailable` when the store does not answer; then the visit may or may not have been counted.
        """
