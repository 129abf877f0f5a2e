"""How API keys come and go in the list of an account: rules from one account to the next."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.platform.errors import NotFound, TooManyApiKeys

if TYPE_CHECKING:
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.under_way import ListedKey


def with_api_key(account: Account, key: ListedKey, *, most: int, now: datetime) -> Account:
    """The account with one more API key, and without those that have expired.

    Raises TooManyApiKeys if it has `most` already.
    """
    live = tuple(each for each in account.listed_keys if each.expires_at > now)
    if len(live) >= most:
        raise TooManyApiKeys
    return replace(account, listed_keys=(*live, key))


def has_api_key(account: Account, key_id: str) -> bool:
    """Whether the account has this API key."""
    return any(key.id == key_id for key in account.listed_keys)


def without_api_key(account: Account, key_id: str) -> Account:
    """The account without this API key; raises NotFound if it has no such key."""
    if not has_api_key(account, key_id):
        raise NotFound
    return replace(account, listed_keys=tuple(key for key in account.listed_keys if key.id != key_id))
