"""How many mails an address gets in a day, and that what warns its owner is not crowded out by the rest."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.accounts.account import Account
from app.accounts.under_way import UndoOffer
from app.recovery.allowance import MOST, SPARE_RESET_EVERY, MailAllowance
from app.recovery.mailroom import Mailroom
from tests.contract.entities import a_user

if TYPE_CHECKING:
    from tests.api.service import FakeClock
    from tests.unit.instance import Instance

EMAIL = "ann@example.com"


@pytest.fixture
def allowance(instance: Instance) -> MailAllowance:
    return instance.get(Mailroom).allowance


def taken(allowance: MailAllowance, kind: str, times: int = 50, account: Account | None = None) -> int:
    """How many of this number of mails of a kind may go out."""
    return sum(allowance.take(EMAIL, kind, account) for _ in range(times))


def test_whatever_asks_for_them_no_more_than_twenty_mails_go_to_an_address_in_a_day(
    allowance: MailAllowance, clock: FakeClock
) -> None:
    kinds = ["reset_password", "verify_email", "profile_changed", "password_changed", "email_changed"]
    assert sum(taken(allowance, kind) for kind in kinds * 2) == MOST == 20
    clock.now += timedelta(days=1) - timedelta(milliseconds=1)
    assert taken(allowance, "email_changed") == 0
    clock.now += timedelta(milliseconds=1)
    assert taken(allowance, "email_changed") == 20


def test_an_address_is_counted_however_it_is_written(allowance: MailAllowance) -> None:
    assert sum(allowance.take(address, "email_changed") for address in (EMAIL, EMAIL.upper()) * 20) == 20


def test_a_warning_is_not_crowded_out_by_what_is_easier_to_cause(allowance: MailAllowance) -> None:
    """Anybody asks for mail; a session changes names; a password changes passwords: at last the address is changed."""
    asked = ("reset_password", "verify_email", "change_email", "account_exists", "confirm_registration")
    assert sum(taken(allowance, kind) for kind in asked) == 15
    assert sum(taken(allowance, kind) for kind in ("profile_changed", "username_changed", "session_reused")) == 1
    assert taken(allowance, "factor_recovery") == 1
    assert sum(taken(allowance, kind) for kind in ("password_changed", "account_deleted")) == 0
    assert taken(allowance, "email_changed") == 3


def test_the_only_way_into_an_account_without_a_password_is_not_crowded_out(allowance: MailAllowance) -> None:
    whole, given_back = Account(a_user(email=EMAIL), "hash"), Account(a_user(email=EMAIL), None)
    taken(allowance, "reset_password", account=whole)
    assert taken(allowance, "reset_password", account=whole) == 0
    assert allowance.take(EMAIL, "reset_password", given_back)


def test_whatever_is_crowded_out_a_taken_account_can_still_be_taken_back(
    allowance: MailAllowance,
) -> None:
    """The change is reported, then the deletion, and whoever undoes both needs a mail for a new password."""
    for kind in ("verify_email", "reset_password", "profile_changed", "password_changed", "account_deleted"):
        taken(allowance, kind)
    given_back = Account(a_user(email=EMAIL), None)

    assert [
        allowance.take(EMAIL, "email_changed"),
        allowance.take(EMAIL, "deletion_undo"),
        allowance.take(EMAIL, "reset_password", given_back),
    ] == [True, True, True]


@pytest.mark.parametrize("kind", ["reset_password", "verify_email", "change_email"])
def test_a_stranger_who_asks_for_mails_keeps_the_owner_from_a_reset_for_at_most_six_hours(
    kind: str, allowance: MailAllowance, clock: FakeClock
) -> None:
    account = Account(a_user(email=EMAIL), "hash")
    taken(allowance, kind, account=account)
    taken(allowance, "reset_password", account=account)

    for _ in range(2):
        assert not allowance.take(EMAIL, "reset_password", account)
        clock.now += SPARE_RESET_EVERY
        assert allowance.take(EMAIL, "reset_password", account)
        assert not allowance.take(EMAIL, kind, account)


def test_notices_to_an_unproven_address_do_not_use_up_its_owners_allowance(
    allowance: MailAllowance, clock: FakeClock
) -> None:
    def moved(*, proven: bool) -> Account:
        offer = UndoOffer("offer", EMAIL.upper(), clock.now + timedelta(days=7), proven)
        return replace(Account(a_user(email="mallory@example.com"), "hash"), undo_offers=(offer,))

    assert taken(allowance, "email_changed", account=moved(proven=False)) == 14
    assert allowance.take(EMAIL, "email_changed", moved(proven=True))
