"""How API keys come and go in the list of an account."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.accounts.account import Account
from app.accounts.under_way import ListedKey
from app.api_keys.listing import has_api_key, with_api_key, without_api_key
from app.platform.errors import NotFound, TooManyApiKeys
from tests.contract.entities import DAY, HASH, NOW, a_user

if TYPE_CHECKING:
    from datetime import datetime

PLAIN = Account(a_user(), HASH)


def a_key(number: int, *, expires_at: datetime = NOW + DAY) -> ListedKey:
    return ListedKey(f"key-{number}", expires_at)


def test_a_key_more_than_there_may_be_is_refused_and_expired_ones_take_no_place() -> None:
    account = replace(PLAIN, listed_keys=(a_key(1), a_key(2, expires_at=NOW), a_key(3)))
    with pytest.raises(TooManyApiKeys):
        with_api_key(account, a_key(4), most=2, now=NOW)
    assert with_api_key(account, a_key(4), most=3, now=NOW).listed_keys == (a_key(1), a_key(3), a_key(4))


def test_a_key_that_is_gone_cannot_go_again() -> None:
    account = replace(PLAIN, listed_keys=(a_key(1), a_key(2)))
    assert has_api_key(account, "key-1")
    left = without_api_key(account, "key-1")
    assert left.listed_keys == (a_key(2),)
    assert not has_api_key(left, "key-1")
    with pytest.raises(NotFound):
        without_api_key(left, "key-1")
