"""A name and its password open a session; everything else is refused alike, and counted."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from app.accounts.login_name import LoginName
from app.accounts.registration import NewAccount, RegistrationService
from app.platform.errors import AccountDisabled, InvalidCredentials, SessionEnded, TooManyRequests
from app.security.hash_pool import HashPool
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.login import LoginService
from app.sessions.service import SessionService
from tests.api.service import PASSWORD
from tests.unit.instance import DEVICE, Instance, opened

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.service import FakeClock

WRONG = "wrong horse battery staple"


def failures(instance: Instance, name: str, clock: FakeClock) -> int:
    """How many failures of a name count, derived from how many more bring the delay of the tenth."""
    for missing in range(11):
        try:
            instance.login(name, WRONG)
        except InvalidCredentials:
            continue
        except TooManyRequests:
            clock.advance(1)
            return 10 - missing
    raise AssertionError("never delayed")


@pytest.mark.parametrize("name", ["ann@example.com", " ANN@Example.COM\t", "Ann", " ann ", "ANN"])
def test_an_account_answers_to_either_name_in_any_case(name: str, instance: Instance) -> None:
    user = instance.register("Ann", email="Ann@example.com")

    opened = instance.login(name)

    assert opened.user.id == user
    assert instance.get(AccessTokenAuthenticator).authenticate(opened.access_token).user.username == "Ann"


def test_an_international_domain_answers_in_both_of_its_forms(instance: Instance) -> None:
    user = instance.register("ann", email="ann@bücher.example")

    for name in ("ann@bücher.example", "ann@xn--bcher-kva.example", "ANN@BÜCHER.EXAMPLE"):
        assert instance.login(name).user.id == user


@pytest.mark.parametrize(
    "name",
    [
        "bob",
        "bob@example.com",
        "not@an@address",
        "@",
        "a",
        "ä",
        "ann\0",
        "{'$gt': ''}",
        "x" * 254,
        "x@" + "y" * 252,
        "\uff41nn",
    ],
)
def test_an_unknown_name_is_refused_like_a_wrong_password(name: str, instance: Instance) -> None:
    instance.register("ann", email="ann@example.com")

    with pytest.raises(InvalidCredentials) as unknown:
        instance.login(name)
    with pytest.raises(InvalidCredentials) as wrong:
        instance.login("ann", WRONG)

    assert unknown.value.message == wrong.value.message
    assert unknown.value.fields == wrong.value.fields == ()


def test_a_name_is_looked_up_only_as_what_it_is_submitted_as(instance: Instance) -> None:
    instance.register("ann", email="ann@example.com")
    login = instance.get(LoginService)

    for name in (LoginName("username", "ann@example.com"), LoginName("email", "ann")):
        with pytest.raises(InvalidCredentials):
            login.login(name, PASSWORD, DEVICE)


def test_only_a_user_who_knows_the_password_learns_that_the_account_is_disabled(
    instance: Instance, change_user: Callable[..., None]
) -> None:
    change_user(instance.register("ann"), status="disabled")

    with pytest.raises(AccountDisabled):
        instance.login("ann")
    with pytest.raises(InvalidCredentials):
        instance.login("ann", WRONG)


def test_an_account_without_a_password_lets_nobody_in(instance: Instance, change_user: Callable[..., None]) -> None:
    change_user(instance.register("ann"), password_hash="")

    for password in (PASSWORD, ""):
        with pytest.raises(InvalidCredentials):
            instance.login("ann", password)


@pytest.mark.parametrize("name", ["ann", "nobody", "not@an@address", "ann@example.com"])
def test_the_eleventh_login_in_a_row_has_to_wait_whether_the_account_exists_or_not(
    name: str, instance: Instance
) -> None:
    instance.register("ann", email="ann@example.com")
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            instance.login(name, WRONG)

    for password in (WRONG, PASSWORD):
        with pytest.raises(TooManyRequests) as refused:
            instance.login(name, password)
        assert refused.value.retry_after == 1


def test_a_login_that_has_to_wait_costs_no_hashing(instance: Instance) -> None:
    for _ in range(10):
        with pytest.raises(InvalidCredentials):
            instance.login("ann", WRONG)
    instance.wired.get(HashPool).close()

    with pytest.raises(TooManyRequests):
        instance.login("ann", WRONG)


def test_all_forms_of_a_name_are_counted_together(instance: Instance, clock: FakeClock) -> None:
    instance.register("bob", email="ann@bücher.example")
    instance.register("ann")
    for forms in (
        ("ann@bücher.example", "ANN@xn--bcher-kva.EXAMPLE", " ann@BÜCHER.example "),
        ("ann", "ANN", " Ann "),
        ("not@an@address", " NOT@an@ADDRESS "),
    ):
        for form in forms:
            with pytest.raises(InvalidCredentials):
                instance.login(form, WRONG)
        assert failures(instance, forms[0], clock) == len(forms)


def test_a_login_forgets_the_failures_before_it(instance: Instance, clock: FakeClock) -> None:
    instance.register("ann")
    for _ in range(9):
        with pytest.raises(InvalidCredentials):
            instance.login("ann", WRONG)
    instance.login("ann")

    assert failures(instance, "ann", clock) == 0


def test_the_right_password_clears_the_failures_of_a_disabled_account(
    instance: Instance, change_user: Callable[..., None], clock: FakeClock
) -> None:
    change_user(instance.register("ann"), status="disabled")
    for _ in range(9):
        with pytest.raises(InvalidCredentials):
            instance.login("ann", WRONG)
    with pytest.raises(AccountDisabled):
        instance.login("ann")

    assert failures(instance, "ann", clock) == 0


def test_of_sixteen_guesses_at_once_only_ten_get_an_answer(instance: Instance) -> None:
    instance.register("ann")
    barrier = Barrier(16)

    def guess() -> None:
        barrier.wait()
        instance.login("ann", WRONG)

    with ThreadPoolExecutor(16) as threads:
        guesses = [threads.submit(guess) for _ in range(16)]

    outcomes = [type(each.exception()) for each in guesses]
    assert outcomes.count(InvalidCredentials) == 10
    assert outcomes.count(TooManyRequests) == 6


def test_a_login_opens_a_session_of_its_own(instance: Instance) -> None:
    instance.register("ann")
    first, second = instance.login("ann"), instance.login("ann")

    callers = instance.get(AccessTokenAuthenticator)
    assert len({callers.authenticate(opened.access_token).session_id for opened in (first, second)}) == 2
    assert first.refresh_token != second.refresh_token


def test_a_login_at_the_limit_of_sessions_is_one_transaction_and_a_registration_two(
    start: Callable[..., Instance], database: Path
) -> None:
    """What is not on the disk before the reply may be lost; what is there in two steps may be there by halves."""
    instance = start(SESSIONS_PER_USER="1", MAIL_DIR=str(database.parent / "mail"))
    credentials = instance.get(RegistrationService).register(NewAccount(PASSWORD, "ann@example.com"))
    assert committed(database, lambda: instance.login("ann@example.com")) == 1
    assert committed(database, lambda: instance.login("ann@example.com")) == 1
    first = opened(instance.wired, credentials)
    ann = instance.get(AccessTokenAuthenticator).authenticate(first.access_token)
    assert committed(database, lambda: instance.get(SessionService).log_out(ann, "this", DEVICE)) == 1

    def register() -> None:
        new = instance.get(RegistrationService).register(NewAccount(PASSWORD, "eve@example.com"), DEVICE)
        opened(instance.wired, new, "register")

    assert committed(database, register) == 2


def committed(database: Path, act: Callable[[], object]) -> int:
    """How many transactions are on the disk: in SQLite's write-ahead log, the last page of each has the database's size
    (sqlite.org/fileformat2.html, "WAL Frame Header Format")."""
    log = Path(f"{database}-wal")
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        act()
        pages = log.read_bytes()
    frame = 24 + int.from_bytes(pages[8:12], "big")
    return sum(pages[at + 4 : at + 8] != bytes(4) for at in range(32, len(pages), frame))


def test_a_login_at_an_instance_whose_clock_is_slow_does_not_end_itself(
    start: Callable[..., Instance], clock: FakeClock
) -> None:
    instance = start(SESSIONS_PER_USER="1")
    former = instance.login_of("ann")
    clock.advance(-10)
    opened = instance.login("ann")

    assert instance.get(AccessTokenAuthenticator).authenticate(opened.access_token).user.id == opened.user.id
    with pytest.raises(SessionEnded):
        instance.get(AccessTokenAuthenticator).authenticate(former.access_token)


def test_a_password_that_was_changed_while_it_was_checked_opens_nothing(
    instance: Instance, change_user: Callable[..., None]
) -> None:
    user = instance.register("ann")
    credentials = instance.store.users.credentials_by_username("ann")
    assert credentials is not None
    change_user(user, auth_epoch=1)

    with pytest.raises(SessionEnded):
        opened(instance.wired, credentials)

    assert instance.store.sessions.end_some_of(user, 100) == 0
    assert [event.action for event in instance.store.events.page_of(user, before=None, limit=10)] == ["user.registered"]
