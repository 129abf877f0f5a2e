"""Sending what was queued: once, again after a failure or a crash, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from app.accounts.service import Accounts
from app.accounts.under_way import UNDO_LIVES, UndoOffer
from app.mail.mail import MailFailedError, MailRefusedError
from app.outbox.model import CLAIMED_FOR, LONGEST_RETRY
from app.outbox.service import FIRST_RETRY, Outbox
from app.platform.identifiers import new_id
from app.platform.instrumentation import Observer
from app.recovery.mailroom import GIVEN_UP_AFTER
from app.recovery.reset import ResetService
from tests.stores import outbox_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.accounts.account import Account
    from app.mail.mail import Mail
    from app.platform.instrumentation import MailOutcome
    from tests.api.service import FakeClock
    from tests.unit.instance import Instance

EMAIL = "ann@example.com"


class PostOffice:
    """A mail server: keeps what it takes, and fails as the test says."""

    def __init__(self) -> None:
        self.taken: list[Mail] = []
        self.failure: BaseException | None = None

    def send(self, mail: Mail) -> None:
        if self.failure is not None:
            raise self.failure
        self.taken.append(mail)


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def outbox(instance: Instance, office: PostOffice) -> Outbox:
    return outbox_of(instance.wired, mailer=office)


def test_a_mail_is_sent_once(instance: Instance, outbox: Outbox, office: PostOffice) -> None:
    instance.register(email=EMAIL)
    assert [outbox.deliver_due(), outbox.deliver_due()] == [1, 0]
    assert [mail.to for mail in office.taken] == [EMAIL]


def test_mail_that_was_queued_wakes_the_courier(instance: Instance, outbox: Outbox) -> None:
    assert not outbox.wakes.is_set()
    instance.register(email=EMAIL)
    assert outbox.wakes.is_set()


def test_a_mail_that_failed_is_tried_again_later_and_later(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock
) -> None:
    user_id = instance.register(email=EMAIL)
    office.failure = MailFailedError("no answer")
    waits = []
    for _ in range(8):
        outbox.deliver_due()
        account = instance.store.users.account(user_id)
        assert account is not None
        assert account.due_at is not None
        waits.append(account.due_at - clock.now)
        clock.now = account.due_at
    assert waits == [min(FIRST_RETRY * 2**attempt, LONGEST_RETRY) for attempt in range(8)]
    office.failure = None
    outbox.deliver_due()
    assert len(office.taken) == 1
    assert outbox.deliver_due() == 0


def test_a_mail_is_given_up_after_a_day(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock
) -> None:
    user_id = instance.register(email=EMAIL)
    outbox.deliver_due()
    accounts = instance.get(Accounts)
    accounts.change(user_id, lambda account: accounts.with_notice(account, "password_changed", EMAIL))
    office.failure = MailFailedError("no answer")
    outbox.deliver_due()
    clock.now += GIVEN_UP_AFTER
    outbox.deliver_due()
    account = instance.store.users.account(user_id)
    assert account is not None
    assert (account.notices, account.due_at) == ((), None)


def test_the_way_back_to_a_former_address_is_tried_for_as_long_as_it_is_open(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock
) -> None:
    user_id, accounts = instance.register(), instance.get(Accounts)
    offer = UndoOffer(new_id(), EMAIL, clock.now + UNDO_LIVES)

    def moved(account: Account) -> Account:
        account = replace(account, undo_offers=(offer,))
        return accounts.with_notice(account, "email_changed", EMAIL, code_id=offer.id)

    accounts.change(user_id, moved)
    office.failure = MailFailedError("no answer")
    for _ in range(6):
        outbox.deliver_due()
        clock.now += GIVEN_UP_AFTER
    office.failure = None
    outbox.deliver_due()
    assert [mail.to for mail in office.taken] == [EMAIL]


def test_a_mail_that_was_refused_is_not_tried_again(instance: Instance, outbox: Outbox, office: PostOffice) -> None:
    user_id = instance.register(email=EMAIL)
    office.failure = MailRefusedError("no such mailbox")
    outbox.deliver_due()
    account = instance.store.users.account(user_id)
    assert account is not None
    assert (account.notices, account.due_at) == ((), None)


def test_after_a_crash_before_the_mail_left_another_worker_sends_it(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock
) -> None:
    instance.register(email=EMAIL)
    office.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        outbox.deliver_due()
    office.failure = None
    assert outbox.deliver_due() == 0
    clock.now += CLAIMED_FOR
    assert outbox.deliver_due() == 1
    assert len(office.taken) == 1


def test_after_a_crash_after_the_sending_the_mail_goes_out_again_with_the_same_id(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock
) -> None:
    instance.register(email=EMAIL)

    class Crashing(PostOffice):
        def send(self, mail: Mail) -> None:
            office.send(mail)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outbox_of(instance.wired, mailer=Crashing()).deliver_due()
    clock.now += CLAIMED_FOR
    outbox.deliver_due()
    assert len(office.taken) == 2
    assert len({mail.id for mail in office.taken}) == 1


def test_what_is_queued_while_a_mail_is_being_sent_goes_out_after_it_and_the_first_only_once(
    instance: Instance, outbox: Outbox, office: PostOffice
) -> None:
    user_id = instance.register(email=EMAIL)
    accounts = instance.get(Accounts)

    class Slow(PostOffice):
        def send(self, mail: Mail) -> None:
            if not office.taken:
                accounts.change(user_id, lambda account: accounts.with_notice(account, "password_changed", EMAIL))
                assert outbox.deliver_due() == 0
            office.send(mail)

    outbox_of(instance.wired, mailer=Slow()).deliver_due()
    assert len(office.taken) == 2
    assert len({mail.subject for mail in office.taken}) == 2


def test_a_code_that_was_redeemed_meanwhile_is_not_mailed(
    instance: Instance, outbox: Outbox, office: PostOffice
) -> None:
    user_id = instance.register(email=EMAIL)
    accounts = instance.get(Accounts)
    accounts.change(user_id, lambda account: replace(account, codes=()))
    outbox.deliver_due()
    assert office.taken == []
    assert outbox.deliver_due() == 0


def test_without_a_mailer_nothing_is_queued_and_nothing_piles_up(
    start: Callable[..., Instance], office: PostOffice, clock: FakeClock
) -> None:
    instance = start(
        FLASK_ENV="production",
        DATABASE_URL="sqlite:///unused.db",
        BCRYPT_COST="12",
        PUBLIC_URL="https://auth.example.com",
    )
    user_id = instance.register(email=EMAIL)
    account = instance.store.users.account(user_id)
    assert account is not None
    assert (account.codes, account.notices, account.due_at) == ((), (), None)
    instance.get(ResetService).request(EMAIL)
    assert instance.get(Outbox).deliver_due() == 1
    assert instance.store.mail_requests.due(clock.now, 10) == []
    assert office.taken == []


def test_no_more_than_twenty_mails_of_an_account_wait(instance: Instance) -> None:
    user_id = instance.register(email=EMAIL)
    accounts = instance.get(Accounts)

    def queue(number: int, account: Account) -> Account:
        return accounts.with_notice(account, "password_changed", EMAIL, device=f"device {number}")

    for number in range(25):
        accounts.change(user_id, partial(queue, number))
    account = instance.store.users.account(user_id)
    assert account is not None
    assert len(account.notices) == 20
    assert account.notices[-1].facts == {"device": "device 24"}


def test_the_links_begin_with_the_public_url(start: Callable[..., Instance], office: PostOffice) -> None:
    instance = start(PUBLIC_URL="https://auth.example.com")
    instance.register(email=EMAIL)
    outbox_of(instance.wired, mailer=office).deliver_due()
    assert "https://auth.example.com/verify-email#token=" in office.taken[0].text


class Witness(Observer):
    """Writes down what came of each mail."""

    def __init__(self) -> None:
        self.outcomes: list[MailOutcome] = []

    def mail_tried(self, outcome: MailOutcome) -> None:
        self.outcomes.append(outcome)


def test_the_outcome_of_each_mail_is_observed(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock
) -> None:
    witness = Witness()
    outbox = outbox_of(instance.wired, mailer=office, observer=witness)
    accounts, user_id = instance.get(Accounts), instance.register(email=EMAIL)
    outbox.deliver_due()
    accounts.change(user_id, lambda account: accounts.with_notice(account, "password_changed", EMAIL))
    office.failure = MailFailedError("no answer")
    outbox.deliver_due()
    clock.now += GIVEN_UP_AFTER
    outbox.deliver_due()
    office.failure = MailRefusedError("no such mailbox")
    instance.register("eve", email="eve@example.com")
    outbox.deliver_due()
    assert witness.outcomes == ["sent", "failed", "given_up", "refused"]


def test_mail_waits_until_it_was_sent(instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock) -> None:
    assert outbox.waiting() == 0
    instance.register(email=EMAIL)
    instance.get(ResetService).request("nobody@example.com")
    assert outbox.waiting() == 2
    office.failure = MailFailedError("no answer")
    for _ in range(10):  # however long the next try is off
        outbox.deliver_due()
        assert outbox.waiting() == 1
        clock.now += LONGEST_RETRY
    office.failure = None
    outbox.deliver_due()
    assert outbox.waiting() == 0
