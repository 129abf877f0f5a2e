"""What several threads ask for at once is done together; each gets its own outcome."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event
from time import monotonic
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.platform import deadline
from app.store.sql.group_commit import GroupCommit, Member

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from concurrent.futures import Future

PATIENCE = 60


class Numbers:
    """Gives each entry a number; the first act waits to be let go."""

    def __init__(self, patience: float = PATIENCE, most: int | None = None) -> None:
        self.batches: GroupCommit[Member[int]] = GroupCommit(self._act, patience, most)
        self.acts: list[int] = []
        self.begun, self.go_on = Event(), Event()
        self.fails: Exception | None = None

    def _act(self, entries: Sequence[Member[int]]) -> None:
        if not self.begun.is_set():
            self.begun.set()
            assert self.go_on.wait(PATIENCE)
        elif self.fails is not None:
            raise self.fails
        for number, entry in enumerate(entries, sum(self.acts)):
            entry.result = number
        self.acts.append(len(entries))

    def ask(self) -> int:
        entry: Member[int] = Member()
        self.batches.join(entry)
        return entry.outcome()

    @contextmanager
    def under_way(self, waiting: int) -> Iterator[list[Future[int]]]:
        """Inside, an act is under way, and so many others wait for it to end; at the end all have their outcome."""
        with ThreadPoolExecutor(waiting + 1) as pool:
            futures = [pool.submit(self.ask)]
            assert self.begun.wait(PATIENCE)
            futures += [pool.submit(self.ask) for _ in range(waiting)]
            until = monotonic() + PATIENCE
            while len(self.batches._waiting) < waiting:  # noqa: SLF001 - the queue is not visible from outside
                assert monotonic() < until
            try:
                yield futures
            finally:
                self.go_on.set()


def test_all_who_come_during_an_act_are_done_by_the_next() -> None:
    numbers = Numbers()
    with numbers.under_way(9) as futures:
        pass
    assert sorted(future.result() for future in futures) == list(range(10))
    assert numbers.acts == [1, 9]


def test_an_act_has_no_more_entries_than_it_may() -> None:
    numbers = Numbers(most=4)
    with numbers.under_way(9) as futures:
        pass
    assert sorted(future.result() for future in futures) == list(range(10))
    assert numbers.acts == [1, 4, 4, 1]


def test_an_act_that_fails_fails_for_all_of_its_entries_and_for_no_other() -> None:
    numbers = Numbers()
    numbers.fails = LookupError("refused")
    numbers.fails.__cause__ = cause = OSError()
    with numbers.under_way(3) as (first, *others):
        pass
    errors = [future.exception() for future in others]
    assert first.result() == 0
    assert [str(error) for error in errors] == ["refused"] * 3
    assert [error.__cause__ for error in errors if error] == [cause] * 3
    assert len({id(error) for error in errors}) == 3  # a traceback grows in the thread that raises it
    numbers.fails = None
    assert numbers.ask() == 1


def test_whoever_waits_in_vain_is_not_done() -> None:
    numbers = Numbers(patience=0)
    with numbers.under_way(0), pytest.raises(NoPlaceError):
        numbers.ask()
    assert numbers.acts == [1]
    assert numbers.ask() == 1


def test_whoever_has_no_time_left_does_not_ask() -> None:
    numbers = Numbers()
    with numbers.under_way(0), deadline.begin(0), pytest.raises(NoPlaceError):
        numbers.ask()
    assert numbers.ask() == 1
