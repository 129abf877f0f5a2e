"""Many accounts that fail from many addresses are a wave of stuffing, which ends by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from app.platform.errors import TooManyRequests
from app.platform.instrumentation import Observer
from app.throttle.counts import Counts
from app.throttle.service import PasswordThrottle
from app.throttle.stuffing import LASTS, WINDOW, Stuffing
from tests.contract.races import in_threads

if TYPE_CHECKING:
    from app.security.secret_keys import SecretKeys
    from tests.api.service import FakeClock
    from tests.stores import Store

PAIRS = 20


class Noticed(Observer):
    def __init__(self) -> None:
        self.waves = 0

    def stuffing_noticed(self) -> None:
        self.waves += 1


@pytest.fixture
def noticed() -> Noticed:
    return Noticed()


@pytest.fixture
def stuffing(store: Store, secrets: SecretKeys, clock: FakeClock, noticed: Noticed) -> Stuffing:
    return Stuffing(Counts(store.login_failures, secrets, "stuffing"), clock, PAIRS, noticed)


def note(stuffing: Stuffing, first: int, count: int) -> list[bool]:
    return [stuffing.note(f"account {number}", f"192.0.2.{number}") for number in range(first, first + count)]


def test_as_many_distinct_pairs_as_the_threshold_are_a_wave(stuffing: Stuffing, noticed: Noticed) -> None:
    with capture_logs() as log:
        assert note(stuffing, 0, PAIRS) == [False] * (PAIRS - 1) + [True]
    assert [line["event"] for line in log] == ["stuffing noticed"]
    assert noticed.waves == 1


@pytest.mark.parametrize(
    ("subject", "address"),
    [
        ("one account", "192.0.2.{}"),
        ("account {}", "192.0.2.1"),
    ],
)
def test_each_account_counts_with_each_address(stuffing: Stuffing, subject: str, address: str) -> None:
    waves = [stuffing.note(subject.format(number), address.format(number)) for number in range(PAIRS)]
    assert waves[-2:] == [False, True]


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8:0:1::{:x}", "::ffff:192.0.2.1", "no address"])
def test_a_pair_counts_once_and_an_ipv6_network_is_one_client(stuffing: Stuffing, address: str) -> None:
    assert not any(stuffing.note("account", address.format(number)) for number in range(3 * PAIRS))


def test_failures_that_are_further_apart_than_a_window_are_no_wave(stuffing: Stuffing, clock: FakeClock) -> None:
    note(stuffing, 0, PAIRS - 1)
    clock.now += WINDOW
    assert note(stuffing, 100, PAIRS - 1) == [False] * (PAIRS - 1)


def test_a_wave_goes_on_while_pairs_fail_and_ends_by_itself(
    stuffing: Stuffing, clock: FakeClock, noticed: Noticed
) -> None:
    note(stuffing, 0, PAIRS)
    clock.now += LASTS - WINDOW
    note(stuffing, 0, PAIRS)
    clock.now += LASTS
    clock.advance(-1)
    assert stuffing.note("account", "192.0.2.1")
    clock.advance(1)
    assert not stuffing.note("another account", "192.0.2.1")
    assert noticed.waves == 1


def test_pairs_that_fail_at_once_are_counted_exactly(stuffing: Stuffing, noticed: Noticed) -> None:
    in_threads(lambda number: note(stuffing, number // 2, 1), PAIRS * 2 - 2)
    assert noticed.waves == 0
    note(stuffing, 100, 1)
    assert noticed.waves == 1


def test_a_wave_delays_the_second_failure_of_unknown_devices_and_none_of_known_ones(
    store: Store, secrets: SecretKeys, clock: FakeClock
) -> None:
    throttle = PasswordThrottle.over(store.login_failures, secrets, clock, pairs=2)
    for name in ("a", "b"):
        throttle.fail_login(throttle.admit_login(name, None, "192.0.2.1"))
    for _ in range(2):
        throttle.fail_login(throttle.admit_login("ann", "ann's id", "192.0.2.1"))
    with pytest.raises(TooManyRequests):
        throttle.admit_login("ann", "ann's id", "192.0.2.1")
    for _ in range(4):
        throttle.fail_login(throttle.admit_login("ann", "ann's id", "192.0.2.1", "a device"))
    throttle.succeed_login(throttle.admit_login("ann", "ann's id", "192.0.2.1", "a device"))
