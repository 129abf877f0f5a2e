"""Where accounts are hidden, the same work is done whether an address has an account or not."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app import config, wiring
from app.accounts.passwords import PasswordService
from app.accounts.registration import NewAccount, RegistrationService
from app.keys.service import KeyService
from app.platform.instrumentation import Observer
from app.recovery.email_change import EmailChangeService
from app.recovery.reset import ResetService
from app.recovery.verification import VerificationService
from app.store.observed import observed
from tests.api.service import PASSWORD, SETTINGS, FakeClock
from tests.stores import outbox_of
from tests.unit.instance import DEVICE, Instance, session_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from app.mail.mail import Mail
    from tests.stores import Store

KNOWN, FREE = "known@example.com", "free@example.com"


class Work(Observer):
    """The calls of the store and of the mail server since the last look at them."""

    def __init__(self) -> None:
        self._done: list[str] = []

    def store_call(self, operation: str) -> AbstractContextManager[object]:
        self._done.append(operation)
        return nullcontext()

    def send(self, _mail: Mail) -> None:
        self._done.append("mail")

    def done(self) -> list[str]:
        done, self._done = self._done, []
        return done


@pytest.fixture
def work() -> Work:
    return Work()


@pytest.fixture
def hiding(store: Store, clock: FakeClock, work: Work) -> Iterator[Instance]:
    """An instance where accounts are hidden, with one account whose address is proven."""
    settings = config.load(SETTINGS | {"HIDE_ACCOUNTS": "on"}, dotenv=None)
    wired = wiring.build(settings, clock=clock, store=observed(store, work))
    wired.get(KeyService).ensure()
    wired.get(KeyService).signing_key()  # loaded, as in any process that has served a request
    instance = Instance(wired)
    user_id = instance.register("known", email=KNOWN)
    account = store.users.account(user_id)
    assert account is not None
    assert store.users.save(replace(account, user=replace(account.user, email_verified=True)))
    outbox_of(wired, mailer=work).deliver_due()
    session_of(wired, user_id)  # the keys are read at the first token, and for no account's sake
    wired.get(PasswordService).verify(PASSWORD, None)  # so is the mix of the hashes, once a minute, at any password
    yield instance
    wired.close()


def ask_for_a_change(instance: Instance, email: str) -> None:
    user_id = instance.register(email.partition("@")[0] + "-wanted")
    instance.get(EmailChangeService).request(session_of(instance.wired, user_id), email, PASSWORD, DEVICE)


def register(instance: Instance, email: str) -> None:
    instance.get(RegistrationService).register_hidden(NewAccount(PASSWORD, email), DEVICE)


def test_a_forgotten_password_wakes_the_courier_for_no_address(hiding: Instance, work: Work) -> None:
    outbox = outbox_of(hiding.wired, mailer=work)
    outbox.wakes.clear()
    for email in (KNOWN, FREE):
        hiding.get(ResetService).request(email)
        assert not outbox.wakes.is_set()
        outbox.deliver_due()
        assert not outbox.wakes.is_set()


@pytest.mark.parametrize("act", [ask_for_a_change, register])
def test_the_work_of_a_request_and_of_the_courier_after_it_is_the_same(
    act: Callable[[Instance, str], None], hiding: Instance, work: Work
) -> None:
    outbox, resend = outbox_of(hiding.wired, mailer=work), hiding.get(VerificationService).resend
    seen = []
    for email in (KNOWN, FREE):
        work.done()
        of_this: list[tuple[list[str], bool]] = []
        for step in (
            act,
            lambda *_: outbox.deliver_due(),
            lambda _, email: resend(email),
            lambda *_: outbox.deliver_due(),
        ):
            outbox.wakes.clear()
            step(hiding, email)
            of_this.append((work.done(), outbox.wakes.is_set()))
        seen.append(of_this)
    assert seen[0] == seen[1]
    assert [done.count("mail") for done, _ in seen[1]] == [0, 1, 0, 1]
