"""The hashing pool takes what fits, refuses the rest at once, and forgets what has waited too long."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from time import monotonic, perf_counter
from typing import TYPE_CHECKING

import pytest

from app.platform import client
from app.platform.errors import Overloaded
from app.security.hash_pool import HashPool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).parents[3]
LONG = 60.0
"""A deadline or a wait in seconds that is never reached unless something hangs."""
BRIEF = 0.3
"""A deadline in seconds that a test waits out."""


class Gate:
    """A job that reports that it has begun and then waits to be let through."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.opened = threading.Event()

    def pass_through(self) -> str:
        self.begun.release()
        assert self.opened.wait(LONG)
        return "passed"


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.opened.set()


@pytest.fixture
def make_pool(gate: Gate) -> Iterator[Callable[..., HashPool]]:
    pools: list[HashPool] = []

    def make(
        *, threads: int = 1, queue: int = 0, deadline: float = LONG, clock: Callable[[], float] = perf_counter
    ) -> HashPool:
        pools.append(HashPool(threads=threads, queue=queue, deadline=deadline, clock=clock))
        return pools[-1]

    yield make
    gate.opened.set()
    for pool in pools:
        pool.close()


class Work:
    """A clock that only its jobs move."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def take(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def callers(gate: Gate) -> Iterator[ThreadPoolExecutor]:
    """Threads that call the pool, as the threads of requests do."""
    with ThreadPoolExecutor(max_workers=16) as executor:
        yield executor
        gate.opened.set()


def until(condition: Callable[[], bool]) -> None:
    """Return when the condition holds; there is no other way to wait for what another thread does."""
    end = monotonic() + LONG
    while not condition():
        assert monotonic() < end, "the condition never came true"


def hashing_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("password-hash")]


def test_the_result_of_the_function_comes_back(make_pool: Callable[..., HashPool]) -> None:
    def join(*parts: str, between: str) -> str:
        return between.join(parts)

    assert make_pool().run(join, "a", "b", between="-") == "a-b"


def test_the_function_runs_in_a_thread_of_the_pool(make_pool: Callable[..., HashPool]) -> None:
    assert make_pool().run(lambda: threading.current_thread().name).startswith("password-hash")


@pytest.mark.parametrize("error", [ValueError("a fault"), TimeoutError("its own"), KeyError("x")])
def test_an_exception_of_the_function_reaches_the_caller_and_frees_its_place(
    error: Exception, make_pool: Callable[..., HashPool]
) -> None:
    pool = make_pool()

    def fail() -> None:
        raise error

    for _ in range(3):
        with pytest.raises(type(error)) as caught:
            pool.run(fail)
        assert caught.value is error
    assert pool.run(lambda: "still there") == "still there"


def test_no_thread_starts_before_the_first_job(make_pool: Callable[..., HashPool]) -> None:
    before = len(hashing_threads())
    pool = make_pool(threads=2)
    assert len(hashing_threads()) == before

    pool.run(lambda: None)

    assert len(hashing_threads()) == before + 1


def test_a_full_queue_is_refused_at_once_and_nothing_of_the_job_is_run(
    make_pool: Callable[..., HashPool], callers: ThreadPoolExecutor, gate: Gate
) -> None:
    pool = make_pool(threads=1, queue=2, deadline=14.5)
    admitted = [callers.submit(pool.run, gate.pass_through) for _ in range(3)]
    until(lambda: pool.waiting == 2)
    ran: list[str] = []

    with pytest.raises(Overloaded):
        pool.run(ran.append, "refused")

    assert not any(job.done() for job in admitted)
    gate.opened.set()
    assert [job.result(LONG) for job in admitted] == ["passed"] * 3
    assert ran == []


def test_no_more_jobs_run_at_once_than_there_are_threads(
    make_pool: Callable[..., HashPool], callers: ThreadPoolExecutor, gate: Gate
) -> None:
    pool = make_pool(threads=2, queue=3)
    jobs = [callers.submit(pool.run, gate.pass_through) for _ in range(5)]

    assert gate.begun.acquire(timeout=LONG)
    assert gate.begun.acquire(timeout=LONG)
    until(lambda: pool.waiting == 3)
    assert not gate.begun.acquire(blocking=False)

    gate.opened.set()
    assert [job.result(LONG) for job in jobs] == ["passed"] * 5
    assert pool.waiting == 0


def test_of_many_simultaneous_jobs_exactly_those_that_fit_are_admitted(
    make_pool: Callable[..., HashPool], callers: ThreadPoolExecutor, gate: Gate
) -> None:
    pool = make_pool(threads=2, queue=3)
    start = threading.Barrier(16)

    def call() -> str:
        start.wait(LONG)
        return pool.run(gate.pass_through)

    jobs = [callers.submit(call) for _ in range(16)]
    until(lambda: sum(job.done() for job in jobs) >= 11)
    gate.opened.set()

    outcomes = [job.exception(LONG) for job in jobs]
    assert outcomes.count(None) == 5
    assert sum(isinstance(outcome, Overloaded) for outcome in outcomes) == 11


def test_the_place_of_a_finished_job_is_free_at_once(make_pool: Callable[..., HashPool]) -> None:
    pool = make_pool(threads=1, queue=0)

    assert [pool.run(lambda: "done") for _ in range(200)] == ["done"] * 200


def test_a_job_that_waited_beyond_the_deadline_is_refused_and_never_run(
    make_pool: Callable[..., HashPool], callers: ThreadPoolExecutor, gate: Gate
) -> None:
    pool = make_pool(threads=1, queue=1, deadline=BRIEF)
    running = callers.submit(pool.run, gate.pass_through)
    assert gate.begun.acquire(timeout=LONG)
    ran: list[str] = []

    for _ in range(2):  # each gives its place in the queue back
        with pytest.raises(Overloaded) as refused:
            pool.run(ran.append, "too late")
        assert refused.value.retry_after == 1
    assert pool.waiting == 0

    gate.opened.set()
    assert running.result(LONG) == "passed"
    assert pool.run(lambda: "later") == "later"
    assert ran == []


def test_a_job_that_was_started_in_time_is_finished_beyond_the_deadline(
    make_pool: Callable[..., HashPool], callers: ThreadPoolExecutor, gate: Gate
) -> None:
    pool = make_pool(threads=1, queue=1, deadline=BRIEF)
    running = callers.submit(pool.run, gate.pass_through)
    assert gate.begun.acquire(timeout=LONG)
    with pytest.raises(Overloaded):  # begun later and refused at its deadline: that of the first has passed too
        pool.run(lambda: None)
    assert not running.done()

    gate.opened.set()

    assert running.result(LONG) == "passed"


def test_a_job_that_would_begin_too_late_is_refused_at_once_although_there_is_room(
    make_pool: Callable[..., HashPool], callers: ThreadPoolExecutor, gate: Gate
) -> None:
    work = Work()
    pool = make_pool(threads=2, queue=9, deadline=50, clock=work.clock)
    pool.run(work.take, 40)
    jobs = [callers.submit(pool.run, gate.pass_through) for _ in range(4)]
    until(lambda: pool.waiting == 2)

    with pytest.raises(Overloaded):  # the third in the queue of two threads: 3 x 40 / 2 seconds
        pool.run(lambda: None)

    gate.opened.set()
    assert [job.result(LONG) for job in jobs] == ["passed"] * 4


def test_a_pool_that_was_slow_still_takes_what_need_not_wait_and_recovers(
    make_pool: Callable[..., HashPool], callers: ThreadPoolExecutor, gate: Gate
) -> None:
    work = Work()
    pool = make_pool(threads=1, queue=1, deadline=50, clock=work.clock)
    pool.run(work.take, 1000)
    for _ in range(30):
        pool.run(work.take, 1)

    jobs = [callers.submit(pool.run, gate.pass_through) for _ in range(2)]
    until(lambda: pool.waiting == 1)
    gate.opened.set()
    assert [job.result(LONG) for job in jobs] == ["passed"] * 2


def run_for(pool: HashPool, connection: socket.socket, function: Callable[[], object]) -> object:
    """Run the function for the client of this connection."""
    with client.connected(connection):
        return pool.run(function)


@pytest.mark.parametrize("leaves", [True, False])
def test_a_client_that_has_left_by_its_turn_costs_no_hash(
    leaves: bool,  # noqa: FBT001 - a parameter of the test
    make_pool: Callable[..., HashPool],
    callers: ThreadPoolExecutor,
    gate: Gate,
) -> None:
    pool = make_pool(threads=1, queue=1)
    running = callers.submit(pool.run, gate.pass_through)
    assert gate.begun.acquire(timeout=LONG)
    ran: list[str] = []
    ours, theirs = socket.socketpair()
    with ours, theirs:
        waiting = callers.submit(run_for, pool, ours, lambda: ran.append("hashed"))
        until(lambda: pool.waiting == 1)
        if leaves:
            theirs.close()
        gate.opened.set()
        outcome = waiting.exception(LONG)

    assert running.result(LONG) == "passed"
    assert (isinstance(outcome, Overloaded), ran) == ((True, []) if leaves else (False, ["hashed"]))
    assert pool.waiting == 0
    assert pool.run(lambda: "later") == "later"


def test_a_client_that_closes_only_its_side_is_served_if_it_need_not_wait(make_pool: Callable[..., HashPool]) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.shutdown(socket.SHUT_WR)
        assert run_for(make_pool(), ours, lambda: "hashed") == "hashed"


def test_those_refused_are_told_to_return_about_when_the_queue_is_done_but_not_all_at_once(
    make_pool: Callable[..., HashPool], callers: ThreadPoolExecutor, gate: Gate
) -> None:
    work = Work()
    pool = make_pool(threads=1, queue=1, deadline=90, clock=work.clock)
    pool.run(work.take, 40)
    jobs = [callers.submit(pool.run, gate.pass_through) for _ in range(2)]
    until(lambda: pool.waiting == 1)

    told = []
    for _ in range(200):
        with pytest.raises(Overloaded) as refused:
            pool.run(lambda: None)
        assert refused.value.retry_after
        told.append(refused.value.retry_after)

    assert min(told) in range(40, 60)  # (1 + 1) x 40 seconds, less half of it
    assert max(told) in range(100, 121)  # half more
    gate.opened.set()
    assert [job.result(LONG) for job in jobs] == ["passed"] * 2


def test_closing_refuses_waiting_jobs_finishes_running_ones_and_ends_the_threads(
    make_pool: Callable[..., HashPool], callers: ThreadPoolExecutor, gate: Gate
) -> None:
    before = len(hashing_threads())
    pool = make_pool(threads=1, queue=2)
    running = callers.submit(pool.run, gate.pass_through)
    assert gate.begun.acquire(timeout=LONG)
    waiting = [callers.submit(pool.run, gate.pass_through) for _ in range(2)]
    until(lambda: pool.waiting == 2)

    closing: Future[None] = callers.submit(pool.close)
    for job in waiting:
        assert isinstance(job.exception(LONG), Overloaded)
    assert not closing.done()
    gate.opened.set()

    assert running.result(LONG) == "passed"
    closing.result(LONG)
    assert len(hashing_threads()) == before
    with pytest.raises(Overloaded):
        pool.run(lambda: None)


def test_a_pool_that_was_never_used_can_be_closed_twice(make_pool: Callable[..., HashPool]) -> None:
    pool = make_pool()

    pool.close()
    pool.close()


def run_script(script: str) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, since the tests' process must neither fork nor exit."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=LONG,
        check=False,
    )


def test_a_pool_built_before_a_fork_works_in_every_child() -> None:
    script = """
import os
from app.security.hash_pool import HashPool

pool = HashPool(threads=1, queue=1, deadline=30)
children = []
for _ in range(2):
    child = os.fork()
    if child == 0:
        os._exit(pool.run(lambda: 7))
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
    done = run_script(script)

    assert done.stdout.strip() == "[7, 7]", done.stderr


def test_a_process_ends_without_closing_its_pool() -> None:
    script = """
from app.security.hash_pool import HashPool

print(HashPool(threads=2, queue=1, deadline=30).run(lambda: "done"))
"""
    done = run_script(script)

    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr
