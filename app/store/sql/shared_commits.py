"""Writes that share a commit, for SQLite: one connection writes, and making the write durable is the costly part.

A write that arrives during a commit waits for it, and is then committed together with all others that wait. Each gets
its answer only when its commit is on the disk.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.store.sql.group_commit import GroupCommit, Member

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine

T = TypeVar("T")

_MOST: Final = 64
"""The most writes that share one commit, so that none waits long for the others."""


class SharedCommits:
    """Runs writes one after the other, in as few transactions as possible.

    Nothing is opened before the first write, so one that was made before a fork can be used behind it.
    """

    def __init__(self, engine: Engine, patience: float) -> None:
        """`patience` is how long a write waits for its turn, in seconds."""
        self._engine = engine
        self._commits: GroupCommit[_Write[Any]] = GroupCommit(self._commit, patience, _MOST)

    def run(self, work: Callable[[Connection], T], *, single: bool = False) -> T:
        """Run `work` in a transaction; returns its result once that is durable. `single` says it is one statement.

        Raises what `work` raises; then only its own writes are undone. Raises the database's error if the transaction
        fails: then nothing of it was kept or, if the commit itself failed, perhaps all. Raises SQLAlchemy's
        TimeoutError, and does nothing, if its turn does not come in time.
        """
        write = _Write(work, single=single)
        self._commits.join(write)
        return write.outcome()

    def _commit(self, writes: Sequence[_Write[Any]]) -> None:
        with self._engine.begin() as connection:
            for write in writes:
                write.do(connection, alone=len(writes) == 1)


class _Write(Member[T]):
    """One write."""

    def __init__(self, work: Callable[[Connection], T], *, single: bool) -> None:
        super().__init__()
        self._work = work
        self._single = single

    def do(self, connection: Connection, *, alone: bool) -> None:
        """Run the work. What it raises is its own outcome, if only its own writes are undone by that."""
        if alone:
            self.result = self._work(connection)
            return
        # SQLite undoes a statement that fails by itself.
        savepoint: AbstractContextManager[object] = nullcontext() if self._single else connection.begin_nested()
        try:
            with savepoint:
                self.result = self._work(connection)
        except Exception as error:
            driver = connection.connection.driver_connection
            # After some errors, such as a full disk, SQLite undoes the whole transaction by itself
            # (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
            if driver is None or not driver.in_transaction:
                raise
            self.error = error
