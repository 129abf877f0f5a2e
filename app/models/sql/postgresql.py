"""PostgreSQL, through psycopg."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import URL, event, literal_column, text

from app.models.sql.columns import INSTANT
from app.models.sql.engines import migrating_engine, reading_engine, writing_engine
from app.models.sql.product import ANSWER_SECONDS, MIGRATION_SECONDS, PLACE_SECONDS
from app.models.sql.sockets import check_open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from psycopg.abc import RV, PQGen
    from sqlalchemy import ColumnElement, Connection

# The server gives up a little before this process does, so that the connection can be kept.
_STATEMENT_MILLISECONDS: Final = ANSWER_SECONDS * 1000 - 200
_LOCK: Final = int.from_bytes(b"latchkey")
"""The advisory lock of migrations; it holds within one database."""


class Postgresql:
    """`Product` for a URL of SQLAlchemy. What the URL's query says goes before what is set here."""

    name = "PostgreSQL"
    # With the writers 21 a worker; a server allows 100 or 151 unless told otherwise.
    kept_readers = 16
    shares_commits = False
    server_time: ColumnElement[datetime] | None = literal_column("clock_timestamp()", INSTANT)

    def __init__(self, url: URL) -> None:
        in_time = _arguments(url, f"-c timezone=UTC -c statement_timeout={_STATEMENT_MILLISECONDS}")
        self.reader = reading_engine(url, in_time)
        self.writer = writing_engine(
            url, in_time, places=5, place_seconds=PLACE_SECONDS, isolation_level="READ COMMITTED"
        )
        for engine in (self.reader, self.writer):
            event.listen(engine, "do_connect", _connect)
        event.listen(self.writer, "checkout", _check_open)
        self._migrator = migrating_engine(url, _arguments(url, f"-c timezone=UTC -c lock_timeout={MIGRATION_SECONDS}s"))

    def create(self) -> None:
        """Nothing: the database is the operator's to make."""

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        # The lock ends with the transaction, which holds the whole migration.
        with self._migrator.begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield connection

    def server_problems(self) -> list[str]:
        return []


class _Connection(psycopg.Connection[Any]):
    """A connection on which no answer is waited for longer than ANSWER_SECONDS.

    libpq has no such limit: a server that hangs, whose machine still acknowledges what it receives, would be
    waited for without end.
    """

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = ANSWER_SECONDS) -> RV:
        try:
            return super().wait(gen, interval, timeout)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                # What comes later would be taken for the answer to the next statement.
                self.pgconn.finish()
            raise


def _arguments(url: URL, settings: str) -> dict[str, object]:
    arguments: dict[str, object] = {
        "application_name": "latchkey",
        "connect_timeout": ANSWER_SECONDS,
        # Seconds, but the last: a machine that went away is noticed without a request that waits for it.
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": ANSWER_SECONDS * 1000,
        "options": settings,
    }
    return {name: value for name, value in arguments.items() if name not in url.query}


def _connect(_: object, __: object, arguments: list[Any], keywords: dict[str, Any]) -> _Connection:
    return _Connection.connect(*arguments, **keywords)


def _check_open(connection: _Connection, _: object, __: object) -> None:
    check_open(connection.fileno())
