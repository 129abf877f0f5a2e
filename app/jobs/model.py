"""Leases: each gives one worker of all instances the exclusive right to do a job for a while."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class Leases(Protocol):
    """The operations of a store on leases. Each raises `Unavailable` when the store does not answer."""

    def take(self, job: str, *, holder: str, now: datetime, until: datetime) -> bool:
        """Take the lease of `job` until `until` if nobody holds it at `now`; returns whether `holder` has it.

        One atomic conditional write: of concurrent attempts exactly one succeeds.
        """
