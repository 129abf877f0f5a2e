"""How second factors come and go in the list of an account."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.accounts.account import Account
from app.accounts.factors import ListedPasskey
from app.accounts.under_way import ListedIdentity
from app.factors.listing import without_passkey
from app.platform.errors import LastCredential, NotFound
from tests.contract.entities import a_user

ALONE = Account(a_user(), None, passkeys=(ListedPasskey("k1", "Laptop"),))


def test_the_last_passkey_stays_unless_a_provider_is_linked_that_there_still_is() -> None:
    with pytest.raises(LastCredential):
        without_passkey(ALONE, "k1", {"google"})
    linked = replace(ALONE, identities=(ListedIdentity("i1", "google"),))
    with pytest.raises(LastCredential):
        without_passkey(linked, "k1", {"github"})
    assert without_passkey(linked, "k1", {"google"}).passkeys == ()


def test_a_passkey_that_is_gone_cannot_go_again() -> None:
    with pytest.raises(NotFound):
        without_passkey(ALONE, "k2", {"google"})
