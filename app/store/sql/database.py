"""Reads and transactions on a SQL database, and which errors mean that it cannot answer."""

from __future__ import annotations

import os
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, cast
from weakref import WeakSet

from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.platform import deadline
from app.platform.errors import Unavailable
from app.store.sql.answers import Answer
from app.store.sql.backend import OPERATION_SECONDS, PLACE_SECONDS
from app.store.sql.kept_connections import KeptConnections
from app.store.sql.shared_commits import SharedCommits
from app.store.sql.waits import seconds_for
from app.store.unusable import UnusableStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import sqlalchemy
    from sqlalchemy import Executable
    from sqlalchemy.pool import ConnectionPoolEntry

    from app.store.sql.backend import Backend
    from app.store.sql.connection import Connection, Rows

T = TypeVar("T")

_DATABASES: Final[WeakSet[Database]] = WeakSet()
_INHERITED: Final[list[object]] = []
"""What a child process has of its parent. It is kept, or Python would close it."""

_SECOND_TRY_SECONDS: Final = 0.5
"""A read is tried again only if it failed within this time, since a request is refused within 3 s."""


class UnwritableError(Exception):
    """The database answers, but takes no writes; the text says why."""


class Database:
    """One database, whatever the backend; each process opens its own connections at the first use."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._drops = 0
        """How often all connections were given up. Older ones of the writer are replaced before they are used."""
        event.listen(backend.writer, "connect", lambda _, record: record.info.update(drops=self._drops))
        event.listen(backend.writer, "checkout", self._check_age)
        self._readers: KeptConnections[Connection]
        self._keep()
        _DATABASES.add(self)

    def _keep(self) -> None:
        """Prepare to keep connections, without opening any."""
        driver, backend = self.backend.driver, self.backend
        self._readers = KeptConnections(driver.read if driver else backend.reader.connect, backend.kept_readers)
        self._shared = SharedCommits(driver.write, PLACE_SECONDS) if driver else None

    def rows(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Rows:
        """All rows of a SELECT, in one round trip; raises Unavailable or UnusableStoreError if no answer comes.

        If the connection turns out to be lost, the read is repeated once on a new one. So a restart of the server
        between two requests goes unnoticed.
        """
        began = monotonic()
        with answer_or_unavailable(self.backend), deadline.begin(OPERATION_SECONDS):
            seconds_for(OPERATION_SECONDS)
            try:
                return self._readers.use(lambda connection: connection.execute(statement, parameters).all())
            except SQLAlchemyError as error:
                if not _is_lost(error) or monotonic() > began + _SECOND_TRY_SECONDS:
                    raise
                self.drop()
            return self._readers.use(lambda connection: connection.execute(statement, parameters).all())

    def read(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """The result of `work` with a connection of SQLAlchemy's, tried once; raises what SQLAlchemy raises."""
        if self.backend.driver is None:
            # One of those that are kept: their number is limited, and all may be open.
            return self._readers.use(lambda connection: work(cast("sqlalchemy.Connection", connection)))
        with self.backend.reader.connect() as connection:
            return work(connection)

    def probe(self) -> None:
        """Check that the database answers and takes writes; raises Unavailable if it does not.

        In that case all connections are closed, since new ones may lead to a server that does.
        """
        why = self.backend.unwritable(self.rows(text(self.backend.probe)))
        if why is not None:
            self.drop()
            raise Unavailable(retry_after=1) from UnwritableError(why)

    def drop(self) -> None:
        """Have all connections replaced by new ones; those in use, once they are given back."""
        self._drops += 1
        self._readers.close()
        if self._shared is not None:
            self._shared.close()

    def _check_age(self, _: object, record: ConnectionPoolEntry, __: object) -> None:
        if record.info["drops"] < self._drops:
            raise InvalidatePoolError("the server was given up")

    def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction, which is rolled back if it raises.

        Raises Unavailable if no answer comes; the transaction may or may not have been committed then.
        """
        return self._write(work, single=False)

    def change(self, statement: Executable, parameters: Mapping[str, Any]) -> int:
        """Run one conditional write; returns how many rows it changed."""
        return self._write(lambda connection: connection.execute(statement, parameters).rowcount, single=True)

    def forget(self) -> None:
        """Leave those connections to the parent process that another thread had at the fork; the next use opens others.

        SQLite's must not even be closed in the child (sqlite.org/howtocorrupt.html, "Carrying an open database file
        across a fork()").
        """
        _INHERITED.append((self._readers, self._shared))
        self._keep()
        self.backend.writer.dispose(close=False)

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        self.drop()
        self.backend.writer.dispose()

    def _write(self, work: Callable[[Connection], T], *, single: bool) -> T:
        with answer_or_unavailable(self.backend), deadline.begin(OPERATION_SECONDS):
            seconds_for(OPERATION_SECONDS)
            try:
                if self._shared is not None:
                    return self._shared.run(work, single=single)
                with self.backend.writer.begin() as connection:
                    return work(connection)
            except SQLAlchemyError as error:
                if _is_lost(error):  # reads would go to the same server
                    self.drop()
                raise


def _close_before_fork() -> None:
    for database in list(_DATABASES):
        database.close()


def _forget_in_child() -> None:
    for database in list(_DATABASES):
        database.forget()


# A child opens its own: SQLite's locks belong to one process, and two cannot share a conversation with a server.
os.register_at_fork(before=_close_before_fork, after_in_child=_forget_in_child)


@contextmanager
def answer_or_unavailable(backend: Backend) -> Iterator[None]:
    """Raise Unavailable if the database cannot answer the statements inside, UnusableStoreError if it never will."""
    try:
        yield
    except SQLAlchemyError as error:
        _refuse(backend, error)


@contextmanager
def starting(backend: Backend) -> Iterator[None]:
    """The same as `answer_or_unavailable`, at a start: an error that waiting does not mend is raised with its remedy.

    Such an error is, for example, a user that does not exist. The start does not wait for it.
    """
    try:
        with answer_or_unavailable(backend):
            yield
    except Unavailable as error:
        cause = getattr(error.__cause__, "orig", None)
        if cause is not None and backend.remedy(cause) is not None:
            raise UnusableStoreError(refusal(backend, cause)) from error
        raise


def _refuse(backend: Backend, error: SQLAlchemyError) -> NoReturn:
    if isinstance(error, NoPlaceError) or _is_lost(error):
        raise Unavailable(retry_after=1) from error
    if not isinstance(error, DBAPIError) or error.orig is None:
        raise error
    match backend.answer_of(error.orig):
        case Answer.ELSEWHERE | Answer.LATER:
            raise Unavailable(retry_after=1) from error
        case Answer.REFUSED:
            # The statements themselves are right, so a table or a right is missing, or this is not a database.
            raise UnusableStoreError(refusal(backend, error.orig)) from error
    raise error


def refusal(backend: Backend, error: BaseException) -> str:
    """One line on what the database refuses, and what to do about it."""
    remedy = backend.remedy(error) or "see DATABASE_URL and flask doctor"
    return f"it refuses what it is asked ({first_line(error)}): {remedy}"


def first_line(error: BaseException) -> str:
    """A driver's message in one line, without its number."""
    text = str(error.args[-1]) if len(error.args) > 1 else str(error)
    return text.strip().partition("\n")[0]


def _is_lost(error: SQLAlchemyError) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated
