"""The stores on SQL under test: on SQLite, and on the servers of PostgreSQL and MariaDB."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from sqlalchemy import create_engine, delete, update

from app.accounts.model import Status
from app.accounts.sql import USERS
from app.store.sql.schema import METADATA
from tests.contract.subject import Subject
from tests.servers.sql import SqlServer
from tests.stores import sql_store


@contextmanager
def sqlite_subject(folder: Path) -> Iterator[Subject]:
    """A store in a file below `folder`."""
    with _subject(f"sqlite:///{folder}/store/latchkey.db") as subject:
        yield subject


@contextmanager
def server_subject(server: SqlServer) -> Iterator[Subject]:
    """A store in a database of its own on the server."""
    with _subject(server.create_database()) as subject:
        yield subject


@contextmanager
def _subject(url: str) -> Iterator[Subject]:
    make = partial(sql_store, url)
    store = make()
    store.prepare()
    beside = create_engine(url, pool_pre_ping=True)  # the server of a fragile store is stopped meanwhile

    def clear() -> None:
        with beside.begin() as connection:
            for table in reversed(METADATA.sorted_tables):
                connection.execute(delete(table))

    def change_user(
        user_id: str,
        *,
        status: Status | None = None,
        auth_epoch: int | None = None,
        kept_session: str | None = None,
    ) -> None:
        changes = {"status": status, "auth_epoch": auth_epoch, "kept_session": kept_session}
        given = {name: value for name, value in changes.items() if value is not None}
        with beside.begin() as connection:
            connection.execute(update(USERS).where(USERS.c.id == user_id).values(given))

    def tamper(table: str, key: str | int, **fields: object) -> None:
        rows = METADATA.tables[table]
        this = next(iter(rows.primary_key)) == key
        with beside.begin() as connection:
            connection.execute(update(rows).where(this).values(fields) if fields else delete(rows).where(this))

    yield Subject(store, make, clear, change_user, tamper)
    beside.dispose()
    store.close()
