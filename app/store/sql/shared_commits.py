"""Writes that share a commit, for SQLite: one connection writes, and making the write durable is the costly part.

Whoever comes while a commit is under way waits for it, and is then written together with all others who wait. Each
gets its answer only when the commit that holds it is on the disk.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.store.sql.batches import Batches, Entry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import Connection, Engine

T = TypeVar("T")

_MOST: Final = 64
"""Writes that share one commit, so that none waits long behind others."""


class SharedCommits:
    """Does writes, one after the other, in as few transactions as there can be.

    Nothing is opened before the first write, so one that was made before a fork can be used behind it.
    """

    def __init__(self, engine: Engine, patience: float) -> None:
        """`patience` is how long a write waits for its turn, in seconds."""
        self._engine = engine
        self._batches: Batches[_Write[Any]] = Batches(self._commit, patience, _MOST)

    def run(self, work: Callable[[Connection], T], *, single: bool = False) -> T:
        """Do `work` in a transaction; give what it gave, once that is durable. `single` says it is one statement.

        Raises what `work` raises, whose writes are then undone and nobody else's, and what the database raises when it
        does not take the transaction: then nothing of it was kept, or, when the commit itself failed, perhaps all.
        Raises SQLAlchemy's TimeoutError, and does nothing, when the turn does not come in time.
        """
        write = _Write(work, single=single)
        self._batches.join(write)
        return write.outcome()

    def _commit(self, writes: Sequence[_Write[Any]]) -> None:
        with self._engine.begin() as connection:
            for write in writes:
                write.do(connection, alone=len(writes) == 1)


class _Write(Entry[T]):
    """One write."""

    def __init__(self, work: Callable[[Connection], T], *, single: bool) -> None:
        super().__init__()
        self._work = work
        self._single = single

    def do(self, connection: Connection, *, alone: bool) -> None:
        """Do the work. What it raises is its own outcome, if nothing but its own writes are undone by that."""
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
