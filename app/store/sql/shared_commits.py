"""Writes that share a commit, for SQLite: one connection writes, and making the write durable is the costly part.

A write that arrives during a commit waits for it, and is then committed together with all others that wait. Each gets
its answer only when its commit is on the disk.
"""

from __future__ import annotations

from collections import deque
from contextlib import nullcontext, suppress
from copy import copy
from threading import Event, Lock
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.store.sql.waits import seconds_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine

T = TypeVar("T")

_MOST: Final = 64
"""The most writes that share one commit, so that none waits long for the others."""


class SharedCommits:
    """Runs writes one after the other, in as few transactions as possible.

    One thread leads at a time: it writes for all who wait, once, and hands the lead to the first who came meanwhile.
    Nothing is opened before the first write, so one that was made before a fork can be used behind it.
    """

    def __init__(self, engine: Engine, patience: float) -> None:
        """`patience` is how long a write waits for its turn, in seconds."""
        self._engine = engine
        self._patience = patience
        self._waiting: deque[_Write[Any]] = deque()
        self._lock = Lock()
        self._led = False

    def run(self, work: Callable[[Connection], T], *, single: bool = False) -> T:
        """Run `work` in a transaction; returns its result once that is durable. `single` says it is one statement.

        Raises what `work` raises; then only its own writes are undone. Raises the database's error if the transaction
        fails: then nothing of it was kept or, if the commit itself failed, perhaps all. Raises SQLAlchemy's
        TimeoutError, and does nothing, if its turn does not come in time.
        """
        write = _Write(work, single=single)
        with self._lock:
            if self._led:
                self._waiting.append(write)
            else:
                self._led = write.leads = True
        if not write.leads and not write.turn.wait(seconds_for(self._patience)):
            with self._lock, suppress(ValueError):
                self._waiting.remove(write)
                raise NoPlaceError("no turn to write")
            write.turn.wait()  # too late to step back: it is being written, or is to lead
        if write.leads:
            self._lead(write)
        return write.outcome()

    def _lead(self, first: _Write[Any]) -> None:
        """Write the first and all who wait, and hand over to the next who came meanwhile."""
        with self._lock:
            others = [self._waiting.popleft() for _ in range(min(len(self._waiting), _MOST - 1))]
        try:
            self._commit([first, *others])
        finally:
            with self._lock:
                following = self._waiting.popleft() if self._waiting else None
                if following is None:
                    self._led = False
                else:
                    following.leads = True
            for write in (*others, *([following] if following else [])):
                write.turn.set()

    def _commit(self, writes: Sequence[_Write[Any]]) -> None:
        try:
            with self._engine.begin() as connection:
                for write in writes:
                    write.do(connection, alone=len(writes) == 1)
        except Exception as error:  # noqa: BLE001 - whatever it is, each of the writes raises it
            # What was refused counts no more, either: it may have been for the sake of a write that is not kept.
            for write in writes:
                write.error = error
            # Each its own: a traceback grows in the thread that raises it.
            for write in writes[1:]:
                write.error = copy(error).with_traceback(error.__traceback__)
        except BaseException:
            for write in writes:
                write.error = NoPlaceError("whoever was writing was stopped")
            raise


class _Write(Generic[T]):
    """One write and its outcome. `turn` is set when that is there, or when this one is to lead (`leads`)."""

    def __init__(self, work: Callable[[Connection], T], *, single: bool) -> None:
        self.turn = Event()
        self.leads = False
        self.error: Exception | None = None
        self._work = work
        self._single = single
        self._result: list[T] = []

    def do(self, connection: Connection, *, alone: bool) -> None:
        """Run the work. What it raises is its own outcome, if only its own writes are undone by that."""
        if alone:
            self._result.append(self._work(connection))
            return
        # SQLite undoes a statement that fails by itself.
        savepoint: AbstractContextManager[object] = nullcontext() if self._single else connection.begin_nested()
        try:
            with savepoint:
                self._result.append(self._work(connection))
        except Exception as error:
            driver = connection.connection.driver_connection
            # After some errors, such as a full disk, SQLite undoes the whole transaction by itself
            # (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
            if driver is None or not driver.in_transaction:
                raise
            self.error = error

    def outcome(self) -> T:
        """What the work gave; raises what it raised, or what the transaction did."""
        if self.error is not None:
            raise self.error
        return self._result[0]
