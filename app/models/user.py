"""Users, and what a store can do with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from app.models.account import Account

Status = Literal["active", "disabled", "invited", "deleted"]
"""A deleted user has neither names nor credentials any more, and is gone as soon as what hung on them is, once nobody
can bring the account back."""


@dataclass(frozen=True, slots=True)
class User:
    """A user as owners and administrators see it; what proves who one is lies in `Credentials`."""

    id: str
    email: str | None
    email_verified: bool
    username: str | None
    name: str | None
    roles: tuple[str, ...]
    status: Status
    created_at: datetime
    last_login_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user together with the password hash and the epoch that were read with it, in one read.

    A session opened on these holds only while `auth_epoch` is still the user's.
    """

    user: User
    password_hash: str | None = field(repr=False)
    auth_epoch: int


class AlreadyThereError(Exception):
    """Something with this identifier is kept already."""


class Users(Protocol):
    """The verbs of a store for users. Each raises `Unavailable` when the store does not answer."""

    def add(self, account: Account) -> None:
        """Keep a new account, as it is.

        Raises EmailTaken or UsernameTaken (the e-mail is looked at first) when another user has the same
        `email_key` or `username_key`, and AlreadyThereError for an identifier that is in use; of any number that try
        at once exactly one gets through.
        """

    def account(self, user_id: str) -> Account | None:
        """The account of this user, whatever his status."""

    def account_by_email(self, email_key: str) -> Account | None:
        """The account whose address has this `email_key`, whatever the user's status."""

    def accounts_changing_to(self, email_key: str, limit: int) -> list[Account]:
        """Up to `limit` accounts whose pending address has this `email_key`, the newest users first."""

    def save(self, account: Account) -> bool:
        """Put an account in the place of the one that was read, if its `revision` is still the stored one.

        One atomic conditional write of all fields but `created_at` and `last_login_at`; the stored revision is then
        one more. False if the account was replaced meanwhile, or is gone. Raises EmailTaken or UsernameTaken.
        """

    def due(self, now: datetime, limit: int) -> list[str]:
        """Up to `limit` identifiers of users whose `due_at` is not after `now`, the longest due first."""

    def any_with_role(self, role: str) -> bool:
        """Whether any active user has this role: rarely asked, and without an index."""

    def remove(self, user_id: str) -> None:
        """Delete the account itself; what hangs on it has to be gone before."""

    def credentials_by_email(self, email_key: str) -> Credentials | None:
        """The user with this `email_key`, whatever his status."""

    def credentials_by_username(self, username_key: str) -> Credentials | None:
        """The user with this `username_key`, whatever his status."""

    def replace_hash(self, user_id: str, verified: str, new: str) -> bool:
        """Put `new` in the place of the hash that was `verified`; False if that is no longer the user's.

        It counts as a replacement of the account: the revision is one more.
        """

    def end_sessions(self, user_id: str, keep: str | None) -> bool:
        """End all sessions of an active user but `keep`, by a new epoch; False if there is no such user.

        One write: a login that was verified before it and opens its session after it gets one that does not hold.
        The revision is one more.
        """

    def page(self, *, after: str | None, limit: int, active_only: bool) -> list[User]:
        """Up to `limit` users in the order of their identifiers, those behind `after`, without deleted ones."""
