"""Failed logins of a name are counted exactly, and slow down the next ones."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import TYPE_CHECKING

import pytest

from app.platform.errors import TooManyRequests, Unavailable
from app.security.secret_keys import SecretKeys
from app.throttle import counts
from app.throttle import service as throttle_module
from app.throttle.model import FailureCount
from app.throttle.service import FORGOTTEN_AFTER, MOST, Throttle, delay_after, delay_in_a_wave

if TYPE_CHECKING:
    from pathlib import Path

    from tests.api.service import FakeClock
    from tests.stores import Store

NAME = "username:ann"
DAY = 24 * 60 * 60


@pytest.fixture
def throttle(store: Store, secrets: SecretKeys, clock: FakeClock) -> Throttle:
    return Throttle(store.login_failures, secrets, clock, enabled=True)


def fail(throttle: Throttle, clock: FakeClock, times: int, name: str = NAME) -> None:
    """Fail this often, and wait each time until the next login is allowed."""
    for _ in range(times):
        throttle.fail(name)
        clock.now += delay_of(throttle, name)


def delay_of(throttle: Throttle, name: str = NAME) -> timedelta:
    """How long logins of the name are refused at present."""
    try:
        throttle.check(name)
    except TooManyRequests as refused:
        return timedelta(seconds=refused.retry_after or -1)
    return timedelta(0)


def test_nine_failures_bring_no_delay_the_next_ones_seconds_and_minutes_and_the_last_ones_days_and_weeks() -> None:
    seconds = [delay_after(count).total_seconds() for count in range(101)]

    assert seconds[:10] == [0] * 10
    assert seconds[10:20] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert seconds[20:30] == [900] * 10
    assert seconds[30:35] == [DAY] * 5
    assert seconds[35:50] == [7 * DAY] * 15
    assert seconds[50] == 365 * DAY
    assert delay_after(10**6) == timedelta(days=365)


def test_in_a_wave_of_stuffing_the_second_failure_brings_the_first_delay_and_none_is_longer_than_a_quarter_hour() -> (
    None
):
    seconds = [delay_in_a_wave(count).total_seconds() for count in range(101)]

    assert seconds[:12] == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512]
    assert seconds[12:] == [900] * 89


def test_unknown_devices_known_ones_and_confirmations_together_allow_a_hundred_failures_in_a_row() -> None:
    assert throttle_module.MOST + throttle_module.MOST_KNOWN == 100
    assert throttle_module.MOST_CONFIRMATIONS <= throttle_module.MOST_KNOWN
    assert throttle_module.MOST_KNOWN // throttle_module.MOST_OF_DEVICE == 10


def test_the_tenth_failure_in_a_row_delays_the_next_login_by_a_second(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, clock, 9)
    throttle.check(NAME)
    throttle.fail(NAME)

    with pytest.raises(TooManyRequests) as refused:
        throttle.check(NAME)

    assert refused.value.retry_after == 1
    clock.advance(0.999)
    assert delay_of(throttle) == timedelta(seconds=1)
    clock.advance(0.001)
    throttle.check(NAME)


def test_the_seconds_to_wait_are_rounded_up(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, clock, 11)
    throttle.fail(NAME)  # the twelfth: 4 s

    clock.advance(0.5)
    assert delay_of(throttle) == timedelta(seconds=4)
    clock.advance(2.5)
    assert delay_of(throttle) == timedelta(seconds=1)


def test_fifty_failures_close_a_name_until_they_are_forgotten_a_year_later(
    throttle: Throttle, clock: FakeClock
) -> None:
    began = clock.now
    fail(throttle, clock, 49)
    assert timedelta(weeks=15) < clock.now - began < timedelta(weeks=16)
    throttle.fail(NAME)

    assert delay_of(throttle) == FORGOTTEN_AFTER
    clock.now += FORGOTTEN_AFTER - timedelta(milliseconds=1)
    with pytest.raises(TooManyRequests):
        throttle.check(NAME)
    clock.now += timedelta(milliseconds=1)
    fail(throttle, clock, 9)
    throttle.check(NAME)


def test_what_a_former_version_counted_beyond_the_budget_closes_the_name_too(
    throttle: Throttle, secrets: SecretKeys, store: Store, clock: FakeClock
) -> None:
    former = counts.Counts(store.login_failures, secrets, "failures of an account")
    former.change(NAME, lambda _: FailureCount(MOST, clock.now, clock.now + FORGOTTEN_AFTER))

    with pytest.raises(TooManyRequests):
        throttle.check(NAME)
    with pytest.raises(TooManyRequests):
        throttle.fail(NAME)


def test_a_success_forgets_the_failures(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, clock, 12)
    throttle.succeed(NAME)
    fail(throttle, clock, 9)

    assert delay_of(throttle) == timedelta(0)


def test_failures_are_forgotten_a_year_after_the_last_one(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, clock, 9)
    clock.now += FORGOTTEN_AFTER - timedelta(milliseconds=1)
    throttle.fail(NAME)
    assert delay_of(throttle) == timedelta(seconds=1)

    clock.now += FORGOTTEN_AFTER
    fail(throttle, clock, 9)
    assert delay_of(throttle) == timedelta(0)


def test_names_are_counted_separately(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, clock, 9)
    throttle.fail(NAME)

    throttle.check("username:bob")
    throttle.check("email:ann")
    assert delay_of(throttle) == timedelta(seconds=1)


def test_a_failure_and_a_success_that_come_while_a_name_is_refused_change_nothing(
    throttle: Throttle, clock: FakeClock
) -> None:
    fail(throttle, clock, 9)
    throttle.fail(NAME)

    with pytest.raises(TooManyRequests):
        throttle.fail(NAME)
    with pytest.raises(TooManyRequests):
        throttle.succeed(NAME)

    assert delay_of(throttle) == timedelta(seconds=1)


@pytest.mark.parametrize(("before", "counted"), [(0, 10), (9, 1), (4, 6)])
def test_of_sixteen_concurrent_failures_only_as_many_count_as_in_sequence(
    before: int, counted: int, throttle: Throttle, clock: FakeClock
) -> None:
    fail(throttle, clock, before)
    barrier = Barrier(16)

    def guess() -> bool:
        barrier.wait()
        try:
            throttle.fail(NAME)
        except TooManyRequests:
            return False
        return True

    with ThreadPoolExecutor(16) as threads:
        guesses = [threads.submit(guess) for _ in range(16)]

    assert sum(each.result() for each in guesses) == counted
    assert delay_of(throttle) == timedelta(seconds=1)


def test_of_sixteen_concurrent_failures_after_an_expired_count_of_one_each_counts(
    throttle: Throttle, clock: FakeClock
) -> None:
    for _ in range(5):  # in each round at most ten get through, and only the tenth brings the delay
        throttle.clear(NAME)
        throttle.fail(NAME)
        clock.now += FORGOTTEN_AFTER
        barrier = Barrier(16)

        def guess(barrier: Barrier = barrier) -> bool:
            barrier.wait()
            try:
                throttle.fail(NAME)
            except TooManyRequests:
                return False
            return True

        with ThreadPoolExecutor(16) as threads:
            assert sum(threads.map(lambda _, guess=guess: guess(), range(16))) == 10


def test_of_sixteen_concurrent_successes_none_is_refused(throttle: Throttle, clock: FakeClock) -> None:
    fail(throttle, clock, 5)
    barrier = Barrier(16)

    def succeed() -> None:
        barrier.wait()
        throttle.succeed(NAME)

    with ThreadPoolExecutor(16) as threads:
        successes = [threads.submit(succeed) for _ in range(16)]

    assert [success.exception() for success in successes] == [None] * 16


def test_the_store_learns_nothing_of_the_name(throttle: Throttle, store: Store, database: Path) -> None:
    throttle.fail("username:a password in the wrong field")
    store.close()

    assert b"wrong field" not in database.read_bytes()


def test_the_store_alone_does_not_reveal_whose_count_it_is(throttle: Throttle, store: Store, clock: FakeClock) -> None:
    fail(throttle, clock, 9)
    throttle.fail(NAME)

    Throttle(store.login_failures, SecretKeys("another secret, not in use"), clock, enabled=True).check(NAME)


def test_without_limits_nothing_is_counted_or_refused(store: Store, secrets: SecretKeys, clock: FakeClock) -> None:
    off = Throttle(store.login_failures, secrets, clock, enabled=False)
    for _ in range(200):
        off.check(NAME)
        off.fail(NAME)
    off.succeed(NAME)

    Throttle(store.login_failures, secrets, clock, enabled=True).check(NAME)


def test_a_count_that_changes_before_every_write_is_given_up(
    throttle: Throttle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counts, "_ATTEMPTS", 0)

    with pytest.raises(Unavailable):
        throttle.fail(NAME)
    with pytest.raises(Unavailable):
        throttle.succeed(NAME)


def test_the_erasure_of_an_account_leaves_none_of_its_counts(
    store: Store, secrets: SecretKeys, clock: FakeClock
) -> None:
    passwords = throttle_module.PasswordThrottle.over(store.login_failures, secrets, clock, pairs=1000)
    passwords.fail_login(passwords.admit_login("ann", "ann's id", "192.0.2.1"))
    passwords.fail_confirmation([], "ann's id")
    for _ in range(2):  # it may be done again
        list(passwords.erase("ann's id"))

    for namespace in ("failures of an account", "failures of known devices", "wrong confirmations"):
        assert counts.Counts(store.login_failures, secrets, namespace).get("ann's id") is None
