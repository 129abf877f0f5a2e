"""Writes that share a commit: each is kept or refused by itself."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Event, Lock
from time import monotonic

import pytest
from sqlalchemy import event, make_url, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.accounts.account import Account
from app.platform.errors import Unavailable
from app.store.sql.connection import Connection
from app.store.sql.shared_commits import SharedCommits
from app.store.sql.sqlite import Sqlite
from tests.contract.entities import HASH, a_user
from tests.stores import sql_store

PATIENCE = 60
Write = Callable[[Connection], object]


class Numbers:
    """A file with a table of numbers, and one whose rows each need the number that they name, at the commit."""

    def __init__(self, path: Path) -> None:
        backend = Sqlite(make_url(f"sqlite:///{path}"))
        backend.create()
        self.commands: list[str] = []
        """What SQLite was asked, as it was asked."""
        event.listen(
            backend.writer, "connect", lambda connection, _: connection.set_trace_callback(self.commands.append)
        )
        assert backend.driver is not None
        self._connect = backend.driver.write
        with closing(self._connect()) as connection:
            connection.execute(text("CREATE TABLE numbers (number INTEGER PRIMARY KEY)"))
            connection.execute(
                text("CREATE TABLE needs (number INTEGER REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)")
            )

    def shared(self, patience: float = PATIENCE) -> SharedCommits:
        return SharedCommits(self._connect, patience)

    def kept(self) -> list[int]:
        with closing(self._connect()) as connection:
            return [row[0] for row in connection.execute(text("SELECT number FROM numbers ORDER BY number")).all()]


@pytest.fixture
def numbers(tmp_path: Path) -> Numbers:
    return Numbers(tmp_path / "numbers.db")


def adding(*numbers: int) -> Write:
    def add(connection: Connection) -> object:
        for number in numbers:
            connection.execute(text("INSERT INTO numbers VALUES (:number)"), {"number": number})
        return numbers

    return add


class Leader:
    """A write that is under way in a thread of `pool` from its creation until `go_on` is set."""

    def __init__(self, shared: SharedCommits, pool: ThreadPoolExecutor) -> None:
        self.go_on, self._begun = Event(), Event()
        self.outcome = pool.submit(shared.run, self._work)
        assert self._begun.wait(PATIENCE)

    def _work(self, _: Connection) -> str:
        self._begun.set()
        assert self.go_on.wait(PATIENCE)
        return "led"


class TooLate:
    """A turn that comes at the very moment at which the time to wait for it has ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self.release = self._lock.release

    def acquire(self, timeout: float = -1) -> bool:
        self._lock.acquire()
        if timeout >= 0:
            self._lock.release()
        return timeout < 0


def until_they_wait(shared: SharedCommits, count: int) -> None:
    until = monotonic() + PATIENCE
    while len(shared._commits._waiting) < count:  # noqa: SLF001 - the queue is not visible from outside
        assert monotonic() < until


def together(shared: SharedCommits, *writes: tuple[Write, bool]) -> list[Future[object]]:
    """The outcomes of writes, each with `single`, that share a commit, since they arrive during another one."""
    with ThreadPoolExecutor(len(writes) + 1) as pool:
        leader = Leader(shared, pool)
        waiting = []
        for write, single in writes:
            waiting.append(pool.submit(shared.run, write, single=single))
            until_they_wait(shared, len(waiting))
        leader.go_on.set()
    assert leader.outcome.result() == "led"
    return waiting


def test_an_error_in_one_write_reaches_no_other_caller_and_undoes_no_other_write(numbers: Numbers) -> None:
    def failing(connection: Connection) -> None:
        adding(5)(connection)
        raise LookupError

    one, there, large, failed, two = together(
        numbers.shared(),
        (adding(1), True),
        (adding(3, 1), False),
        (adding(2**70), True),
        (failing, False),
        (adding(2), True),
    )
    assert (one.result(), two.result()) == ((1,), (2,))
    for future, error in ((there, IntegrityError), (large, OverflowError), (failed, LookupError)):
        with pytest.raises(error):
            future.result()
    assert numbers.kept() == [1, 2]


@pytest.mark.parametrize("single", [True, False])
def test_a_database_that_fails_in_between_keeps_nothing_and_fails_all_writes(numbers: Numbers, single: bool) -> None:  # noqa: FBT001 - a parameter of the test
    def undone(connection: Connection) -> None:
        # As SQLite does by itself when the disk is full.
        connection.execute(text("ROLLBACK"))
        raise OperationalError("", None, Exception("the disk is full"))

    futures = together(numbers.shared(), (adding(1), True), (undone, single), (adding(2), True))
    for future in futures:
        with pytest.raises(OperationalError, match="the disk is full"):
            future.result()
    assert numbers.kept() == []


def test_nobody_is_answered_before_the_commit(numbers: Numbers) -> None:
    def told(name: str) -> Write:
        return lambda _: numbers.commands.append(name)

    futures = together(numbers.shared(), (told("one"), True), (told("two"), True))
    assert [future.result() for future in futures] == [None, None]
    assert [command for command in numbers.commands if command in {"one", "two", "COMMIT"}] == [
        "COMMIT",
        "one",
        "two",
        "COMMIT",
    ]


