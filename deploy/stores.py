"""Backup and restore for each kind of store, with its own tools: is it empty, dump it, load it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pymongo import MongoClient
from pymongo.errors import PyMongoError
from sqlalchemy import URL, inspect, make_url, text
from sqlalchemy.exc import SQLAlchemyError

from app.store.sql.backends import backend_of
from deploy.tools import ToolError, program, run

if TYPE_CHECKING:
    from app.config import Settings
    from app.store.sql.backend import Backend

_LOCK_SECONDS = 60
"""How long SQLite waits for a writer."""
_OPTIONS = {"ssl_ca": "ssl-ca", "ssl_cert": "ssl-cert", "ssl_key": "ssl-key", "unix_socket": "socket"}
"""Options in the query of a URL, and their names in MySQL's own programs."""
_VERIFIED = {"loose-ssl": "1", "loose-ssl-verify-server-cert": "1"}
_TLS = {
    "DISABLED": {"loose-ssl-mode": "DISABLED", "loose-ssl": "0"},
    "REQUIRED": {"loose-ssl-mode": "REQUIRED", "loose-ssl": "1", "loose-ssl-verify-server-cert": "0"},
    "VERIFY_CA": {"loose-ssl-mode": "VERIFY_CA", **_VERIFIED},
    "VERIFY_IDENTITY": {"loose-ssl-mode": "VERIFY_IDENTITY", **_VERIFIED},
}
"""Each ssl-mode as options of MySQL's programs and of MariaDB's; `loose` makes either ignore an unknown one."""


class StoreTools(Protocol):
    """What a backup needs from a store. Each method raises ToolError if it fails."""

    common_name: str

    def is_empty(self) -> bool:
        """Whether it has no content, not even an empty table or collection."""

    def dump(self, file: Path, work: Path) -> None:
        """Write the whole content, as it is at one moment, to a new file. `work` is a private folder."""

    def load(self, file: Path, work: Path) -> None:
        """Replace everything stored with what `dump` wrote."""


def store_of(settings: Settings) -> StoreTools:
    """The store that the settings name."""
    if settings.store.mongo_uri is not None:
        return MongoTools(settings.store.mongo_uri.get_secret_value(), settings.store.mongo_database)
    if settings.store.database_url is None:
        raise ToolError("neither DATABASE_URL nor MONGO_URI is set")
    url = make_url(settings.store.database_url.get_secret_value())
    match url.get_backend_name():
        case "sqlite":
            return SqliteTools(url)
        case "postgresql":
            return PostgresqlTools(url)
        case _:
            return MysqlTools(url)


