"""A run is bounded: in requests, in requests a second, and in seconds."""

import pytest

from attack import budget as module
from attack.budget import Budget, SpentError


class Time:
    """A clock that goes on when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    clock = Time()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_no_more_requests_than_allowed(time: Time) -> None:
    budget = Budget(2, 1000, 60, began=time.now)
    budget.take()
    budget.take()
    with pytest.raises(SpentError, match="2 requests"):
        budget.take()


def test_no_faster_than_allowed(time: Time) -> None:
    budget = Budget(100, 4, 60, began=time.now)
    for _ in range(9):
        budget.take()
    assert time.now == pytest.approx(102.0)


def test_no_longer_than_allowed_and_without_waiting_in_vain(time: Time) -> None:
    budget = Budget(100, 1000, 60, began=time.now)
    budget.pause(59)
    with pytest.raises(SpentError, match="60 seconds"):
        budget.pause(2)
    assert time.now == 159


def test_a_spent_budget_still_allows_to_clean_up(time: Time) -> None:
    budget = Budget(1, 1000, 10, began=time.now)
    budget.take()
    time.sleep(100)
    budget.extend(2, 30)
    budget.take()
    budget.take()
    with pytest.raises(SpentError):
        budget.take()
