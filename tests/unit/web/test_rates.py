"""Counts of requests in windows of time."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from structlog.testing import capture_logs

from app.platform.errors import Unavailable
from app.web.rates import ProcessCounters, Rates, Standing


class Time:
    """A clock in seconds that a test sets, which the library reads, too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000_000.0
        monkeypatch.setattr("limits.storage.memory.time.time", lambda: self.now)

    def __call__(self) -> float:
        return self.now


class Redis:
    """Counters that can fall silent."""

    def __init__(self, now: Time) -> None:
        self.is_silent = False
        self.asked = 0
        self._counters = ProcessCounters(now)

    def hit(self, key: str, most: int, seconds: int) -> tuple[int, float]:
        self.asked += 1
        if self.is_silent:
            raise Unavailable(retry_after=1)
        return self._counters.hit(key, most, seconds)


def allowed(left: int, seconds: int) -> Standing:
    return Standing(allowed=True, left=left, seconds=seconds)


def refused(seconds: int) -> Standing:
    return Standing(allowed=False, left=0, seconds=seconds)


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> Time:
    return Time(monkeypatch)


def test_each_may_send_what_the_limit_says_and_anew_after_the_window(now: Time) -> None:
    rates = Rates(None, now=now)
    taken = [rates.take("login address", "192.0.2.1", 2, 60) for _ in range(4)]
    assert taken == [allowed(1, 60), allowed(0, 60), refused(60), refused(60)]
    assert rates.take("login address", "192.0.2.2", 2, 60).allowed
    assert rates.take("register address", "192.0.2.1", 2, 60).allowed
    now.now += 59.5
    assert rates.take("login address", "192.0.2.1", 2, 60) == refused(1)
    now.now += 0.5
    assert rates.take("login address", "192.0.2.1", 2, 60) == allowed(1, 60)


def test_a_clock_that_goes_back_makes_nobody_wait_for_longer_than_the_window(now: Time) -> None:
    rates = Rates(None, now=now)
    rates.take("login address", "192.0.2.1", 1, 60)
    now.now -= 5000
    assert rates.take("login address", "192.0.2.1", 1, 60) == refused(60)


def test_of_requests_at_once_exactly_as_many_are_allowed_as_the_limit_says() -> None:
    rates, start = Rates(None), Barrier(16)

    def many(_: int) -> int:
        start.wait()
        return sum(rates.take("login address", "192.0.2.1", 100, 3600).allowed for _ in range(50))

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(many, range(16))) == 100


def test_a_flood_of_addresses_does_not_fill_the_memory_and_nobody_gets_out_of_their_count(now: Time) -> None:
    counters = ProcessCounters(now, most=1000)
    known = [counters.hit("known", 5, 3600)[0] for _ in range(3)]
    for number in range(20_000):
        counters.hit(f"address {number}", 5, 3600)
    storage = counters._storage  # noqa: SLF001 - its size is what is examined
    assert storage is not None
    assert len(storage.storage) <= 1000 + 4096
    assert [*known, counters.hit("known", 5, 3600)[0]] == [4, 3, 2, 1]
    assert counters.hit("address 20000", 5, 3600)[0] < 4  # shared with others, who have used some of it


def test_redis_that_is_silent_stops_nothing_and_opens_nothing(now: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    redis = Redis(now)
    rates, steady = Rates(redis, now=now), Time.__new__(Time)
    steady.now = 0.0
    monkeypatch.setattr("app.web.rates.time.monotonic", lambda: steady.now)
    assert rates.take("login address", "a", 1, 60).allowed
    redis.is_silent = True
    with capture_logs() as log:
        taken = [rates.take("login address", "a", 1, 60).allowed for _ in range(5)]
        assert taken == [True, False, False, False, False]  # counted anew, but counted
        assert redis.asked == 2  # not by each request: that would make all of them wait
        redis.is_silent = False
        steady.now += 1
        assert not rates.take("login address", "a", 1, 60).allowed  # it has not forgotten
    assert [line["log_level"] for line in log] == ["warning", "info"]
