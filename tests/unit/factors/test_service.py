"""What second factors do to logins that are under way, to a former version beside this one, and to a taken account."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app.accounts.account import Account
from app.accounts.factors import ListedTotp, RecoveryCode
from app.accounts.under_way import UndoOffer
from app.factors.service import FactorService
from app.factors.totp import TotpParameters
from app.platform.errors import InvalidCode, SecondFactorRequired, SessionEnded, Unavailable
from app.platform.identifiers import new_id
from app.security.passwords import PasswordHasher
from tests.api.service import PASSWORD
from tests.contract.entities import DAY, HASH, NOW, a_user
from tests.unit.instance import DEVICE, Instance, opened, session_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.api.service import FakeClock


def enrol(instance: Instance, user_id: str) -> tuple[str, ...]:
    """Give a user an authenticator app; their recovery codes."""
    principal, factors = session_of(instance.wired, user_id), instance.get(FactorService)
    begun = factors.begin_totp(principal)
    codes = factors.confirm_totp(principal, TotpParameters(begun.secret).totp.at(instance.wired.parts.clock()), DEVICE)
    assert codes is not None
    return codes


def stored_hash(database: Path) -> str:
    with closing(sqlite3.connect(database)) as connection:
        ((stored,),) = connection.execute("SELECT password_hash FROM users").fetchall()
    assert isinstance(stored, str)
    return stored


def test_a_version_that_knows_no_factors_lets_nobody_in_by_the_stored_hash(instance: Instance, database: Path) -> None:
    user_id = instance.register("ann")
    assert PasswordHasher().verify(PASSWORD, stored_hash(database))
    enrol(instance, user_id)
    assert not PasswordHasher().verify(PASSWORD, stored_hash(database))

    instance.get(FactorService).remove_totp(session_of(instance.wired, user_id), DEVICE)

    assert PasswordHasher().verify(PASSWORD, stored_hash(database))


def test_a_hash_that_such_a_version_replaced_does_not_open_the_account_here(instance: Instance, database: Path) -> None:
    enrol(instance, instance.register("ann"))
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE users SET password_hash = ?", (PasswordHasher("bcrypt", 4).hash(PASSWORD),))
    with pytest.raises(SecondFactorRequired):
        instance.login("ann")


def test_a_login_that_was_verified_before_a_factor_came_opens_nothing(instance: Instance) -> None:
    user_id = instance.register("ann")
    credentials = instance.store.users.credentials_by_username("ann")
    assert credentials is not None
    enrol(instance, user_id)
    with pytest.raises(SessionEnded):
        opened(instance.wired, credentials)


def test_an_app_that_another_replaced_meanwhile_is_not_confirmed(instance: Instance, clock: FakeClock) -> None:
    principal, factors = session_of(instance.wired, instance.register("ann")), instance.get(FactorService)
    first = factors.begin_totp(principal)
    factors.begin_totp(principal)
    with pytest.raises(InvalidCode):
        factors.confirm_totp(principal, TotpParameters(first.secret).totp.at(clock()), DEVICE)


def test_without_the_store_nothing_of_a_factor_is_changed(
    instance: Instance, away: Callable[[], None], clock: FakeClock
) -> None:
    principal, factors = session_of(instance.wired, instance.register("ann")), instance.get(FactorService)
    begun = factors.begin_totp(principal)
    away()
    with pytest.raises(Unavailable):
        factors.confirm_totp(principal, TotpParameters(begun.secret).totp.at(clock()), DEVICE)
    with pytest.raises(Unavailable):
        factors.begin_totp(principal)


def test_the_undo_of_a_change_of_address_keeps_the_factors_from_before_and_drops_later_ones() -> None:
    own, own_code = ListedTotp(new_id(), NOW), RecoveryCode(new_id(), 0, "salt", "digest")
    offer = UndoOffer(new_id(), "ann@example.org", NOW + DAY)
    later, later_code = ListedTotp(new_id(), NOW), RecoveryCode(new_id(), 0, "salt", "digest")
    account = Account(a_user(email="eve@example.org"), HASH, undo_offers=(offer,))

    kept = replace(account, totp=(own,), recovery_codes=(own_code,)).given_back(offer, NOW)
    assert (kept.totp, kept.recovery_codes) == ((own,), (own_code,))
    dropped = replace(account, totp=(later,), recovery_codes=(later_code,)).given_back(offer, NOW)
    assert (dropped.totp, dropped.recovery_codes, dropped.factors) == ((), (), ())
