"""Leases: the right of one worker among all to do a job for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class Leases(Protocol):
    """The verbs of a store for leases. Each raises `Unavailable` when the store does not answer."""

    def take(self, job: str, *, holder: str, now: datetime, until: datetime) -> bool:
        """Take the lease of `job` until `until` if nobody holds it at `now`; whether `holder` has it.

        One atomic conditional write: of any number that try at once exactly one gets it.
        """
