"""How a SQL database is talked to: reads, transactions, and what it means when no answer comes."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from sqlalchemy.exc import (
    DatabaseError,
    DataError,
    DBAPIError,
    IntegrityError,
    InterfaceError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.errors import Unavailable
from app.models.sql.product import PLACE_SECONDS
from app.models.sql.readers import Readers
from app.models.sql.shared_commits import SharedCommits
from app.models.store import UnusableStoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from sqlalchemy import Connection, Executable

    from app.models.sql.product import Product
    from app.models.sql.readers import Rows

T = TypeVar("T")

_SECOND_TRY_SECONDS: Final = 0.5
"""How soon a read has to have failed to be tried again: a request is refused within 3 s."""


class Database:
    """One database, whatever the product; each process opens its own connections at the first use."""

    def __init__(self, product: Product) -> None:
        self.product = product
        self._readers = Readers(product.reader, product.kept_readers)
        self._shared = SharedCommits(product.writer, PLACE_SECONDS) if product.shares_commits else None

    def rows(self, statement: Executable, parameters: Mapping[str, Any] | None = None) -> Rows:
        """All rows that a SELECT gives, in one round trip; Unavailable or UnusableStoreError when no answer comes.

        A read on a connection that turns out to be lost is done once more on a new one: a restart of the
        server between two requests is not noticed.
        """
        began = monotonic()
        try:
            return self._readers.rows(statement, parameters)
        except SQLAlchemyError as error:
            if not _is_lost(error) or monotonic() > began + _SECOND_TRY_SECONDS:
                _refuse(error)
        with answering():
            return self._readers.rows(statement, parameters)

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do `work` in a transaction: all of it is kept at the end, or none when it raises.

        Raises Unavailable when no answer comes; then the transaction may or may not have been kept.
        """
        return self._write(work, single=False)

    def change(self, statement: Executable, parameters: Mapping[str, Any]) -> int:
        """Do one conditional write; how many rows it met."""
        return self._write(lambda connection: connection.execute(statement, parameters).rowcount, single=True)

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        self._readers.close()
        self.product.writer.dispose()

    def _write(self, work: Callable[[Connection], T], *, single: bool) -> T:
        with answering():
            if self._shared is not None:
                return self._shared.run(work, single=single)
            with self.product.writer.begin() as connection:
                return work(connection)


@contextmanager
def answering() -> Iterator[None]:
    """Raise Unavailable when the database cannot answer what is asked inside, UnusableStoreError when it never will."""
    try:
        yield
    except SQLAlchemyError as error:
        _refuse(error)


def _refuse(error: SQLAlchemyError) -> NoReturn:
    if _is_no_answer(error):
        raise Unavailable(retry_after=1) from error
    if isinstance(error, DatabaseError) and not isinstance(error, IntegrityError | DataError):
        # No statement here is wrong by itself: a table is missing, a right, or it is no database at all.
        reason = str(error.orig).partition("\n")[0]
        text = f"it refuses what it is asked ({reason}): see DATABASE_URL and flask doctor"
        raise UnusableStoreError(text) from error
    raise error


def _is_no_answer(error: SQLAlchemyError) -> bool:
    """Whether an error says that the database cannot answer at the moment; any other is a fault of the program."""
    if isinstance(error, OperationalError) and isinstance(error.orig, sqlite3.Error):
        # SQLITE_ERROR is what a wrong statement or a missing table gives.
        return error.orig.sqlite_errorcode != sqlite3.SQLITE_ERROR
    return isinstance(error, OperationalError | InterfaceError | NoPlaceError) or _is_lost(error)


def _is_lost(error: SQLAlchemyError) -> bool:
    return isinstance(error, DBAPIError) and error.connection_invalidated
