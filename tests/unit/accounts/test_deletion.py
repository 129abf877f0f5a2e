"""Deleting accounts: the roles after a deletion that fails, when mail goes out, and what goes with the reply."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from app.accounts.deletion import DeletionService
from app.audit.service import Audit
from app.outbox.model import CLAIMED_FOR, Entry
from app.outbox.service import Outbox
from app.platform.errors import LastAdmin, WrongPassword
from app.samples.products.service import NewProduct, SampleProductService
from tests.api.service import PASSWORD
from tests.unit.instance import DEVICE, session_of

if TYPE_CHECKING:
    from app.accounts.account import Account
    from tests.api.service import FakeClock
    from tests.unit.instance import Instance


def kept(instance: Instance, user_id: str) -> Account:
    account = instance.store.users.account(user_id)
    assert account is not None
    return account


def set_roles(instance: Instance, user_id: str, *roles: str) -> None:
    account = kept(instance, user_id)
    assert instance.store.users.save(replace(account, user=replace(account.user, roles=roles)))


def administrator(instance: Instance, username: str) -> str:
    user_id = instance.register(username)
    set_roles(instance, user_id, "admin", "member")
    return user_id


@pytest.mark.parametrize("roles", [("member",), ("member", "instructor"), ()])
def test_roles_that_are_set_while_a_deletion_fails_are_not_undone_by_it(
    instance: Instance, roles: tuple[str, ...]
) -> None:
    administrator(instance, "eve")
    user_id = administrator(instance, "ann")
    looks: list[Account] = []

    def check(account: Account) -> Account:
        looks.append(account)
        if len(looks) == 1:
            return account
        set_roles(instance, user_id, *roles)  # an operator takes the administrator's role away
        raise WrongPassword

    with pytest.raises(WrongPassword):
        instance.get(DeletionService).delete_if(user_id, check, DEVICE, action="user.deleted")
    assert kept(instance, user_id).user.roles == roles


def test_an_administrator_whose_deletion_fails_keeps_their_roles(instance: Instance) -> None:
    user_id = administrator(instance, "ann")
    with pytest.raises(LastAdmin):
        instance.get(DeletionService).delete(session_of(instance.wired, user_id), PASSWORD, DEVICE)
    assert kept(instance, user_id).user.roles == ("admin", "member")


def test_mail_about_a_deletion_waits_for_the_purge_or_for_the_worker_that_takes_over(
    instance: Instance, clock: FakeClock
) -> None:
    user_id = instance.register("ann", email="ann@example.com")
    outbox, sent = instance.get(Outbox), []

    def crash_behind_the_deletion() -> None:
        if kept(instance, user_id).user.status == "deleted":
            clock.at_each_call = lambda: None
            sent.append(outbox.deliver_due())
            raise KeyboardInterrupt

    clock.at_each_call = crash_behind_the_deletion
    with pytest.raises(KeyboardInterrupt):
        instance.get(DeletionService).delete(session_of(instance.wired, user_id), PASSWORD, DEVICE)
    assert sent == [0]
    clock.now += CLAIMED_FOR
    assert outbox.deliver_due() == 1
    assert instance.store.users.account(user_id) is None


def test_of_the_mail_that_waits_only_that_about_the_deletion_is_left_and_other_entries_stay_once(
    instance: Instance, clock: FakeClock
) -> None:
    user_id = instance.register("ann", email="ann@example.com")
    account = kept(instance, user_id)
    assert [notice.kind for notice in account.notices] == ["verify_email"]
    other = Entry("other", "webhook", {"of": "a newer version"}, clock.now)
    assert instance.store.users.save(replace(account, outbox=(*account.outbox, other)))

    instance.get(DeletionService).delete(session_of(instance.wired, user_id), PASSWORD, DEVICE)

    gone = kept(instance, user_id)
    assert [notice.kind for notice in gone.notices] == ["account_deleted"]
    assert [entry.kind for entry in gone.outbox].count("webhook") == 1
    assert len(gone.outbox) == 2


def test_what_others_see_of_a_user_goes_with_the_reply_however_long_their_history_is(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.pieces.AT_ONCE", 2)
    user_id = instance.register("ann")
    principal, products = session_of(instance.wired, user_id), instance.get(SampleProductService)
    products.create(principal, NewProduct("Lamp", Decimal(1), None))
    for _ in range(40):
        instance.get(Audit).record(user_id, "session.opened", DEVICE)

    instance.get(DeletionService).delete(principal, PASSWORD, DEVICE)

    assert products.list_all(after=None, limit=1).products == []
