"""Logins whose first factor was right, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from datetime import datetime

    from app.accounts.account import Account


@dataclass(frozen=True, slots=True)
class PendingLogin:
    """A login that waits for what is missing.

    Its token is not kept: `id` is the digest, 64 hexadecimal digits. It is worth nothing in another epoch of the
    account, unless it was kept at the last change of epoch. `amr` holds what was proven, separated by spaces, and
    `proven_at` says when; `opens` is the Grant of the session at its end. `name` and `device_id` are those of
    `app.sessions.proof.Proof`.
    """

    id: str
    user_id: str
    auth_epoch: int
    amr: str
    proven_at: datetime
    opens: str
    expires_at: datetime
    name: str | None = None
    device_id: str | None = None
    tries: int = 0
    step: str | None = None
    """What was missing (`app.sessions.proof.Next`); None if a former version began it: then a second factor was."""

    @property
    def kept_as(self) -> str:
        """What an account keeps at a change of epoch (`Account.kept_session`) so that this login survives it. It has
        the form of the identifier of a session, and half of the digest, so that no session has it."""
        return str(UUID(hex=self.id[:32]))

    def holds_in(self, account: Account) -> bool:
        """Whether the account still lets this login go on."""
        of_this_epoch = account.auth_epoch == self.auth_epoch or account.kept_session == self.kept_as
        return account.user.status == "active" and of_this_epoch


class PendingLogins(Protocol):
    """The operations of a store on pending logins. Each raises `Unavailable` when the store does not answer."""

    def add(self, login: PendingLogin) -> None:
        """Store a new one; it leads nowhere if the user is gone, and SQL does not even store it then."""

    def find(self, login_id: str, now: datetime) -> PendingLogin | None:
        """One that has not expired."""

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
