"""Requests for mail to an address that may or may not have an account, which the requester does not learn.

Only the request is stored while the client waits; a worker looks up the account afterwards. A registration that waits
for its mail to be answered (HIDE_ACCOUNTS) is such a request, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from datetime import datetime

MailRequestKind = Literal["reset", "verify", "register"]


@dataclass(frozen=True, slots=True)
class PendingRegistration:
    """What the user will be when the mail is answered."""

    username: str | None = None
    name: str | None = None
    password_hash: str = field(repr=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class MailRequest:
    """One request. `due_at` is when a worker is to take it up; None once it only waits for its answer."""

    id: str
    kind: MailRequestKind
    email: str
    created_at: datetime
    expires_at: datetime
    due_at: datetime | None
    attempts: int = 0
    registration: PendingRegistration | None = None


class MailRequests(Protocol):
    """The operations of a store on mail requests. Each raises `Unavailable` when the store does not answer."""

    def add(self, request: MailRequest) -> None:
        """Store a new request."""

    def get(self, request_id: str) -> MailRequest | None:
        """The request with this identifier, expired or not."""

    def registrations(self, email_key: str, now: datetime, limit: int) -> list[MailRequest]:
        """Up to `limit` unexpired requests of the kind register for this address, oldest first.

        So later requests never crowd out one that was mailed.
        """

    def due(self, now: datetime, limit: int) -> list[MailRequest]:
        """Up to `limit` requests whose `due_at` is not after `now`, those due longest first."""

    def reschedule(self, request: MailRequest, due_at: datetime | None, attempts: int) -> bool:
        """Set a new `due_at` if it is still that of `request`; False if it has changed, or the request is gone.

        One atomic conditional write: of all workers that saw the request due exactly one takes it.
        """

    def remove(self, request_id: str) -> bool:
        """Delete a request; False if it is gone."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` expired requests; returns how many."""
