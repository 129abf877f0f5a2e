"""However the password of one account is guessed, no more than a hundred guesses in a row are answered."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from app.accounts.credentials import CredentialService
from app.accounts.profile import Changes, ProfileService
from app.platform.errors import InvalidCredentials, TooManyRequests, WrongPassword
from app.throttle.service import FREE, MOST, MOST_CONFIRMATIONS, MOST_KNOWN, MOST_OF_DEVICE, PasswordThrottle
from tests.api.service import PASSWORD
from tests.contract.races import in_threads
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
def test_a_name_allows_fifty_guesses_a_year(instance: Instance, clock: FakeClock, name: str) -> None:
    instance.register("ann")
    assert guess(lambda: instance.login(name, WRONG), clock) == MOST
    clock.now += timedelta(days=30)
    assert guess(lambda: instance.login(name, WRONG), clock) == 0


def test_an_account_allows_a_hundred_guesses_by_whatever_names_devices_and_sessions(
    instance: Instance, clock: FakeClock
) -> None:
    """Mallory has sessions and a dozen device tokens, and renames the account whenever its name is closed."""
    user_id = instance.register("ann", email="ann@example.com")
    tokens = [instance.login("ann").device_token or "" for _ in range(12)]

    def guess_everywhere(name: str) -> int:
        unknown = sum(guess(partial(instance.login, each, WRONG), clock) for each in (name, "ann@example.com"))
        known = sum(guess(partial(instance.login, name, WRONG, device_token=each), clock) for each in tokens)
        return unknown + known + guess(lambda: instance.get(CredentialService).confirm(user_id, WRONG), clock)

    answered = guess_everywhere("ann")
    for number in range(4):
        session = session_of(instance.wired, user_id)
        instance.get(ProfileService).change(session, Changes(username=f"ann-{number}"), DEVICE)
        answered += guess_everywhere(f"ann-{number}")
    assert answered == MOST + MOST_KNOWN == 100


def test_a_known_device_allows_five_guesses_and_is_unknown_then(instance: Instance, clock: FakeClock) -> None:
    instance.register("ann")
    token = instance.login("ann").device_token or ""
    guess(partial(instance.login, "ann", WRONG), clock)
    assert guess(partial(instance.login, "ann", WRONG, device_token=token), clock) == MOST_OF_DEVICE
    with pytest.raises(TooManyRequests):
        instance.login("ann", device_token=token)


def test_a_login_from_a_known_device_gives_guessers_no_new_budget(instance: Instance, clock: FakeClock) -> None:
    instance.register("ann")
    token = instance.login("ann").device_token or ""
    guess(partial(instance.login, "ann", WRONG), clock)
    for _ in range(3):
        with pytest.raises(InvalidCredentials):
            instance.login("ann", WRONG, device_token=token)
        token = instance.login("ann", device_token=token).device_token or ""
    assert guess(partial(instance.login, "ann", WRONG), clock) == 0


def test_the_login_of_a_known_device_forgets_the_failures_of_known_devices(instance: Instance) -> None:
    instance.register("ann")
    tokens = [instance.login("ann").device_token or "" for _ in range(11)]
    for _ in range(3):
        for token in tokens[:9]:
            with pytest.raises(InvalidCredentials):
                instance.login("ann", WRONG, device_token=token)
        instance.login("ann", device_token=tokens[-1])
    for token in tokens[:9]:
        for _ in range(2):
            with pytest.raises(InvalidCredentials):
                instance.login("ann", WRONG, device_token=token)


def test_what_a_guesser_does_never_keeps_a_logged_in_owner_from_changing_the_password(
    instance: Instance, clock: FakeClock
) -> None:
    user_id = instance.register("ann")
    guess(lambda: instance.login("ann", WRONG), clock)
    session = session_of(instance.wired, user_id)
    instance.get(CredentialService).change(session, PASSWORD, "a new battery staple", DEVICE)
    assert instance.login("ann", "a new battery staple").user.id == user_id


def test_after_a_confirmation_too_many_a_guess_of_a_known_device_can_be_answered_until_both_have_made_fifty(
    instance: Instance, clock: FakeClock
) -> None:
    user_id = instance.register("ann")
    tokens = [instance.login("ann").device_token or "" for _ in range(10)]
    confirmed = guess(lambda: instance.get(CredentialService).confirm(user_id, WRONG), clock)
    guess(lambda: instance.login("ann", WRONG), clock)
    by_devices = sum(guess(partial(instance.login, "ann", WRONG, device_token=each), clock) for each in tokens)
    assert (confirmed, by_devices) == (MOST_CONFIRMATIONS, MOST_KNOWN - MOST_CONFIRMATIONS)


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
    assert (
        made[0]
        == made[1]
        == [
            "get",  # may it log in?
            *("get", "advance", "get", "advance", "get"),  # stuffing: the pair, the window, and whether there is a wave
            *("get", "advance"),
        ]
    )


def test_a_known_device_is_an_unknown_one_once_known_devices_have_failed_too_often(instance: Instance) -> None:
    instance.register("ann")
    tokens = [instance.login("ann").device_token or "" for _ in range(11)]
    for token in tokens[:10]:
        for _ in range(MOST_OF_DEVICE):
            with pytest.raises(InvalidCredentials):
                instance.login("ann", WRONG, device_token=token)
    assert instance.login("ann", device_token=tokens[10]).device_token


def test_of_two_hundred_guesses_at_once_by_both_names_only_ten_are_answered(instance: Instance) -> None:
    user_id = instance.register("ann", email="ann@example.com")
    throttle, names = instance.get(PasswordThrottle), ("username:ann", "email:ann@example.com")

    def is_answered(number: int) -> bool:
        try:
            throttle.fail_login(throttle.admit_login(names[number % 2], user_id, f"192.0.2.{number % 250}"))
        except TooManyRequests:
            return False
        return True

    assert sum(in_threads(is_answered, 200)) == FREE + 1
