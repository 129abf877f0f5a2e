"""A connection of Python's driver for SQLite that runs SQLAlchemy's statements, without SQLAlchemy's connection."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, cast

from sqlalchemy.exc import DBAPIError

from app.store.sql.answers import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from sqlalchemy import Engine, Executable

    from app.store.sql.connection import Parameters, Rows
    from app.store.sql.prepared import PreparedStatements


@dataclass(frozen=True, slots=True)
class SqliteResult:
    """`app.store.sql.connection.Result`: all rows were fetched."""

    rowcount: int
    _rows: Rows

    def all(self) -> Rows:
        return self._rows

    def first(self) -> Sequence[Any] | None:
        return self._rows[0] if self._rows else None

    def scalar(self) -> Any:  # noqa: ANN401 - as the Protocol has it
        return self._rows[0][0] if self._rows else None


@dataclass(frozen=True, slots=True)
class DriverConnections:
    """Opens connections of the driver."""

    read: Callable[[], SqliteConnection]
    write: Callable[[], SqliteConnection]


class SqliteConnection:
    """`app.store.sql.connection.Connection` for SQLite, and transactions.

    Its errors are those that SQLAlchemy's connection would raise. After one in a transaction, `close` rolls back.
    """

    def __init__(
        self, engine: Engine, prepared: PreparedStatements, answer_of: Callable[[BaseException], Answer]
    ) -> None:
        """`engine` opens the connection; raises what it raises."""
        self._opened = engine.connect()
        self._dialect = engine.dialect
        self._prepared = prepared
        self._answer_of = answer_of
        self._driver = cast("sqlite3.Connection", self._opened.connection.driver_connection)

    @property
    def in_transaction(self) -> bool:
        return self._driver.in_transaction

    def execute(self, statement: Executable, parameters: Parameters | None = None, /) -> SqliteResult:
        if isinstance(parameters, list):
            return self._many(statement, parameters)
        return self._once(statement, parameters or {})

    def begin(self) -> None:
        # A transaction that reads first and writes later would be refused at once if another one wrote meanwhile.
        self._command("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self._command("COMMIT")

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """What is written inside is undone if it raises, and nothing else of the transaction."""
        self._command("SAVEPOINT member")
        try:
            yield
        except Exception:
            if self.in_transaction:
                self._command("ROLLBACK TO member")
                self._command("RELEASE member")
            raise
        self._command("RELEASE member")

    def close(self) -> None:
        self._opened.close()

    def _once(self, statement: Executable, parameters: Mapping[str, Any]) -> SqliteResult:
        form = self._prepared.form(statement, parameters)
        text, values = form.call(parameters)
        try:
            cursor = self._driver.execute(text, values)
            fetched = cursor.fetchall()
        except sqlite3.Error as error:
            self._fail(text, error)
        return SqliteResult(cursor.rowcount, form.rows(fetched))

    def _many(self, statement: Executable, several: Sequence[Mapping[str, Any]]) -> SqliteResult:
        text, values = self._prepared.form(statement, several[0]).many(several)
        try:
            return SqliteResult(self._driver.executemany(text, values).rowcount, ())
        except sqlite3.Error as error:
            self._fail(text, error)

    def _command(self, text: str) -> None:
        try:
            self._driver.execute(text)
        except sqlite3.Error as error:
            self._fail(text, error)

    def _fail(self, text: str, error: sqlite3.Error) -> NoReturn:
        lost = self._answer_of(error) is Answer.ELSEWHERE or self._dialect.is_disconnect(cast("Any", error), None, None)
        raise DBAPIError.instance(
            text,
            None,  # never the values
            error,
            sqlite3.Error,
            connection_invalidated=lost,
            dialect=self._dialect,
        ) from error
