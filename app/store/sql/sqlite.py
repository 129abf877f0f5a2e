"""SQLite: one file, in WAL mode, which all processes of one machine share."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import URL, event

from app.store.sql.answers import Answer
from app.store.sql.backend import MIGRATION_SECONDS
from app.store.sql.engines import reading_engine, single_engine
from app.store.sql.options import options_of
from app.store.sql.prepared import PreparedStatements
from app.store.sql.sqlite_connection import DriverConnections, SqliteConnection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection

    from app.store.sql.connection import Rows

_BUSY_SECONDS: Final = 1
"""The longest wait for another process that is writing."""
_ROOM: Final = 1 << 20
"""The bytes that writes need on the disk: room for a transaction of some pages, and for the log that it is written
to."""
_ANSWERS: Final = {
    sqlite3.SQLITE_ERROR: Answer.REFUSED,  # a wrong statement, or a missing table
    sqlite3.SQLITE_NOTADB: Answer.REFUSED,
    sqlite3.SQLITE_CORRUPT: Answer.REFUSED,
    sqlite3.SQLITE_CONSTRAINT: Answer.FAULT,
    # The file, or the disk under it, has changed since the connection was opened.
    sqlite3.SQLITE_READONLY: Answer.ELSEWHERE,
    sqlite3.SQLITE_IOERR: Answer.ELSEWHERE,
    sqlite3.SQLITE_CANTOPEN: Answer.ELSEWHERE,
}
"""By the primary result code (sqlite.org/rescode.html); any other, such as SQLITE_FULL and SQLITE_BUSY, is LATER."""


class Sqlite:
    """`Backend` for a file. It makes the file (mode 0600) and its folder (mode 0700) for their owner only."""

    name = "SQLite"
    # As many as there are threads. With fewer, some threads starved for a second under load, though each read takes
    # microseconds. More cost nothing, since one is opened only when all others are in use.
    kept_readers = 96
    server_time: ColumnElement[datetime] | None = None
    probe = "SELECT 1"

    def __init__(self, url: URL) -> None:
        """A relative path is resolved now, from the current folder. Raises ValueError for an unknown option."""
        options = options_of(url, {"timeout", "vfs"}, {})
        busy = _busy_seconds(options.pop("timeout", None))
        self._path = Path(url.database or "").absolute()
        # Opening never creates the file: `create` does, with the right mode.
        address = URL.create("sqlite", database=self._path.as_uri(), query={**options, "mode": "rw", "uri": "true"})
        self.reader = reading_engine(address, {"timeout": busy}, _answer_of)
        event.listen(self.reader, "connect", _only_read)
        self.writer = single_engine(address, {"timeout": busy})
        self._migrator = single_engine(address, {"timeout": MIGRATION_SECONDS})
        for engine in (self.writer, self._migrator):
            event.listen(engine, "connect", _write_durably)
            event.listen(engine, "begin", _begin_immediate)
        event.listen(self.writer, "connect", _hold_foreign_keys)
        prepared = PreparedStatements(self.writer.dialect)
        self.driver: DriverConnections | None = DriverConnections(
            *(partial(SqliteConnection, engine, prepared, _answer_of) for engine in (self.reader, self.writer))
        )

    def create(self) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _only_one(self._path.parent):
            if not self._path.exists():
                os.close(os.open(self._path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            with self.reader.connect() as connection:
                # The file keeps this setting. Processes that change it at the same time would refuse each other.
                connection.exec_driver_sql("PRAGMA query_only = OFF")
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        # BEGIN IMMEDIATE keeps every other writer out, and SQLite undoes changes of the schema, too. Most changes put a
        # new table in the place of the old one. If foreign keys were enforced meanwhile, all rows that refer to the old
        # table would be deleted with it (sqlite.org/lang_altertable.html, "Making Other Kinds Of Table Schema
        # Changes").
        with self._migrator.begin() as connection:
            yield connection

    def server_problems(self) -> list[str]:
        problems = []
        mode = self._path.stat().st_mode & 0o777
        if mode & 0o077:
            problems.append(f"{self._path} can be read by others (mode {mode:o}): chmod 600 {self._path}")
        with self.writer.connect() as connection:
            for name, meant in (("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1)):
                found = connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                if found != meant:
                    problems.append(f"{name} of {self._path} is {found}, not {meant}: start the service again")
        return problems

    def answer_of(self, error: BaseException) -> Answer:
        return _answer_of(error)

    def remedy(self, error: BaseException) -> str | None:
        del error  # its line says it all
        return None

    def unwritable(self, probed: Rows) -> str | None:
        del probed  # the file could be read, so what is left to check is whether it can grow
        try:
            system = os.statvfs(self._path)
        except OSError as error:
            return f"the file is not there ({error.strerror})"
        if system.f_bavail * system.f_frsize < _ROOM:
            return "the disk is full"
        if system.f_flag & os.ST_RDONLY or not os.access(self._path, os.W_OK):
            return "the file cannot be written to"
        return None


def _answer_of(error: BaseException) -> Answer:
    code = getattr(error, "sqlite_errorcode", None)  # the driver's own errors have none
    if code is not None:
        return _ANSWERS.get(code & 0xFF, Answer.LATER)
    if isinstance(error, sqlite3.OperationalError | sqlite3.InterfaceError):
        return Answer.ELSEWHERE
    return Answer.REFUSED if isinstance(error, sqlite3.DatabaseError) else Answer.FAULT


def _busy_seconds(text: str | None) -> float:
    """How long to wait for another process that is writing: _BUSY_SECONDS, or less if the URL says so."""
    try:
        seconds = _BUSY_SECONDS if text is None else float(text)
    except ValueError:
        seconds = -1
    if not 0 <= seconds <= _BUSY_SECONDS:
        raise ValueError(f"timeout has to be from 0 to {_BUSY_SECONDS} second, since a request waits no longer")
    return seconds


def _only_read(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA query_only = ON")
    # In KiB; 2 MB by default, in each of up to 96 connections. SQLite empties it whenever another connection has
    # written, and the system keeps the file's pages, too: reads are as fast without it.
    connection.execute("PRAGMA cache_size = -256")


def _write_durably(connection: sqlite3.Connection, _: object) -> None:
    # Python's driver must not begin transactions by itself: SQLAlchemy's documentation on SQLite, "Enabling
    # Non-Legacy SQLite Transactional Modes", in the form that works before Python 3.12.
    connection.isolation_level = None
    connection.execute("PRAGMA synchronous = FULL")


def _hold_foreign_keys(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_immediate(connection: Connection) -> None:
    # A transaction that reads first and writes later would be refused at once if another one wrote meanwhile.
    connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Wait until no other process is inside. The lock on the folder ends with the process."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
