"""Visits that come while one is being counted share the next write, and what becomes of it."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import event, make_url

from app.platform.errors import Unavailable
from app.samples.visits.sql import SqlVisits
from app.store.sql.database import Database
from app.store.sql.schema import METADATA
from app.store.sql.sqlite import Sqlite
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future
    from pathlib import Path

PATIENCE = 60


class Counted:
    """The count in a file, whose commits can be held up and can fail."""

    def __init__(self, folder: Path) -> None:
        product = Sqlite(make_url(f"sqlite:///{folder}/visits.db"))
        product.create()
        self.database = Database(product)
        METADATA.create_all(product.writer)
        self.visits = SqlVisits(self.database)
        self.visits._commits._patience = PATIENCE  # noqa: SLF001 - a busy machine begins 100 threads in more than a second
        self.commits = 0
        self.holds, self.held, self.go_on, self.fails = False, Event(), Event(), False
        event.listen(
            product.writer, "connect", lambda made, _: made.set_trace_callback(lambda text: self._tell(made, text))
        )

    def _tell(self, connection: sqlite3.Connection, text: str) -> None:
        """The driver is about to execute this on a connection."""
        if text.startswith("BEGIN") and self.fails:
            connection.set_authorizer(
                lambda _, word, *__: sqlite3.SQLITE_DENY if word == "COMMIT" else sqlite3.SQLITE_OK
            )
        if text == "COMMIT":
            self.commits += 1
            if self.holds:
                self.holds = False
                self.held.set()
                self.go_on.wait(PATIENCE)

    def during_a_commit(self, visits: int, *, fails: bool = False) -> tuple[Future[int], list[Future[int]]]:
        """A visit, and so many others that come during its commit; the next commit may fail.

        None of them is answered before that commit ends.
        """
        self.holds = True
        with ThreadPoolExecutor(visits + 1) as pool:
            first = pool.submit(self.visits.add_one)
            assert self.held.wait(PATIENCE)
            others = [pool.submit(self.visits.add_one) for _ in range(visits)]
            waiting = self.visits._commits._waiting  # noqa: SLF001 - the queue is not visible from outside
            wait_until(lambda: len(waiting) >= visits, PATIENCE)
            answered = [visit for visit in (first, *others) if visit.done()]
            self.fails = fails
            self.go_on.set()
        assert not answered
        self.fails = False
        return first, others


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    made = Counted(tmp_path)
    assert made.visits.add_one() == 1  # which makes the row
    made.commits = 0
    yield made
    made.database.close()


def test_visits_that_come_during_a_commit_share_the_next(counted: Counted) -> None:
    first, others = counted.during_a_commit(100)

    assert first.result() == 2
    assert sorted(visit.result() for visit in others) == list(range(3, 103))
    assert counted.commits == 2


def test_a_commit_that_fails_fails_for_all_visits_that_share_it_and_counts_none(counted: Counted) -> None:
    first, others = counted.during_a_commit(8, fails=True)

    assert first.result() == 2
    assert [type(visit.exception()) for visit in others] == [Unavailable] * 8
    assert counted.visits.add_one() == 3
