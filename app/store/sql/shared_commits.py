"""Writes that share a commit, for SQLite: one connection writes, and making the write durable is the costly part.

A write that arrives during a commit waits for it, and is then committed together with all others that wait. Each gets
its answer only when its commit is on the disk.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.store.sql.group_commit import GroupCommit, Member
from app.store.sql.kept_connections import KeptConnections

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from app.store.sql.connection import Connection
    from app.store.sql.sqlite_connection import SqliteConnection

T = TypeVar("T")

_MOST: Final = 64
"""The most writes that share one commit, so that none waits long for the others."""


class SharedCommits:
    """Runs writes one after the other, in as few transactions as possible.

    Nothing is opened before the first write, so one that was made before a fork can be used behind it.
    """

    def __init__(self, connect: Callable[[], SqliteConnection], patience: float) -> None:
        """`connect` opens a connection, and `patience` is how long a write waits for its turn, in seconds."""
        # One: the threads of a process wait for their turn instead of trying again and again.
        self._kept = KeptConnections(connect, 1)
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

    def close(self) -> None:
        """Close the connection; if it is in use, when that ends. The next write opens another one."""
        self._kept.close()

    def _commit(self, writes: Sequence[_Write[Any]]) -> None:
        def transaction(connection: SqliteConnection) -> None:
            connection.begin()
            for write in writes:
                write.do(connection, alone=len(writes) == 1)
            connection.commit()

        self._kept.use(transaction)


class _Write(Member[T]):
    """One write."""

    def __init__(self, work: Callable[[Connection], T], *, single: bool) -> None:
        super().__init__()
        self._work = work
        self._single = single

    def do(self, connection: SqliteConnection, *, alone: bool) -> None:
        """Run the work. What it raises is its own outcome, if only its own writes are undone by that."""
        if alone:
            self.result = self._work(connection)
            return
        try:
            # SQLite undoes a statement that fails by itself.
            with nullcontext() if self._single else connection.savepoint():
                self.result = self._work(connection)
        except Exception as error:
            # After some errors, such as a full disk, SQLite undoes the whole transaction by itself
            # (sqlite.org/lang_transaction.html, "Response To Errors Within A Transaction").
            if not connection.in_transaction:
                raise
            self.error = error
