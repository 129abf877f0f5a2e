"""What a database is asked, as it is asked: on SQLite the driver tells it, elsewhere SQLAlchemy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import event

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

    from sqlalchemy import Engine

    from app.store.sql.database import Database


def watch(database: Database, tell: Callable[[str, Any], None], *engines: Engine) -> None:
    """Have `tell` called with each statement of these engines and its values, before the statement is executed.

    SQLite's statements hold their values, and BEGIN and COMMIT are among them. What `tell` raises is lost there.
    """
    for engine in engines:
        if database.backend.driver is None:
            event.listen(engine, "before_cursor_execute", lambda *call: tell(call[2], call[3]))
        else:
            event.listen(engine, "connect", lambda connection, _: _trace(connection, tell))
    database.close()  # those that are kept are not watched yet


def before_read(database: Database, act: Callable[[], None]) -> None:
    """Have `act` called once, before the next read."""
    watch(database, _once(lambda text: text.startswith("SELECT"), act), database.backend.reader)


def before_write(database: Database, act: Callable[[], None], *, number: int = 1) -> None:
    """Have `act` called once, before the next transaction that writes, or the one of this number from now on."""
    if database.backend.driver is None:
        begin = _once(lambda _: True, act, number)
        event.listen(database.backend.writer, "begin", lambda _: begin("", ()))
    else:
        watch(database, _once(lambda text: text.startswith("BEGIN"), act, number), database.backend.writer)


def _trace(connection: Connection, tell: Callable[[str, Any], None]) -> None:
    connection.set_trace_callback(lambda text: tell(text, ()))


def _once(meant: Callable[[str], bool], act: Callable[[], None], number: int = 1) -> Callable[[str, Any], None]:
    met = 0

    def tell(text: str, _: object) -> None:
        nonlocal met
        if meant(text):
            met += 1
            if met == number:
                act()

    return tell
