"""The form in which every store keeps an account.

The hash of a password that is one factor of two is marked. A version from before there were second factors knows no
hash like that: so one that runs beside this version lets nobody in by the password alone, as long as it does not
replace the hash.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, Final

from app.accounts.account import Account
from app.accounts.model import Credentials, listed_status
from app.accounts.under_way import UnderWay
from app.platform.identifiers import email_key, name_key, username_key
from app.store.codec import Codec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from app.accounts.model import User

UNDER_WAY: Final = Codec(UnderWay)
PARTS: Final = tuple(part.name for part in fields(UnderWay))
_MARK: Final = "second-factor:"


def fields_of(account: Account) -> dict[str, Any]:
    """What is written at each replacement, besides what is under way; a field without a value is None.

    A `..._key` is the form in which addresses or names are compared.
    """
    user, pending = account.user, account.pending_email
    as_stored = _marked if account.factors else str
    return {
        "email": user.email,
        "email_key": user.email and email_key(user.email),
        "email_verified": user.email_verified,
        "username": user.username,
        "username_key": user.username and username_key(user.username),
        "name": user.name,
        "name_key": user.name and name_key(user.name),
        "roles": user.roles,
        "status": user.status,
        "kind": user.kind,
        "listed_status": listed_status(user.status),
        "password_hash": account.password_hash and as_stored(account.password_hash),
        "auth_epoch": account.auth_epoch,
        "kept_session": account.kept_session,
        "pending_email_key": pending and email_key(pending.email),
        "due_at": account.due_at,
    }


def account_of(
    user: User,
    kept_hash: str | None,
    under_way: Mapping[str, Any],
    *,
    auth_epoch: int,
    kept_session: str | None,
    due_at: datetime | None,
    revision: int,
) -> Account:
    """The account that a store keeps like this; `under_way` is the document of what is under way, empty for none."""
    account = Account(user, unmarked(kept_hash), auth_epoch, kept_session, due_at, revision)
    if not under_way:
        return account
    found = UNDER_WAY.entity(under_way)
    return replace(account, **{name: getattr(found, name) for name in PARTS}, unknown=UNDER_WAY.unknown(under_way))


def credentials_of(user: User, kept_hash: str | None, under_way: Mapping[str, Any], *, auth_epoch: int) -> Credentials:
    """The credentials of such an account; `under_way` need not hold more than what concerns factors."""
    found = UNDER_WAY.entity(under_way) if under_way else UnderWay()
    is_recovering = found.factor_recovery is not None
    return Credentials(user, unmarked(kept_hash), auth_epoch, found.factors, is_recovering)


def _marked(password_hash: str) -> str:
    return f"{_MARK}{password_hash}"


FORMS: Final[tuple[Callable[[str], str], ...]] = (str, _marked)
"""The forms in which a store may keep a hash: as it is, and marked."""


def unmarked(stored: str | None) -> str | None:
    """The password hash that a store keeps."""
    return stored.removeprefix(_MARK) if stored else stored
