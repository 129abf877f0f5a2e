"""MySQL and MariaDB, through PyMySQL."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL, event, literal_column, text

from app.errors import Unavailable
from app.models.sql.columns import INSTANT
from app.models.sql.engines import migrating_engine, reading_engine, writing_engine
from app.models.sql.product import ANSWER_SECONDS, MIGRATION_SECONDS, PLACE_SECONDS
from app.models.sql.sockets import check_open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

_FIRST_STATEMENT: Final = (
    "SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = 1,"
    " sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION'"
)
# The name of a lock holds for the whole server and is at most 64 characters long.
_TAKE_LOCK: Final = text("SELECT GET_LOCK(SHA1(CONCAT('latchkey ', DATABASE())), :seconds)")


class Mysql:
    """`Product` for a URL of SQLAlchemy. What the URL's query says goes before what is set here."""

    name = "MySQL"
    # With the writers 21 a worker; a server allows 100 or 151 unless told otherwise.
    kept_readers = 16
    shares_commits = False
    server_time: ColumnElement[datetime] | None = literal_column("UTC_TIMESTAMP(3)", INSTANT)

    def __init__(self, url: URL) -> None:
        in_time = _arguments(url, {"read_timeout": ANSWER_SECONDS, "write_timeout": ANSWER_SECONDS})
        self.reader = reading_engine(url, in_time)
        self.writer = writing_engine(
            url, in_time, places=5, place_seconds=PLACE_SECONDS, isolation_level="READ COMMITTED"
        )
        event.listen(self.writer, "checkout", _check_open)
        self._migrator = migrating_engine(url, _arguments(url, {}))

    def create(self) -> None:
        """Nothing: the database is the operator's to make."""

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        # The lock ends with the connection. Here no transaction can hold a migration: each of its statements
        # is kept at once, so a migration has to be written so that it can begin again after a crash.
        with self._migrator.connect() as connection:
            if connection.scalar(_TAKE_LOCK, {"seconds": MIGRATION_SECONDS}) != 1:
                raise Unavailable("Another process is migrating the schema.", retry_after=1)
            connection.commit()
            with connection.begin():
                yield connection

    def server_problems(self) -> list[str]:
        return []


def _arguments(url: URL, timeouts: dict[str, int]) -> dict[str, object]:
    arguments: dict[str, object] = {
        "charset": "utf8mb4",
        "connect_timeout": ANSWER_SECONDS,
        "init_command": _FIRST_STATEMENT,
        **timeouts,
    }
    return {name: value for name, value in arguments.items() if name not in url.query}


def _check_open(connection: DBAPIConnection, _: object, __: object) -> None:
    check_open(connection._sock.fileno())  # noqa: SLF001 - PyMySQL shows its socket nowhere else
