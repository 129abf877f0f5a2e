"""Mailing a login: again after a failure, never into a later epoch, and nothing where mail cannot be sent."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from app import wiring
from app.accounts.service import Accounts
from app.keys.service import KeyService
from app.mail.mail import MailFailedError, MailRefusedError
from app.mail_login import FEATURE
from app.mail_login.service import LIVES, MailLoginService, id_of
from app.outbox.model import CLAIMED_FOR
from app.outbox.service import FIRST_RETRY, Outbox
from app.platform.errors import InvalidCode, Unavailable
from app.platform.instrumentation import Observer
from app.recovery.mailroom import Mailroom
from app.store.observed import observed
from tests.unit.instance import DEVICE, Instance
from tests.unit.recovery.test_mailroom import PostOffice

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from app.mail_login.model import MailLogin
    from tests.api.service import FakeClock
    from tests.stores import Store

EMAIL = "ann@example.com"


@pytest.fixture
def office() -> PostOffice:
    return PostOffice()


@pytest.fixture
def outbox(instance: Instance, office: PostOffice, monkeypatch: pytest.MonkeyPatch) -> Outbox:
    """The box of logins by mail, with the mail server of the test."""
    parts = instance.wired.parts
    mailroom = replace(instance.get(Mailroom), mailer=office)
    get = parts.get
    with monkeypatch.context() as patched:
        patched.setattr(parts, "get", lambda kind: mailroom if kind is Mailroom else get(kind))
        (box,) = (make(parts) for make in FEATURE.boxes)
    return replace(instance.get(Outbox), boxes=(box,))


@pytest.fixture
def ann(instance: Instance) -> str:
    """A user with a verified address; the identifier."""
    user_id = instance.register(email=EMAIL)
    instance.get(Accounts).change(user_id, lambda account: account.with_user(email_verified=True))
    return user_id


def ask(instance: Instance, email: str = EMAIL) -> str:
    return instance.get(MailLoginService).request(email, DEVICE)


def kept(instance: Instance, request: str) -> MailLogin | None:
    return instance.store.mail_logins.find(id_of(request), instance.wired.parts.clock())


def code_in(text: str) -> str:
    (code,) = (line.strip() for line in text.splitlines() if line.startswith("    "))
    return code


def test_a_request_is_mailed_once_and_binds_to_the_epoch(
    instance: Instance, outbox: Outbox, office: PostOffice, ann: str
) -> None:
    request = ask(instance)
    assert [outbox.deliver_due(), outbox.deliver_due()] == [1, 0]
    (mail,) = office.taken
    assert mail.to == EMAIL
    found = kept(instance, request)
    assert found is not None
    assert (found.user_id, found.auth_epoch, found.due_at) == (ann, 0, None)


@pytest.mark.usefixtures("ann")
def test_while_mail_fails_the_same_code_is_tried_again_until_it_expires(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock
) -> None:
    request = ask(instance)
    office.failure = MailFailedError("no answer")
    outbox.deliver_due()
    found = kept(instance, request)
    assert found is not None
    assert found.due_at == clock.now + FIRST_RETRY
    clock.now += FIRST_RETRY
    office.failure = None
    assert outbox.deliver_due() == 1
    opened = instance.get(MailLoginService).by_code(request, code_in(office.taken[0].text), DEVICE)
    assert opened.user.email == EMAIL

    request = ask(instance)
    office.failure = MailFailedError("no answer")
    outbox.deliver_due()
    clock.now += LIVES
    office.failure = None
    outbox.deliver_due()
    assert len(office.taken) == 1
    assert instance.store.mail_logins.due(clock.now, 10) == []


@pytest.mark.usefixtures("ann")
def test_a_mail_that_is_refused_is_not_tried_again(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock
) -> None:
    ask(instance)
    office.failure = MailRefusedError("no such mailbox")
    assert outbox.deliver_due() == 1
    assert instance.store.mail_logins.due(clock.now + LIVES, 10) == []


def test_a_mail_that_is_late_does_not_lead_into_a_later_epoch(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock, ann: str
) -> None:
    """The first attempt may have reached the mailbox, although it failed."""
    request = ask(instance)
    office.failure = MailFailedError("the connection broke behind the last byte")
    outbox.deliver_due()
    instance.get(Accounts).change(ann, lambda account: account.in_new_epoch())
    office.failure = None
    clock.now += FIRST_RETRY
    outbox.deliver_due()
    assert office.taken == []
    login = kept(instance, request)
    assert login is not None
    assert (login.auth_epoch, login.due_at) == (0, None)
    service = instance.get(MailLoginService)
    with pytest.raises(InvalidCode):
        service.by_code(request, service.codes.code_for(EMAIL, "login", login.id, login.id), DEVICE)


@pytest.mark.usefixtures("ann")
def test_after_a_crash_another_worker_mails_it(
    instance: Instance, outbox: Outbox, office: PostOffice, clock: FakeClock
) -> None:
    ask(instance)
    office.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        outbox.deliver_due()
    office.failure = None
    assert outbox.deliver_due() == 0
    clock.now += CLAIMED_FOR
    assert outbox.deliver_due() == 1
    assert len(office.taken) == 1


def test_two_workers_mail_a_request_once(instance: Instance, outbox: Outbox, office: PostOffice, ann: str) -> None:
    del ann
    ask(instance)
    (login,) = instance.store.mail_logins.due(instance.wired.parts.clock(), 10)
    (box,) = outbox.boxes
    now = instance.wired.parts.clock()
    assert box.holders.claim(login, now, now + CLAIMED_FOR) is not None
    assert box.holders.claim(login, now, now + CLAIMED_FOR) is None
    assert outbox.deliver_due() == 0
    assert office.taken == []


@pytest.mark.usefixtures("ann")
def test_while_the_store_is_away_nothing_is_used_up(
    instance: Instance, outbox: Outbox, office: PostOffice, away: Callable[[], None]
) -> None:
    request, service = ask(instance), instance.get(MailLoginService)
    outbox.deliver_due()
    code = code_in(office.taken[0].text)
    away()
    for act in (lambda: ask(instance), lambda: service.by_code(request, code, DEVICE)):
        with pytest.raises(Unavailable):
            act()
    away()
    assert service.by_code(request, code, DEVICE).user.email == EMAIL


class Work(Observer):
    """The calls of the store since the last look at them."""

    def __init__(self) -> None:
        self._done: list[str] = []

    def store_call(self, operation: str) -> AbstractContextManager[object]:
        self._done.append(operation)
        return nullcontext()

    def done(self) -> list[str]:
        done, self._done = self._done, []
        return done


def test_request_and_wrong_code_cost_the_same_and_wake_nobody_whether_the_address_has_an_account(
    instance: Instance, store: Store, clock: FakeClock, ann: str
) -> None:
    work = Work()
    wired = wiring.build(instance.wired.settings, clock=clock, store=observed(store, work))
    wired.get(KeyService).signing_key()  # loaded, as in any process that has served a request
    observing = Instance(wired)
    seen: list[list[list[str]]] = []
    for email in (EMAIL, "nobody@example.com"):
        outbox = wired.get(Outbox)
        work.done()
        request = ask(observing, email)
        of_this = [work.done()]
        assert not outbox.wakes.is_set()
        outbox.deliver_due()
        work.done()  # a worker's, while nobody waits
        assert not outbox.wakes.is_set()
        for _ in range(6):
            with pytest.raises(InvalidCode):
                observing.get(MailLoginService).by_code(request, "0000-0000", DEVICE)
            of_this.append(work.done())
        found = kept(instance, request)
        assert found is not None
        assert found.user_id == (ann if email == EMAIL else None)
        seen.append(of_this)
    wired.close()
    assert seen[0] == seen[1]
    assert seen[0][0] == ["mail_logins.add"]
