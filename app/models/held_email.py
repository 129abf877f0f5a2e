"""Addresses that a user gave up but can still take back: nobody else may have them meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class HeldEmails(Protocol):
    """The verbs of a store for held addresses. Each raises `Unavailable` when the store does not answer.

    An address is held before its user gives it up, and whoever claims an address looks here after the claim: so no
    claim slips through between the two.
    """

    def hold(self, email_key: str, user_id: str, *, now: datetime, until: datetime) -> bool:
        """Hold an address for a user; False if another user's hold of it has not expired at `now`.

        One atomic conditional write. A hold of the same user is prolonged, never shortened.
        """

    def holder(self, email_key: str, now: datetime) -> str | None:
        """The identifier of the user for whom an address is held at `now`."""

    def release(self, email_key: str, user_id: str) -> None:
        """End this user's hold of an address, if there is one."""

    def purge(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` holds that have expired; how many they were."""
