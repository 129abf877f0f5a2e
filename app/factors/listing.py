"""How second factors come and go in the list of an account: rules from one account to the next.

Recovery codes stand in for a factor, so they go with the last one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.platform.errors import InvalidCode, NotFound, TooManyPasskeys

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.factors import ListedPasskey, ListedTotp


def confirmed_totp_of(account: Account) -> ListedTotp | None:
    """The authenticator app that is asked for; None if there is none."""
    return next((each for each in account.totp if each.is_confirmed), None)


def pending_totp_of(account: Account, now: datetime) -> ListedTotp | None:
    """The authenticator app that can be confirmed; None if there is none."""
    return next((each for each in account.totp if each.expires_at is not None and each.expires_at > now), None)


def with_pending_totp(account: Account, listed: ListedTotp) -> Account:
    """The account with an authenticator app to confirm, the only one."""
    return replace(account, totp=(*(each for each in account.totp if each.is_confirmed), listed))


def with_confirmed_totp(account: Account, totp_id: str, now: datetime) -> Account:
    """The account whose authenticator app is this one, in place of a former one.

    Raises InvalidCode if it cannot be confirmed any more.
    """
    pending = pending_totp_of(account, now)
    if pending is None or pending.id != totp_id:
        raise InvalidCode
    return with_totp(account, (replace(pending, expires_at=None),))


def without_totp(account: Account) -> Account:
    """The account without its authenticator app; raises NotFound if it has none."""
    if confirmed_totp_of(account) is None and not account.imported_totp:
        raise NotFound
    return _without_idle_codes(with_totp(account, ()))


def with_totp(account: Account, listed: tuple[ListedTotp, ...]) -> Account:
    """The account with these authenticator apps alone; those of `imported_totp` go, too."""
    return replace(account, totp=listed, imported=account.imported and replace(account.imported, totp=()))


def with_passkey(account: Account, listed: ListedPasskey, *, most: int) -> Account:
    """The account with one more passkey; raises TooManyPasskeys if it has `most` already."""
    if len(account.passkeys) >= most:
        raise TooManyPasskeys
    return replace(account, passkeys=(*account.passkeys, listed))


def passkey_of(account: Account, passkey_id: str) -> ListedPasskey | None:
    """The passkey of this identifier; None if the account has no such passkey."""
    return next((listed for listed in account.passkeys if listed.id == passkey_id), None)


def name_of_passkey(account: Account, passkey_id: str) -> str:
    """The name of a passkey; raises NotFound if the account has no such passkey."""
    listed = passkey_of(account, passkey_id)
    if listed is None:
        raise NotFound
    return listed.name


def with_renamed_passkey(account: Account, passkey_id: str, name: str) -> Account:
    """The account with another name of a passkey."""
    renamed = (replace(each, name=name) if each.id == passkey_id else each for each in account.passkeys)
    return replace(account, passkeys=tuple(renamed))


def without_passkey(account: Account, passkey_id: str, providers: Collection[str]) -> Account:
    """The account without a passkey.

    Raises NotFound if it has no such passkey, and LastCredential if nobody could log in any more, by one of these
    `providers`.
    """
    if passkey_of(account, passkey_id) is None:
        raise NotFound
    passkeys = tuple(each for each in account.passkeys if each.id != passkey_id)
    left = _without_idle_codes(replace(account, passkeys=passkeys))
    left.require_way_in(providers)
    return left


def without_factors(account: Account) -> Account:
    """The account without any second factor."""
    return replace(with_totp(account, ()), recovery_codes=(), passkeys=())


def _without_idle_codes(account: Account) -> Account:
    return account if account.factors else replace(account, recovery_codes=())
