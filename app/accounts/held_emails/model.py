"""Addresses that a user gave up but can still take back: no other user may have them meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class HeldEmails(Protocol):
    """The operations of a store on held addresses. Each raises `Unavailable` when the store does not answer.

    An address is held before its user gives it up, and each claim of an address is checked here after it is written. So
    no claim slips through in between.
    """

    def hold(self, email_key: str, user_id: str, *, now: datetime, until: datetime) -> bool:
        """Hold an address for a user; False if another user's hold on it has not expired at `now`.

        One atomic conditional write. A hold for the same user is prolonged, never shortened.
        """

    def holder(self, email_key: str, now: datetime) -> str | None:
        """The identifier of the user for whom an address is held at `now`."""

    def release(self, email_key: str, user_id: str) -> None:
        """End this user's hold on an address, if there is one."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` expired holds; returns how many."""
