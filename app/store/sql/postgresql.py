"""PostgreSQL, through psycopg."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo
from sqlalchemy import URL, event, literal_column, text

from app.store.sql.backend import ANSWER_SECONDS, MIGRATION_SECONDS, PLACE_SECONDS
from app.store.sql.columns import INSTANT
from app.store.sql.engines import reading_engine, single_engine, writing_engine
from app.store.sql.options import options_of, seconds_of
from app.store.sql.places import limit_connections
from app.store.sql.postgresql_connection import STATEMENT_MILLISECONDS, TimedConnection
from app.store.sql.postgresql_errors import answer_of, remedy
from app.store.sql.sockets import check_open

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from app.store.sql.answers import Answer
    from app.store.sql.connection import Rows
    from app.store.sql.sqlite_connection import DriverConnections

_SETTINGS: Final = {"timezone": "UTC", "statement_timeout": str(STATEMENT_MILLISECONDS)}
"""The settings of each session, whatever the role, the database, `options` or a pooler set. A statement sets them,
since some poolers refuse settings that a client asks for as it connects, and others ignore them."""
_SET: Final = "SELECT " + ", ".join(f"set_config('{name}', '{value}', false)" for name, value in _SETTINGS.items())
_SET_FOR_MIGRATION: Final = text(
    "SELECT set_config('timezone', 'UTC', true), set_config('statement_timeout', '0', true),"
    f" set_config('lock_timeout', '{MIGRATION_SECONDS}s', true)"
)
_LOCK: Final = int.from_bytes(b"latchkey")
"""The advisory lock of migrations; it holds within one database."""
_WRITERS: Final = 5
_HINTS: Final = {
    "pgbouncer": "write prepare_threshold=none in its place",
    "schema": "write options=-csearch_path%3DNAME in its place",
    "ssl": "write sslmode=require, or sslmode=verify-full with sslrootcert=FILE",
    "sslaccept": "write sslmode=require, or sslmode=verify-full with sslrootcert=FILE",
    "connection_limit": "the service opens at most 21 connections per worker: leave it out",
    "pool_size": "the service opens at most 21 connections per worker: leave it out",
}


class Postgresql:
    """`Backend` for a SQLAlchemy URL. Raises ValueError for an option that is not accepted."""

    name = "PostgreSQL"
    # With the writers 21 per worker; a server allows 100 or 151 by default.
    kept_readers = 16
    driver: DriverConnections | None = None
    server_time: ColumnElement[datetime] | None = literal_column("clock_timestamp()", INSTANT)
    probe = "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean"

    def __init__(self, url: URL) -> None:
        arguments, address = _arguments(url), url.set(query={})
        self.reader = reading_engine(address, arguments, answer_of)
        self.writer = writing_engine(
            address, arguments, answer_of, places=_WRITERS, place_seconds=PLACE_SECONDS,
            isolation_level="READ COMMITTED",
        )  # fmt: skip
        for engine, places in ((self.reader, self.kept_readers), (self.writer, _WRITERS)):
            limit_connections(engine, places, _connect)
        event.listen(self.writer, "checkout", _check_open)
        self._migrator = single_engine(address, arguments)

    def create(self) -> None:
        """Does nothing: the operator creates the database."""

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        # The lock and the settings end with the transaction, which holds the whole migration.
        with self._migrator.begin() as connection:
            connection.execute(_SET_FOR_MIGRATION)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            yield connection

    def server_problems(self) -> list[str]:
        return []

    def answer_of(self, error: BaseException) -> Answer:
        return answer_of(error)

    def remedy(self, error: BaseException) -> str | None:
        return remedy(error)

    def unwritable(self, probed: Rows) -> str | None:
        return "the server is a standby, or read-only" if probed[0][0] else None


def _arguments(url: URL) -> dict[str, Any]:
    """The arguments of psycopg's connection: those of the URL, and the service's own for what the URL leaves open."""
    known = {default.keyword.decode() for default in Conninfo.get_defaults()} | {"prepare_threshold"}
    options = options_of(url, known - {"replication"}, _HINTS)
    if options.get("target_session_attrs", "read-write") not in {"read-write", "primary"}:
        raise ValueError("target_session_attrs has to be read-write: nothing else can be written to; leave it out")
    if options.get("client_encoding", "utf8").lower().replace("-", "") != "utf8":
        raise ValueError("client_encoding has to be utf8: leave it out")
    for name in ("sslrootcert", "sslcert", "sslkey", "sslcrl"):
        if name in options and options[name] != "system" and not os.access(options[name], os.R_OK):
            raise ValueError(f"{name} has to name a file that this user can read, which is not there")
    seconds, threshold = seconds_of(options, "connect_timeout", ANSWER_SECONDS), _prepare_threshold(options)
    hosts, ports = _hosts(url, options)
    place = {"host": ",".join(hosts), "port": ",".join(ports)} if hosts else {}
    return {
        "application_name": "latchkey",
        # They notice a machine that went away even if no request waits for it. Idle and interval are in seconds.
        "keepalives_idle": 30,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": ANSWER_SECONDS * 1000,
        # Among several hosts, or several addresses of one name, the one that takes writes.
        "target_session_attrs": "read-write",
        **options,
        **place,
        "prepare_threshold": threshold,
        # For one address: all together have as long as a single one would.
        "connect_timeout": seconds / max(1, len(hosts)),
    }


def conninfo_of(url: URL) -> str:
    """The connection string that PostgreSQL's own programs take for the same URL, without the password."""
    ours = {"prepare_threshold", "connect_timeout", "password"}
    words = {name: value for name, value in _arguments(url).items() if name not in ours}
    return make_conninfo(**{"user": url.username, "dbname": url.database} | words)


def _hosts(url: URL, options: dict[str, str]) -> tuple[list[str], list[str]]:
    """The hosts that a URL names, and the port of each; "" means the default port.

    A host after the `?` may have a port, as in SQLAlchemy: `?host=a:5432&host=b:5433`.
    """
    named = options.pop("host", "") or url.host or ""
    ports = options.pop("port", "") or (str(url.port) if url.port else "")
    hosts, own_ports = [], []
    for entry in filter(None, named.split(",")):
        found = None if entry.startswith("/") else re.fullmatch(r"([^:]+|\[.+\]):(\d*)", entry)
        hosts.append((found[1] if found else entry).strip("[]"))
        own_ports.append(found[2] if found else "")
    if any(own_ports):
        return hosts, own_ports
    given = ports.split(",")
    return hosts, given if len(given) == len(hosts) else given[:1] * len(hosts)


def _prepare_threshold(options: dict[str, str]) -> int | None:
    """How often a statement is sent before it is prepared; None means never, which some poolers need."""
    text = options.pop("prepare_threshold", "5").lower()
    if text == "none":
        return None
    if not (text.isascii() and text.isdigit()):
        raise ValueError("prepare_threshold has to be none or a number")
    return int(text)


def _connect(*arguments: Any, **keywords: Any) -> TimedConnection:  # noqa: ANN401 - psycopg's
    connection = TimedConnection.connect(*arguments, **keywords)
    try:
        connection.autocommit = True
        connection.execute(_SET)
        connection.autocommit = False
    except BaseException:
        connection.close()
        raise
    return connection


def _check_open(connection: DBAPIConnection, _: object, __: object) -> None:
    check_open(connection.fileno())
