"""However the password of one account is guessed, no more than a hundred guesses in a row are answered."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from app.accounts.credentials import CredentialService
from app.accounts.profile import Changes, ProfileService
from app.platform.errors import InvalidCredentials, TooManyRequests, WrongPassword
from app.throttle.service import MOST, MOST_CONFIRMATIONS, MOST_OF_ACCOUNT
from tests.api.service import PASSWORD
from tests.unit.instance import DEVICE, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.service import FakeClock
    from tests.unit.instance import Instance

WRONG = "a wrong battery staple"
CLOSED = timedelta(days=300)
"""Nobody waits longer than this: the name counts as closed."""


def guess(attempt: Callable[[], object], clock: FakeClock) -> int:
    """Guess again and again until the name is closed; returns how many guesses were answered."""
    answered = 0
    for _ in range(500):
        try:
            attempt()
        except TooManyRequests as refused:
            wait = timedelta(seconds=refused.retry_after or -1)
            if wait > CLOSED:
                return answered
            clock.now += wait
        except (InvalidCredentials, WrongPassword):
            answered += 1
    return answered


@pytest.mark.parametrize("name", ["ann", "nobody"])
def test_a_name_allows_forty_guesses_a_year(instance: Instance, clock: FakeClock, name: str) -> None:
    instance.register("ann")
    assert guess(lambda: instance.login(name, WRONG), clock) == MOST
    clock.now += timedelta(days=30)
    assert guess(lambda: instance.login(name, WRONG), clock) == 0


def test_an_account_allows_a_hundred_guesses_however_often_it_is_renamed(instance: Instance, clock: FakeClock) -> None:
    """Mallory has Ann's session and renames the account whenever its name is closed."""
    user_id = instance.register("ann", email="ann@example.com")
    at_login = guess(lambda: instance.login("ann@example.com", WRONG), clock)
    confirmed = 0
    for name in ("ann-0", "ann-1", "ann-2", "ann-3"):
        instance.get(ProfileService).change(session_of(instance.wired, user_id), Changes(username=name), DEVICE)
        confirmed += guess(lambda: instance.get(CredentialService).confirm(user_id, WRONG), clock)
        at_login += guess(partial(instance.login, name, WRONG), clock)
    assert at_login <= MOST_OF_ACCOUNT
    assert confirmed == MOST_CONFIRMATIONS
    assert at_login + confirmed <= 100
    with pytest.raises(TooManyRequests):
        instance.login("ann-3")


def test_confirming_the_password_reopens_a_closed_account(instance: Instance, clock: FakeClock) -> None:
    user_id = instance.register("ann")
    guess(lambda: instance.login("ann", WRONG), clock)
    instance.get(CredentialService).confirm(user_id, PASSWORD)
    assert instance.login("ann").user.id == user_id


def test_closed_confirmations_are_open_again_after_a_login(instance: Instance, clock: FakeClock) -> None:
    user_id = instance.register("ann")
    guess(lambda: instance.get(CredentialService).confirm(user_id, WRONG), clock)
    with pytest.raises(TooManyRequests):
        instance.get(CredentialService).confirm(user_id, PASSWORD)
    clock.now += timedelta(minutes=15)
    instance.login("ann")
    assert instance.get(CredentialService).confirm(user_id, PASSWORD).user.id == user_id


def test_a_failed_login_takes_the_same_calls_of_the_store_whether_there_is_an_account(
    instance: Instance, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    failures = type(instance.store.login_failures)
    for verb in ("get", "advance", "clear"):
        plain = getattr(failures, verb)

        def noted(*arguments: object, verb: str = verb, plain: Callable[..., object] = plain) -> object:
            calls.append(verb)
            return plain(*arguments)

        monkeypatch.setattr(failures, verb, noted)
    instance.register("ann")
    made = []
    for name in ("ann", "nobody"):
        calls.clear()
        with pytest.raises(InvalidCredentials):
            instance.login(name, WRONG)
        made.append(list(calls))
    assert made[0] == made[1] == ["get", "get", "get", "advance", "get", "advance"]