class SqliteTools:
    """An SQLite file, with SQLite's online backup: readers and writers continue meanwhile."""

    common_name = "SQLite"

    def __init__(self, url: URL) -> None:
        self._path = Path(url.database or "").absolute()

    def is_empty(self) -> bool:
        return not self._path.exists() or self._path.stat().st_size == 0

    def dump(self, file: Path, work: Path) -> None:  # noqa: ARG002 - the signature is that of StoreTools
        if self.is_empty():
            raise ToolError(f"{self._path} does not exist or is empty: nothing to back up")
        with closing(sqlite3.connect(file)) as copy:
            self._copy(self._path, copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # so that it is one file

    def load(self, file: Path, work: Path) -> None:  # noqa: ARG002 - the signature is that of StoreTools
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with closing(sqlite3.connect(self._path, timeout=_LOCK_SECONDS)) as target:
            self._copy(file, target)

    def _copy(self, source: Path, target: sqlite3.Connection) -> None:
        try:
            with closing(sqlite3.connect(f"{source.as_uri()}?mode=rw", uri=True, timeout=_LOCK_SECONDS)) as connection:
                connection.backup(target)
        except sqlite3.Error as error:
            raise ToolError(f"{source} cannot be copied: {error}") from None


class PostgresqlTools:
    """A PostgreSQL database, with pg_dump, pg_restore and psql."""

    common_name = "PostgreSQL"

    def __init__(self, url: URL) -> None:
        self._url = url

    def is_empty(self) -> bool:
        return not _tables(self._url)

    def dump(self, file: Path, work: Path) -> None:
        options = ["--format=custom", "--compress=0", "--no-owner", "--no-privileges"]  # the archive is compressed
        self._run("pg_dump", *options, f"--file={file}", self._address, work=work)

    def load(self, file: Path, work: Path) -> None:
        """In one transaction: if it fails, the old content stays."""
        removal, script = work / "removal.sql", work / "script.sql"
        quoted = ('"' + name.replace('"', '""') + '"' for name in _tables(self._url))
        removal.write_text("".join(f"DROP TABLE {name} CASCADE;\n" for name in quoted), encoding="utf-8")
        self._run("pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(file), work=work)
        at_once = ["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", "--output=/dev/null"]
        self._run("psql", *at_once, f"--file={removal}", f"--file={script}", self._address, work=work)

    @property
    def _address(self) -> str:
        """The address for libpq, without the password."""
        from app.store.sql.postgresql import conninfo_of  # noqa: PLC0415 - only users of this store need its driver

        return conninfo_of(self._url)

    def _run(self, name: str, *arguments: str, work: Path) -> None:
        passwords = work / "pgpass"  # https://www.postgresql.org/docs/current/libpq-pgpass.html
        escaped = (self._url.password or "").replace("\\", "\\\\").replace(":", "\\:")
        passwords.write_text(f"*:*:*:*:{escaped}\n", encoding="utf-8")
        passwords.chmod(0o600)
        environment = {"PGPASSFILE": str(passwords)} if self._url.password else {}
        run([program(name, package="postgresql-client"), *arguments], environment=environment)


class MysqlTools:
    """A MySQL or MariaDB database, with their own client programs."""

    common_name = "MySQL"

    def __init__(self, url: URL) -> None:
        self._url = url

    def is_empty(self) -> bool:
        return not _tables(self._url)

    def dump(self, file: Path, work: Path) -> None:
        tool = program("mariadb-dump", "mysqldump", package="mariadb-client")
        options = [
            "--single-transaction",
            "--quick",
            "--hex-blob",
            "--no-tablespaces",
            "--default-character-set=utf8mb4",
        ]
        run([tool, self._account(work), *options, f"--result-file={file}", self._database])

    def load(self, file: Path, work: Path) -> None:
        """Not atomic: these databases do not roll back schema changes, so a failure leaves the load half done."""
        names = _tables(self._url)
        with _backend(self._url).migrating() as connection:
            connection.execute(text("SET FOREIGN_KEY_CHECKS = 0"))
            for name in names:
                connection.execute(text(f"DROP TABLE {connection.dialect.identifier_preparer.quote(name)}"))
        tool = program("mariadb", "mysql", package="mariadb-client")
        run([tool, self._account(work), "--default-character-set=utf8mb4", self._database], reads=file)

    @property
    def _database(self) -> str:
        return self._url.database or ""

    def _account(self, work: Path) -> str:
        """The option that names a file with address and password."""
        address = {"host": self._url.host, "port": self._url.port, "user": self._url.username}
        options = {name: str(value) for name, value in address.items() if value is not None}
        given = {name.lower().replace("-", "_"): str(value) for name, value in self._url.query.items()}
        options |= {_OPTIONS[name]: value for name, value in given.items() if name in _OPTIONS}
        options |= _TLS.get(given.get("ssl_mode", "").upper(), {})
        if "socket" not in options:
            options["protocol"] = "tcp"  # as the service does, even to localhost
        if self._url.password:
            options["password"] = self._url.password
        quoted = {name: value.replace("\\", "\\\\").replace('"', '\\"') for name, value in options.items()}
        file = work / "client.cnf"
        file.write_text(
            "[client]\n" + "".join(f'{name}="{value}"\n' for name, value in quoted.items()), encoding="utf-8"
        )
        file.chmod(0o600)
        return f"--defaults-extra-file={file}"


class MongoTools:
    """A MongoDB database, with mongodump and mongorestore."""

    common_name = "MongoDB"

    def __init__(self, uri: str, database: str) -> None:
        self._uri = uri
        self._database = database

    def is_empty(self) -> bool:
        try:
            with MongoClient[dict[str, object]](self._uri) as client:
                return not client[self._database].list_collection_names()
        except PyMongoError as error:
            raise ToolError(f"MongoDB does not answer: {error}") from None

    def dump(self, file: Path, work: Path) -> None:
        tool = program("mongodump", package="mongodb-database-tools")
        run([tool, "--quiet", self._account(work), f"--db={self._database}", f"--archive={file}"])

    def load(self, file: Path, work: Path) -> None:
        tool = program("mongorestore", package="mongodb-database-tools")
        only = f"--nsInclude={self._database}.*"
        run([tool, "--quiet", self._account(work), "--drop", "--stopOnError", only, f"--archive={file}"])
        if self.is_empty():
            raise ToolError(f"nothing was restored: the archive has no database called {self._database}")

    def _account(self, work: Path) -> str:
        """The option that names a file with the URI."""
        file = work / "mongo.yaml"
        quoted = self._uri.replace("\\", "\\\\").replace('"', '\\"')
        file.write_text(f'uri: "{quoted}"\n', encoding="utf-8")
        file.chmod(0o600)
        return f"--config={file}"


def _backend(url: URL) -> Backend:
    """The database, opened as the service opens it."""
    try:
        return backend_of(url.render_as_string(hide_password=False))
    except ValueError as error:
        raise ToolError(f"DATABASE_URL: {error}") from None


def _tables(url: URL) -> list[str]:
    """The names of the tables of a database."""
    try:
        return inspect(_backend(url).reader).get_table_names()
    except SQLAlchemyError as error:
        raise ToolError(f"the database does not answer: {getattr(error, 'orig', None) or error}") from None
