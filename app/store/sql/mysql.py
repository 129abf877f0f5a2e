"""MySQL and MariaDB, through PyMySQL."""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import pymysql
from pymysql.constants import ER
from sqlalchemy import URL, event, literal_column, text

from app.platform.errors import Unavailable
from app.store.sql.backend import ANSWER_SECONDS, MIGRATION_SECONDS, PLACE_SECONDS
from app.store.sql.columns import INSTANT
from app.store.sql.engines import reading_engine, single_engine, writing_engine
from app.store.sql.mysql_connection import TimedConnection
from app.store.sql.mysql_errors import answer_of, remedy
from app.store.sql.options import options_of, seconds_of
from app.store.sql.places import limit_connections
from app.store.sql.sockets import check_open

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection

    from app.store.sql.answers import Answer
    from app.store.sql.connection import Rows
    from app.store.sql.sqlite_connection import DriverConnections

_SETTINGS: Final = (
    "SET SESSION time_zone = '+00:00', innodb_lock_wait_timeout = 1,"
    " sql_mode = 'STRICT_ALL_TABLES,ERROR_FOR_DIVISION_BY_ZERO,NO_ZERO_DATE,NO_ZERO_IN_DATE,NO_ENGINE_SUBSTITUTION'"
)
# The name of a lock is shared by the whole server and at most 64 characters long.
_TAKE_LOCK: Final = text("SELECT GET_LOCK(SHA1(CONCAT('latchkey ', DATABASE())), :seconds)")
_WRITERS: Final = 5
_PLAIN: Final = frozenset({"unix_socket", "bind_address", "program_name", "read_default_file", "read_default_group"})
"""Options that are passed to PyMySQL unchanged."""
_KNOWN: Final = frozenset(
    {"charset", "connect_timeout", "read_timeout", "write_timeout", "init_command"}
    | {"ssl_mode", "ssl_ca", "ssl_capath", "ssl_cert", "ssl_key", "ssl_key_password", "ssl_cipher"}
    | {"ssl_check_hostname", "ssl_verify_cert", "ssl_verify_identity", "ssl_disabled"}
)
_TLS_HINT: Final = "write ssl-mode=REQUIRED, or ssl-mode=VERIFY_IDENTITY with ssl_ca=FILE, in its place"
_HINTS: Final = {
    **dict.fromkeys(("ssl", "tls", "usessl", "sslmode", "sslaccept"), _TLS_HINT),
    "sql_mode": "the service sets its own: leave it out",
    "collation": "the tables have their own: leave it out",
    "autocommit": "the service decides on its transactions: leave it out",
    "local_infile": "the service loads no files: leave it out",
    "connection_limit": "the service opens at most 21 connections per worker: leave it out",
}
_MODES: Final = ("DISABLED", "PREFERRED", "REQUIRED", "VERIFY_CA", "VERIFY_IDENTITY")
"""The values of --ssl-mode, with the meaning that they have for MySQL's own clients."""


class Mysql:
    """`Backend` for a SQLAlchemy URL. Raises ValueError for an option that is not accepted."""

    name = "MySQL"
    # With the writers 21 per worker; a server allows 100 or 151 by default.
    kept_readers = 16
    driver: DriverConnections | None = None
    server_time: ColumnElement[datetime] | None = literal_column("UTC_TIMESTAMP(3)", INSTANT)
    # Not every backend has all of them.
    probe = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('read_only', 'super_read_only', 'innodb_read_only')"

    def __init__(self, url: URL) -> None:
        if "," in (url.host or ""):
            raise ValueError("the driver takes one host: name a proxy that leads to the primary, or its DNS name")
        arguments, address = _arguments(_options(url)), url.set(query={})
        self.reader = reading_engine(address, arguments, answer_of)
        self.writer = writing_engine(
            address, arguments, answer_of, places=_WRITERS, place_seconds=PLACE_SECONDS,
            isolation_level="READ COMMITTED",
        )  # fmt: skip
        for engine, places in ((self.reader, self.kept_readers), (self.writer, _WRITERS)):
            limit_connections(engine, places, partial(_connect, TimedConnection))
        event.listen(self.writer, "checkout", _check_open)
        unlimited = {name: value for name, value in arguments.items() if name not in {"read_timeout", "write_timeout"}}
        self._migrator = single_engine(address, unlimited)
        event.listen(self._migrator, "do_connect", lambda _, __, ___, named: _connect(pymysql.Connection, **named))

    def create(self) -> None:
        """Does nothing: the operator creates the database."""

    @contextmanager
    def migrating(self) -> Iterator[Connection]:
        # The lock ends with the connection. A transaction cannot hold a migration here, since each statement is
        # committed at once. So each migration has to be able to start again after a crash.
        with self._migrator.connect() as connection:
            if connection.scalar(_TAKE_LOCK, {"seconds": MIGRATION_SECONDS}) != 1:
                raise Unavailable("Another process is migrating the schema.", retry_after=1)
            connection.commit()
            with connection.begin():
                yield connection

    def server_problems(self) -> list[str]:
        return []

    def answer_of(self, error: BaseException) -> Answer:
        return answer_of(error)

    def remedy(self, error: BaseException) -> str | None:
        return remedy(error)

    def unwritable(self, probed: Rows) -> str | None:
        return _unwritable(probed)


