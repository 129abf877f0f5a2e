"""A user as a file of another system describes them, and why one is refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from app.accounts.imported import Imported, LinkedIdentity
    from app.accounts.model import Status

REASONS: Final[Mapping[str, str]] = {
    "cut_off": "The file ends in the middle of it: get the file again, and run the import again.",
    "deleted": "It was deleted in the other system.",
    "email_taken": "Another account has this e-mail address, or may still take it back.",
    "invalid_email": "This is not an e-mail address that this service can send mail to.",
    "invalid_hash_config": "The hash parameters are missing or wrong: give them with --hash-config FILE.",
    "invalid_identity": "A linked identity has no provider or no identifier.",
    "invalid_name": "A name contains no control characters.",
    "invalid_time": "This is no point in time.",
    "invalid_totp": "The secret of the authenticator app cannot be read.",
    "invalid_type": "This has another type than it should have.",
    "invalid_username": "A user name consists of the letters a to z, digits, and _ . -",
    "malformed_csv": "It has not as many columns as the header, or wrong quotes.",
    "malformed_json": "It is not JSON that has one reading only.",
    "needs_admins": "It is an administrator: to import those, use --with-admins.",
    "needs_wrap": "Its hash is too weak to be stored as it is: use --wrap, or --drop-hashes.",
    "no_name": "It has neither an e-mail address nor a user name.",
    "no_users": "The file holds no list of users where this format has one.",
    "no_way_in": "It has no password, no linked identity, and no address to set a password by.",
    "not_an_object": "It is not an object with the fields of a user.",
    "reserved": "This user name is reserved: others would take it for the operator's.",
    "too_costly_hash": "Checking its hash would cost more than this service allows.",
    "too_long": "It is too long.",
    "too_many": "It has more linked identities or authenticator apps than an account may have.",
    "too_short": "It is too short.",
    "unknown_field": "An export of this service has no such field.",
    "unknown_role": "There is no such role here: make it first.",
    "unsupported_hash": "Its password hash is of no scheme that this service takes.",
    "username_taken": "Another account has this user name.",
}
"""Why a user is refused; never with what was in the file."""


class RefusedError(Exception):
    """This user is not imported; `reason` is one of REASONS, `field` where it was found, if that is known."""

    def __init__(self, reason: str, field: str | None = None) -> None:
        self.reason = reason
        self.field = field
        super().__init__(REASONS[reason])


@dataclass(frozen=True, slots=True)
class FastDigest:
    """A digest that is too fast for passwords: of `before`, the password and `after`; an HMAC's key is `before`."""

    scheme: str
    before: bytes = field(repr=False)
    after: bytes = field(repr=False)
    digest: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Totp:
    """The secret of an authenticator app (RFC 6238), in base 32."""

    secret: str = field(repr=False)
    algorithm: str = "SHA1"
    digits: int = 6
    period: int = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A user of another system. What is None is not known there."""

    id: str | None
    email: str | None = None
    email_verified: bool = False
    username: str | None = None
    name: str | None = None
    roles: tuple[str, ...] | None = None
    status: Status = "active"
    created_at: datetime | None = None
    last_login_at: datetime | None = None
    hash: str | FastDigest | RefusedError | None = field(default=None, repr=False)
    """What to store for the password; or why it cannot be taken, which is not always the end of it."""
    identities: tuple[LinkedIdentity, ...] = ()
    totp: tuple[Totp, ...] = field(default=(), repr=False)
    native: bool = False
    """Whether it comes from an export of this service: then it is `imported` only if it was before."""
    imported: Imported | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One user of a file, by the number of its line, or of its place in the list; or why it cannot be read."""

    number: int
    content: dict[str, Any] | RefusedError = field(repr=False)
