"""A due job is run by one worker of all, and no job that fails stops another."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier, Event
from threading import enumerate as threads_alive
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from app.feature import Job
from app.jobs import workers as jobs_module
from app.jobs.workers import Jobs
from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.api.service import FakeClock
    from tests.stores import Store

LONG = 60
"""Seconds that are never waited for unless something hangs."""
HOUR = timedelta(hours=1)


@pytest.fixture
def make(store: Store, clock: FakeClock) -> Iterator[Callable[..., Jobs]]:
    """Makes the jobs of a worker."""
    made: list[Jobs] = []

    def make(*jobs: Job) -> Jobs:
        made.append(Jobs(jobs, store.leases, clock))
        return made[-1]

    yield make
    for worker in made:
        worker.stop()


def job(name: str, done: list[str], *, fails: Exception | None = None) -> Job:
    def run() -> int:
        done.append(name)
        if fails is not None:
            raise fails
        return 7

    return Job(name, HOUR, run)


def test_a_job_is_done_once_in_its_time_by_one_of_two_workers(make: Callable[..., Jobs], clock: FakeClock) -> None:
    done: list[str] = []
    first, second = make(job("purge", done)), make(job("purge", done))

    first.run_due()
    second.run_due()
    clock.advance(3599.999)
    second.run_due()
    assert done == ["purge"]

    clock.advance(0.001)
    second.run_due()
    first.run_due()
    assert done == ["purge"] * 2


def test_of_workers_that_look_at_once_one_does_the_job(make: Callable[..., Jobs]) -> None:
    done: list[str] = []
    barrier = Barrier(8)

    def look() -> None:
        worker = make(job("purge", done))
        barrier.wait()
        worker.run_due()

    with ThreadPoolExecutor(8) as threads:
        looks = [threads.submit(look) for _ in range(8)]

    assert [each.exception() for each in looks] == [None] * 8
    assert done == ["purge"]


def test_what_was_done_is_logged(make: Callable[..., Jobs]) -> None:
    with capture_logs() as logged:
        make(job("purge", [])).run_due()

    assert logged == [{"event": "job", "job": "purge", "done": 7, "log_level": "info"}]


@pytest.mark.parametrize("fault", [Unavailable(), ValueError("a fault"), RecursionError()], ids=repr)
def test_a_job_that_fails_is_logged_and_does_not_stop_the_others(
    fault: Exception, make: Callable[..., Jobs], clock: FakeClock
) -> None:
    done: list[str] = []
    worker = make(job("bad", done, fails=fault), job("good", done))

    with capture_logs() as logged:
        worker.run_due()

    assert done == ["bad", "good"]
    assert [event["job"] for event in logged] == ["bad", "good"]
    assert logged[0]["log_level"] in {"warning", "error"}
    clock.advance(3600)
    worker.run_due()
    assert done == ["bad", "good"] * 2


def test_a_store_that_is_away_is_logged_and_asked_again_later(
    make: Callable[..., Jobs], away: Callable[[], None]
) -> None:
    done: list[str] = []
    worker = make(job("purge", done))
    away()
    with capture_logs() as logged:
        worker.run_due()
    away()

    assert (done, [event["log_level"] for event in logged]) == ([], ["warning"])
    assert "unable to open database file" in logged[0]["cause"]
    worker.run_due()
    assert done == ["purge"]


def test_no_job_is_begun_after_the_stop(make: Callable[..., Jobs]) -> None:
    done: list[str] = []

    def run() -> int:
        done.append("first")
        worker.stop()
        return 0

    worker: Any = make(Job("first", HOUR, run), job("second", done))

    worker.run_due()
    worker.run_due()

    assert done == ["first"]


def test_the_thread_of_a_worker_goes_on_after_a_fault_and_ends_at_the_stop(
    make: Callable[..., Jobs], clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "LOOK_EVERY", 0.001)
    again = Event()
    runs: list[int] = []

    def run() -> int:
        runs.append(1)
        clock.advance(3600)
        if len(runs) > 2:
            again.set()
        raise ValueError("a fault")

    before = {thread.name for thread in threads_alive()}
    worker = make(Job("bad", HOUR, run))
    with capture_logs():
        worker.start()
        assert again.wait(LONG)
        worker.stop()
        for thread in threads_alive():
            if thread.name == "jobs":
                assert thread.daemon
                thread.join(LONG)

    assert "jobs" not in before
    assert "jobs" not in {thread.name for thread in threads_alive()}


def test_a_worker_first_looks_for_jobs_some_time_after_its_start(
    make: Callable[..., Jobs], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "LOOK_EVERY", LONG)
    done: list[str] = []
    worker = make(job("purge", done))

    worker.start()
    worker.stop()

    assert done == []
