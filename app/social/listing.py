"""How accounts at providers come and go in the list of an account: rules from one account to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.platform.errors import NotFound, TooManyIdentities

if TYPE_CHECKING:
    from collections.abc import Collection

    from app.accounts.account import Account
    from app.accounts.under_way import ListedIdentity


def has_identity(account: Account, identity_id: str) -> bool:
    """Whether the account lists this account at a provider."""
    return any(listed.id == identity_id for listed in account.identities)


def with_identity(account: Account, listed: ListedIdentity, *, most: int) -> Account:
    """The account with one more account at a provider; raises TooManyIdentities if it has `most` already."""
    if len(account.identities) >= most:
        raise TooManyIdentities
    return replace(account, identities=(*account.identities, listed))


def without_identity(account: Account, identity_id: str, providers: Collection[str]) -> Account:
    """The account without an account at a provider.

    Raises NotFound if it has no such one, and LastCredential if nobody could log in any more, by one of these
    `providers`.
    """
    if not has_identity(account, identity_id):
        raise NotFound
    left = replace(account, identities=tuple(each for each in account.identities if each.id != identity_id))
    left.require_way_in(providers)
    return left


def has_imported_identity(account: Account, names: Collection[str], subject: str) -> bool:
    """Whether this account at a provider was linked where the user came from; `names` are the provider's there."""
    known = account.imported.identities if account.imported else ()
    return any(each.provider in names and each.subject == subject for each in known)


def without_imported_identity(account: Account, subject: str) -> Account:
    """The account without what was imported about an account at a provider: it was unlinked here."""
    if account.imported is None:
        return account
    left = tuple(each for each in account.imported.identities if each.subject != subject)
    return replace(account, imported=replace(account.imported, identities=left))