def test_writes_that_come_during_a_commit_share_the_next_one(numbers: Numbers) -> None:
    futures = together(numbers.shared(), *((adding(number), True) for number in range(8)))
    assert [future.result() for future in futures] == [(number,) for number in range(8)]
    assert numbers.commands.count("COMMIT") == 2
    assert numbers.kept() == list(range(8))


def test_a_commit_holds_a_limited_number_of_writes_and_the_others_come_next(numbers: Numbers) -> None:
    futures = together(numbers.shared(), *((adding(number), True) for number in range(70)))
    assert [future.result() for future in futures] == [(number,) for number in range(70)]
    assert numbers.commands.count("COMMIT") == 3


def test_a_refusal_is_void_if_the_shared_commit_fails(numbers: Numbers) -> None:
    def unmet(connection: Connection) -> None:
        adding(1)(connection)
        connection.execute(text("INSERT INTO needs VALUES (2)"))

    shared = numbers.shared()
    futures = together(shared, (unmet, True), (adding(1), True))
    errors = [future.exception() for future in futures]
    assert [type(error) for error in errors] == [IntegrityError] * 2
    assert all("FOREIGN KEY" in str(error) for error in errors)
    assert errors[0] is not errors[1]
    assert numbers.kept() == []
    assert shared.run(adding(1)) == (1,)


def test_a_write_whose_turn_does_not_come_is_never_done(numbers: Numbers) -> None:
    shared = numbers.shared(patience=0)
    with ThreadPoolExecutor(1) as pool:
        leader = Leader(shared, pool)
        with pytest.raises(NoPlaceError):
            shared.run(adding(1))
        leader.go_on.set()
    assert leader.outcome.result() == "led"
    assert shared.run(adding(2)) == (2,)
    assert numbers.kept() == [2]


def test_a_write_whose_time_ends_after_it_was_taken_up_is_done_and_answered(
    numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = numbers.shared()
    with ThreadPoolExecutor(3) as pool:
        leader = Leader(shared, pool)
        monkeypatch.setattr("app.store.sql.group_commit.Lock", TooLate)
        leads = pool.submit(shared.run, adding(1))
        until_they_wait(shared, 1)
        written = pool.submit(shared.run, adding(2))
        until_they_wait(shared, 2)
        leader.go_on.set()
        assert (leads.result(), written.result()) == ((1,), (2,))
    assert shared.run(adding(3)) == (3,)
    assert numbers.kept() == [1, 2, 3]


def test_a_leader_that_is_stopped_leaves_the_lead_to_others(numbers: Numbers) -> None:
    def stop(_: Connection) -> None:
        raise KeyboardInterrupt

    shared = numbers.shared()
    with pytest.raises(KeyboardInterrupt):
        shared.run(stop)
    one, stopped, two = together(shared, (adding(1), True), (stop, True), (adding(2), True))
    errors = [type(future.exception()) for future in (one, stopped, two)]
    assert errors == [KeyboardInterrupt, NoPlaceError, NoPlaceError]
    assert shared.run(adding(3)) == (3,)
    assert numbers.kept() == [3]


def test_a_busy_database_fails_all_waiting_writes_and_keeps_none(tmp_path: Path) -> None:
    path = tmp_path / "latchkey.db"
    store = sql_store(f"sqlite:///{path}")
    store.prepare()
    users = [a_user(username=f"ada{number}") for number in range(8)]
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(len(users)) as pool:
        other.execute("BEGIN IMMEDIATE")
        refused = [pool.submit(store.users.add, Account(user, HASH)) for user in users]
        assert [type(future.exception()) for future in refused] == [Unavailable] * len(users)
        other.execute("ROLLBACK")
    assert [store.users.credentials_by_username(user.username or "") for user in users] == [None] * len(users)
    store.users.add(Account(users[0], HASH))
    store.close()


WRITERS = """
import os, sys
from contextlib import suppress
from itertools import count
from threading import Thread
from sqlalchemy import make_url, text
from sqlalchemy.exc import OperationalError
from app.store.sql.shared_commits import SharedCommits
from app.store.sql.sqlite import Sqlite

shared = SharedCommits(Sqlite(make_url(sys.argv[1])).driver.write, 60)
process = 0 if os.fork() else 1

def write(thread):
    for number in count(process * 8 + thread, 16):
        with suppress(OperationalError):  # the other process was writing for too long
            shared.run(lambda connection: connection.execute(text(f"INSERT INTO numbers VALUES ({number})")))
            os.write(1, f"{number}\\n".encode())

for thread in range(8):
    Thread(target=write, args=(thread,)).start()
"""
"""Two processes, which were one when it was made, write numbers and print those that were acknowledged."""


def test_acknowledged_writes_outlive_the_processes(numbers: Numbers, tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITERS, f"sqlite:///{tmp_path}/numbers.db"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as writers:
        assert writers.stdout is not None
        acknowledged, missing = set(), set(range(16))
        while missing:  # until each thread of both has written
            number = int(writers.stdout.readline())
            acknowledged.add(number)
            missing.discard(number % 16)
        os.killpg(writers.pid, signal.SIGKILL)
        acknowledged |= {int(line) for line in writers.stdout}
    assert acknowledged <= set(numbers.kept())
