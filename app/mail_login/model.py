"""Logins that were asked for by mail, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class MailLogin:
    """A login that waits for what is mailed to an address, which may have no account.

    `id` is a UUID made of the digest of what the asking device holds; neither that nor the mailed code and token are
    stored. `ip` and `device` say in the mail where it was asked for. `due_at` is when a worker is to take it up; None
    once it only waits for its answer. Before the mail goes out, the worker binds it to the user who has the address, in
    one epoch of their account: until then `user_id` is None, and for an address without a verified account it stays so.
    `tries` counts the codes that were sent for it.
    """

    id: str
    email: str
    ip: str
    device: str
    created_at: datetime
    expires_at: datetime
    due_at: datetime | None
    attempts: int = 0
    user_id: str | None = None
    auth_epoch: int | None = None
    tries: int = 0


class MailLogins(Protocol):
    """The operations of a store on logins by mail. Each raises `Unavailable` when the store does not answer."""

    def add(self, login: MailLogin) -> None:
        """Store a new one."""

    def find(self, login_id: str, now: datetime) -> MailLogin | None:
        """One that has not expired."""

    def due(self, now: datetime, limit: int) -> list[MailLogin]:
        """Up to `limit` whose `due_at` is not after `now`, those due longest first."""

    def reschedule(self, login: MailLogin, due_at: datetime | None, attempts: int) -> bool:
        """Set a new `due_at` if it is still that of `login`; False if it has changed, or the login is gone.

        One atomic conditional write: of all workers that saw the login due exactly one takes it.
        """

    def bind(self, login_id: str, user_id: str, auth_epoch: int) -> bool:
        """Bind one to a user in an epoch of their account; False if it is bound already, or gone.

        One atomic conditional write: what was mailed once never leads into a later epoch.
        """

    def count_try(self, login_id: str, most: int) -> bool:
        """Raise `tries` by one, unless it is `most` already; False if it is, or if there is no such login.

        One atomic conditional write: of concurrent callers no more succeed than there are tries left.
        """

    def take(self, login_id: str) -> bool:
        """Delete one; False if it is gone. Of concurrent callers one succeeds."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` of a user; returns how many."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` whose `expires_at` has passed; returns how many."""