def _refuse_read_only(probed: Iterable[Sequence[Any]]) -> None:
    if why := _unwritable(probed):
        raise pymysql.OperationalError(ER.OPTION_PREVENTS_STATEMENT, why)


def _unwritable(probed: Iterable[Sequence[Any]]) -> str | None:
    # From MariaDB 12 on there are more values than ON and OFF.
    return "the server is read-only" if any(value.upper() not in {"OFF", "0"} for _, value in probed) else None


def _options(url: URL) -> dict[str, str]:
    """The options after the `?`, with `_` for `-`: MySQL's own clients write ssl-mode and ssl-ca."""
    words = {name.lower().replace("-", "_"): value for name, value in url.query.items()}
    options = options_of(url.set(query=words), _KNOWN | _PLAIN, _HINTS)
    if options.get("charset", "utf8mb4").lower() != "utf8mb4":
        raise ValueError("charset has to be utf8mb4, the only one that holds every character: leave it out")
    return options


def _arguments(options: Mapping[str, str]) -> dict[str, Any]:
    """The arguments of PyMySQL's connection."""
    return {
        "charset": "utf8mb4",
        **{name: options[name] for name in options.keys() & (_PLAIN | {"init_command"})},
        **{
            name: seconds_of(options, name, ANSWER_SECONDS)
            for name in ("connect_timeout", "read_timeout", "write_timeout")
        },
        **_tls(options),
    }


def _tls(options: Mapping[str, str]) -> dict[str, Any]:
    """The arguments for TLS. Without any, PyMySQL uses TLS if the server has it, and verifies nothing."""
    told = {name for name in options if name.startswith("ssl_")}
    mode = options.get("ssl_mode", "PREFERRED" if not told else "VERIFY_IDENTITY").upper()
    if _is_on(options, "ssl_disabled"):
        mode = "DISABLED"
    elif "ssl_mode" not in options and told & {"ssl_check_hostname", "ssl_verify_identity", "ssl_verify_cert"}:
        verified = _is_on(options, "ssl_verify_cert", default=True)
        named = _is_on(options, "ssl_verify_identity", default=_is_on(options, "ssl_check_hostname", default=verified))
        mode = "VERIFY_IDENTITY" if named else "VERIFY_CA" if verified else "REQUIRED"
    if mode not in _MODES:
        raise ValueError(f"ssl-mode has to be one of {', '.join(_MODES)}")
    if mode in {"DISABLED", "PREFERRED"}:
        return {"ssl_disabled": True} if mode == "DISABLED" else {}
    try:
        context = ssl.create_default_context(cafile=options.get("ssl_ca"), capath=options.get("ssl_capath"))
        if "ssl_cert" in options:
            context.load_cert_chain(options["ssl_cert"], options.get("ssl_key"), options.get("ssl_key_password"))
        if "ssl_cipher" in options:
            context.set_ciphers(options["ssl_cipher"])
    except OSError as error:  # ssl.SSLError, too
        raise ValueError(
            "ssl_ca, ssl_cert and ssl_key have to name files with certificates and a key that this user can read"
            f" ({error.strerror or error})"
        ) from None
    # Python 3.13 reads RFC 5280 so strictly that it would refuse the certificates that MySQL makes.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.check_hostname = mode == "VERIFY_IDENTITY"
    context.verify_mode = ssl.CERT_NONE if mode == "REQUIRED" else ssl.CERT_REQUIRED
    return {"ssl": context}


def _is_on(options: Mapping[str, str], name: str, *, default: bool = False) -> bool:
    if name not in options:
        return default
    if options[name].lower() not in {"true", "false", "1", "0"}:
        raise ValueError(f"{name} has to be true or false")
    return options[name].lower() in {"true", "1"}


def _connect(kind: type[pymysql.Connection], **arguments: Any) -> Any:  # noqa: ANN401 - PyMySQL has no types
    """A connection with the session's settings; raises PyMySQL's error if the server takes no writes."""
    connection = kind(**arguments)
    try:
        cursor = connection.cursor()
        cursor.execute(_SETTINGS)
        cursor.execute(Mysql.probe)
        _refuse_read_only(cursor.fetchall())
        cursor.close()
    except BaseException:
        if connection.open:
            connection.close()
        raise
    return connection


def _check_open(connection: DBAPIConnection, _: object, __: object) -> None:
    check_open(connection._sock.fileno())  # noqa: SLF001 - PyMySQL shows its socket nowhere else
