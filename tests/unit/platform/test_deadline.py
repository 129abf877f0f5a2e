"""A request has one deadline, whatever it waits for; a job and a command have none."""

from __future__ import annotations

from contextvars import copy_context
from typing import TYPE_CHECKING

import pytest

from app.health.views import Ping
from app.platform import deadline
from app.security.hash_pool import HashPool
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public
from tests.unit.web.serving import serving

if TYPE_CHECKING:
    from tests.unit.instance import Instance


class Monotonic:
    """The monotonic clock, which a test moves."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    time = Monotonic()
    monkeypatch.setattr(deadline, "time", time)
    return time


def test_without_a_request_there_is_no_deadline() -> None:
    assert deadline.remaining() is None
    with deadline.paused():
        pass
    assert deadline.remaining() is None


def test_what_is_left_shrinks_with_time_to_nothing_and_ends_with_the_request(time: Monotonic) -> None:
    with deadline.begin(10):
        assert deadline.remaining() == 10
        time.now += 4
        assert deadline.remaining() == 6
        assert copy_context().run(deadline.remaining) == 6
        time.now += 7
        assert deadline.remaining() == 0
    assert deadline.remaining() is None


def test_no_part_of_a_request_has_more_time_than_the_request(time: Monotonic) -> None:
    with deadline.begin(10):
        with deadline.begin(3):
            assert deadline.remaining() == 3
            time.now += 1
        assert deadline.remaining() == 9
        with deadline.begin(30):
            assert deadline.remaining() == 9


def test_the_wait_for_a_hash_has_a_deadline_of_its_own(time: Monotonic) -> None:
    def hash_slowly() -> None:
        time.now += 14

    pool = HashPool(threads=1, queue=1, deadline=15)
    with deadline.begin(10):
        pool.run(hash_slowly)
        assert deadline.remaining() == 10
    pool.close()


def test_each_request_has_ten_seconds(time: Monotonic, instance: Instance) -> None:
    left: list[float | None] = []

    @endpoint("GET /left", access=public, returns=Ping)
    def look(_call: Call) -> Ping:
        """Look."""
        left.append(deadline.remaining())
        time.now += 3
        return Ping()

    client = serving(look, wired=instance.wired).test_client()
    client.get("/left")
    client.get("/left")

    assert left == [10, 10]
    assert deadline.remaining() is None
