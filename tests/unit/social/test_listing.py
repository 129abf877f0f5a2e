"""How accounts at providers come and go in the list of an account."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.accounts.account import Account
from app.accounts.factors import ListedPasskey
from app.accounts.under_way import ListedIdentity
from app.platform.errors import LastCredential, NotFound, TooManyIdentities
from app.social.listing import with_identity, without_identity
from tests.contract.entities import HASH, a_user

GOOGLE, GITHUB = ListedIdentity("i1", "google"), ListedIdentity("i2", "github")
PASSKEY = ListedPasskey("k1", "Laptop")
WITHOUT_PASSWORD = Account(a_user(username="ann"), None, identities=(GOOGLE, GITHUB))
BOTH = {"google", "github"}


def test_the_last_account_at_a_provider_stays_unless_there_is_another_way_in() -> None:
    left = without_identity(WITHOUT_PASSWORD, "i1", BOTH)
    assert left.identities == (GITHUB,)
    with pytest.raises(LastCredential):
        without_identity(left, "i2", BOTH)
    assert without_identity(replace(left, password_hash=HASH), "i2", BOTH).identities == ()
    assert without_identity(replace(left, passkeys=(PASSKEY,)), "i2", BOTH).identities == ()
    with pytest.raises(NotFound):
        without_identity(left, "i1", BOTH)


def test_a_provider_that_is_no_longer_there_is_no_way_in() -> None:
    with pytest.raises(LastCredential):
        without_identity(WITHOUT_PASSWORD, "i1", {"google"})
    assert without_identity(WITHOUT_PASSWORD, "i2", {"google"}).identities == (GOOGLE,)


def test_an_account_has_so_many_accounts_at_providers_and_no_more() -> None:
    third = ListedIdentity("i3", "google")
    assert with_identity(WITHOUT_PASSWORD, third, most=3).identities == (GOOGLE, GITHUB, third)
    with pytest.raises(TooManyIdentities):
        with_identity(WITHOUT_PASSWORD, third, most=2)


def test_a_password_without_a_name_to_log_in_with_is_no_way_in() -> None:
    nameless = replace(WITHOUT_PASSWORD, password_hash=HASH, identities=(GOOGLE,)).with_user(email=None, username=None)
    with pytest.raises(LastCredential):
        without_identity(nameless, "i1", BOTH)
    assert without_identity(nameless.with_user(username="ann"), "i1", BOTH).identities == ()
