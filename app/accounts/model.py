"""Users, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

from app.roles.model import RoleHolders

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.accounts.account import Account
    from app.audit.model import AuditEvent

Status = Literal["active", "disabled", "invited", "deleted"]
"""A deleted user has neither names nor credentials any more. The record is removed once all that belonged to them is
erased and nobody can bring the account back."""
UserKind = Literal["service"]
"""A service account is for a program. It has roles and API keys, but neither names nor a password; so nobody logs in to
it, it gets no mail, and it is in no list of users."""
INVITED: Final[frozenset[Status]] = frozenset({"invited"})
"""Users who have not answered their invitation yet: they have no password."""


def listed_status(status: Status) -> Status | None:
    """The status by which a user is looked for; None for those whom nearly everybody is, or nobody looks for."""
    return status if status in {"disabled", "invited"} else None


@dataclass(frozen=True, slots=True)
class User:
    """A user as seen by the user and by administrators; the password hash is in `Credentials`."""

    id: str
    email: str | None
    email_verified: bool
    username: str | None
    name: str | None
    roles: tuple[str, ...]
    status: Status
    created_at: datetime
    last_login_at: datetime | None = None
    kind: UserKind | None = None
    """None for a person."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user with their password hash and epoch, all from one read.

    A session opened with these is live only while `auth_epoch` is still the user's.
    """

    user: User
    password_hash: str | None = field(repr=False)
    auth_epoch: int
    factors: tuple[str, ...] = ()
    """The methods by which a second factor can be proven; empty if the account has none."""
    is_recovering: bool = False
    """Whether a recovery of lost factors was asked for. It may be void: the account says."""


class AlreadyThereError(Exception):
    """This identifier is already in use."""


class Users(RoleHolders, Protocol):
    """The operations of a store on users. Each raises `Unavailable` when the store does not answer."""

    def add(self, account: Account, events: Sequence[AuditEvent] = ()) -> None:
        """Store a new account as it is, and the events of its creation in the same write.

        Raises EmailTaken or UsernameTaken (the e-mail is checked first) when another user has the same
        `email_key` or `username_key`, and AlreadyThereError if the identifier is in use. Of concurrent attempts exactly
        one succeeds.
        """

    def account(self, user_id: str) -> Account | None:
        """The account of this user, whatever their status."""

    def account_by_email(self, email_key: str) -> Account | None:
        """The account whose address has this `email_key`, whatever the user's status."""

    def accounts_changing_to(self, email_key: str, limit: int) -> list[Account]:
        """Up to `limit` accounts whose pending address has this `email_key`, the newest users first."""

    def save(self, account: Account, events: Sequence[AuditEvent] = ()) -> bool:
        """Replace the stored account if its revision is still `account.revision`.

        One atomic conditional write of all fields except `created_at` and `last_login_at`; it raises the stored
        revision by one. False if the account was replaced meanwhile, or is gone. Raises EmailTaken or UsernameTaken.

        The `events` of the change are stored in the same write: all that is done with events finds them from then on.
        """

    def due(self, now: datetime, limit: int) -> list[str]:
        """Up to `limit` identifiers of users whose `due_at` is not after `now`, those due longest first."""

    def remove(self, user_id: str) -> None:
        """Delete the account itself; all that belongs to it has to be deleted first."""

    def credentials_by_email(self, email_key: str) -> Credentials | None:
        """The user with this `email_key`, whatever their status."""

    def credentials_by_username(self, username_key: str) -> Credentials | None:
        """The user with this `username_key`, whatever their status."""

    def replace_hash(self, user_id: str, verified: str, new: str) -> bool:
        """Replace the hash `verified` with `new`; False if `verified` is no longer the user's hash.

        It counts as a replacement of the account and raises the revision by one.
        """

    def page(self, *, after: str | None, limit: int, active_only: bool) -> list[User]:
        """Up to `limit` people after `after`, in the order of their identifiers, without deleted ones."""

    def service_accounts(self, *, after: str | None, limit: int) -> list[User]:
        """The same for service accounts."""

    def page_of_accounts(self, *, after: str | None, limit: int) -> list[Account]:
        """The same page as whole accounts."""

    def page_of_hashes(self, *, after: str | None, limit: int) -> list[tuple[str, str | None]]:
        """The same page, of each user the identifier and the password hash."""

    def page_of_imported_apps(self, *, after: str | None, limit: int) -> list[tuple[str, bool]]:
        """The same page, of each user the identifier and whether `Account.imported` may hold authenticator apps.

        For a user without any it is False; it is True for all who have some. The store decides, so that nothing else of
        the accounts is read.
        """
