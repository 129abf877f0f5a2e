"""Races of one action: by threads on one store, and by processes with a store each."""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from threading import Barrier, BrokenBarrierError
from typing import Protocol, TypeVar

from app.platform.failure import Failure
from tests.stores import Store

THREADS = 16
PROCESSES = 4
ROUNDS = 8
BARRIER_SECONDS = 60

T = TypeVar("T")


def in_threads(act: Callable[[int], T], threads: int = THREADS) -> list[T]:
    """The results of `act(number)` in this many threads that begin at once."""
    start = Barrier(threads)

    def begin(number: int) -> T:
        start.wait()
        return act(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(begin, range(threads)))


def failure_of(act: Callable[[], object]) -> type[Failure] | None:
    """The kind of failure that an action ends with; None if it succeeds."""
    try:
        act()
    except Failure as failure:
        return type(failure)
    return None


class InThreads(Protocol):
    """`in_threads`, as the fixture that gives it."""

    def __call__(self, act: Callable[[int], T]) -> list[T]: ...


class InProcesses(Protocol):
    """Runs a function of a test module in each of 4 processes, on a store of its own over the same data."""

    def __call__(self, act: Callable[[Store, int, int], T]) -> list[list[T]]:
        """For each round the results of `act(store, number, round)` in the processes; all begin a round at once."""


def new_processes() -> ForkServerContext:
    """Makes processes as new as those of `spawn`, but forked from one without threads that has all of this imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


@contextmanager
def processes(make: Callable[[], Store]) -> Iterator[InProcesses]:
    """Start the processes; they are kept for several races, since starting them takes the most time."""
    context = new_processes()
    start = context.Barrier(PROCESSES)
    with ProcessPoolExecutor(PROCESSES, context, _begin, (make, start)) as pool:

        def race(act: Callable[[Store, int, int], T]) -> list[list[T]]:
            running = [pool.submit(_run, act, number) for number in range(PROCESSES)]
            if failures := [failure for each in running if (failure := each.exception()) is not None]:
                start.reset()  # for the next race
                # One that fails has the others wait for it in vain: theirs are no causes.
                raise min(failures, key=lambda failure: isinstance(failure, BrokenBarrierError))
            by_process = [each.result() for each in running]
            return [list(results) for results in zip(*by_process, strict=True)]

        yield race


class _Process:
    """What one process keeps between races."""

    store: Store
    start: Barrier


def _begin(make: Callable[[], Store], start: Barrier) -> None:
    _Process.store, _Process.start = make(), start


def _run(act: Callable[[Store, int, int], T], number: int) -> list[T]:
    results = []
    for turn in range(ROUNDS):
        _Process.start.wait(BARRIER_SECONDS)
        try:
            results.append(act(_Process.store, number, turn))
        except BaseException:
            _Process.start.abort()
            raise
    return results
