"""Who may have an address that another gave up: its offer to undo the change decides, and the hold follows it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.accounts.under_way import UndoOffer
from app.platform.errors import EmailTaken
from app.platform.identifiers import new_id
from app.recovery.email_change import EmailChangeService
from app.recovery.mailed_codes import Redeemable
from tests.api.service import PASSWORD
from tests.unit.instance import DEVICE, session_of

if TYPE_CHECKING:
    from app.accounts.account import Account
    from tests.api.service import FakeClock
    from tests.unit.instance import Instance

ADDRESS = "ann@example.com"
WEEK = timedelta(days=7)


@pytest.fixture
def change(instance: Instance) -> Redeemable:
    """Ann's change away from her proven address, which waits to be confirmed."""
    user_id = instance.register(email=ADDRESS)
    prove(instance, user_id)
    instance.get(EmailChangeService).request(session_of(instance.wired, user_id), "new@example.com", PASSWORD, DEVICE)
    pending = kept(instance, user_id).pending_email
    assert pending is not None
    return Redeemable("change", user_id, pending.id)


def kept(instance: Instance, user_id: str) -> Account:
    account = instance.store.users.account(user_id)
    assert account is not None
    return account


def prove(instance: Instance, user_id: str) -> None:
    account = kept(instance, user_id)
    assert instance.store.users.save(replace(account, user=replace(account.user, email_verified=True)))


def hold_for_bob(instance: Instance, clock: FakeClock) -> Account:
    """Hold Ann's address for Bob, without the rules that keep two users from having it."""
    bob = kept(instance, instance.register("bob"))
    assert instance.store.held_emails.hold(ADDRESS, bob.user.id, now=clock.now, until=clock.now + WEEK)
    return bob


def test_an_address_that_cannot_be_held_for_its_owner_is_not_given_up(
    instance: Instance, change: Redeemable, clock: FakeClock
) -> None:
    bob = hold_for_bob(instance, clock)
    offer = UndoOffer(new_id(), ADDRESS, clock.now + WEEK)
    assert instance.store.users.save(replace(bob, undo_offers=(offer,)))
    before = kept(instance, change.owner_id)
    with pytest.raises(EmailTaken):
        instance.get(EmailChangeService).confirm(change, DEVICE)
    assert kept(instance, change.owner_id) == before


def test_a_hold_that_was_left_behind_without_an_offer_keeps_nobody_from_holding(
    instance: Instance, change: Redeemable, clock: FakeClock
) -> None:
    hold_for_bob(instance, clock)
    assert instance.get(EmailChangeService).confirm(change, DEVICE).email == "new@example.com"
    assert instance.store.held_emails.holder(ADDRESS, clock.now) == change.owner_id
    with pytest.raises(EmailTaken):
        instance.register("eve", email=ADDRESS)


def test_a_hold_that_was_left_behind_without_an_offer_keeps_nobody_out(instance: Instance, clock: FakeClock) -> None:
    hold_for_bob(instance, clock)
    assert instance.register("eve", email=ADDRESS)
