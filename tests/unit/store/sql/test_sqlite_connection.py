"""Statements on the driver's own connection do what they do on SQLAlchemy's: the same values, rows and errors."""

from __future__ import annotations

import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    bindparam,
    delete,
    event,
    func,
    insert,
    literal,
    make_url,
    select,
    text,
    update,
)
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from app.accounts.account import Account
from app.platform import deadline
from app.platform.errors import Unavailable
from app.store.sql.columns import INSTANT, LONG_TEXT, PRICE, exact
from app.store.sql.sqlite import Sqlite
from tests.contract.entities import HASH, a_user
from tests.stores import Store, database_of, sql_store

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Executable

    from app.store.sql.sqlite_connection import SqliteConnection

THINGS = Table(
    "things",
    MetaData(),
    Column("id", exact(8), primary_key=True),
    Column("of", ForeignKey("things.id")),
    Column("at", INSTANT),
    Column("price", PRICE),
    Column("is_new", Boolean),
    Column("seed", LargeBinary(32)),
    Column("note", LONG_TEXT),
    Column("details", JSON),
    Column("share", Numeric(5, 2)),
    Column("count", Integer, nullable=False, server_default="0"),
)
FULL = {
    "id": "full",
    "of": None,
    "at": datetime(2026, 1, 31, 23, 59, 59, 999000, UTC),
    "price": Decimal("12.30"),
    "is_new": True,
    "seed": b"\0\xff",
    "note": "ä\0\N{GRINNING FACE}",
    "details": {"a": [1, None]},
    "share": Decimal("0.25"),
    "count": 7,
}
EMPTY: dict[str, Any] = dict.fromkeys(FULL) | {"id": "empty", "count": 0}
ROWS: list[Any] = [FULL, EMPTY]
_ID = THINGS.c.id
_OTHERS = THINGS.alias()
STATEMENTS: dict[str, tuple[Executable, Any]] = {
    "every type": (select(THINGS).order_by(_ID), None),
    "a comparison with a value of each type": (
        select(_ID).where(*(THINGS.c[name] == bindparam(name) for name in FULL if name not in {"of", "details"})),
        {name: value for name, value in FULL.items() if name not in {"of", "details"}},
    ),
    "two columns of one name": (select(THINGS.c.at, _OTHERS.c.at).join(_OTHERS, _OTHERS.c.id == _ID), None),
    "a parameter of no column": (insert(THINGS), {"id": "new", "colour": "red"}),
    "a value in the statement": (select(_ID, literal(3) + THINGS.c.count).where(THINGS.c.at == FULL["at"]), None),
    "a parameter used twice": (
        select(_ID).where(bindparam("id") == _ID, THINGS.c.note != bindparam("id")),
        {"id": "full"},
    ),
    "a function": (select(func.max(THINGS.c.at), func.count()), None),
    "limits": (select(_ID).order_by(_ID).limit(bindparam("most")).offset(1), {"most": 1}),
    "a text": (text("SELECT id, at FROM things WHERE id = :id"), {"id": "full"}),
    "several values": (select(_ID).where(_ID.in_(bindparam("ids", expanding=True))), {"ids": ["full", "x"]}),
    "several values with a type": (select(_ID).where(THINGS.c.at.in_([FULL["at"]])), None),
    "several values beside one with a type": (
        select(_ID).where(_ID.in_(bindparam("ids", expanding=True)), THINGS.c.at <= bindparam("now")),
        {"ids": ["full", "x"], "now": FULL["at"]},
    ),
    "no values": (select(_ID).where(_ID.in_(bindparam("ids", expanding=True))), {"ids": []}),
    "an update": (
        update(THINGS).where(bindparam("this") == _ID).values(count=THINGS.c.count + 1),
        {"this": "full", "at": FULL["at"], "price": None},
    ),
    "an update that meets nothing": (update(THINGS).where(_ID == "x"), {"count": 1}),
    "an update that gives rows": (update(THINGS).where(_ID == "full").values(count=8).returning(THINGS.c.at), None),
    "a new row": (insert(THINGS), {"id": "new", "at": FULL["at"], "seed": b"x"}),
    "a new row unless it is there": (
        sqlite.insert(THINGS).on_conflict_do_update(index_elements=["id"], set_={"count": 9}),
        {"id": "full", "is_new": False},
    ),
    "several new rows": (insert(THINGS), [{"id": "a", "at": FULL["at"]}, {"id": "b", "at": None}]),
    "several new rows in one statement": (insert(THINGS).values([{"id": "a"}, {"id": "b"}]), None),
    "a removal": (delete(THINGS).where(_ID.in_(["full", "empty"])), None),
}
REFUSED: dict[str, tuple[Executable, Any]] = {
    "a row that is there": (insert(THINGS), {"id": "full"}),
    "a row that belongs to none": (insert(THINGS), {"id": "new", "of": "x"}),
    "one of several": (insert(THINGS), [{"id": "new"}, {"id": "full"}]),
    "an empty value": (insert(THINGS), {"id": "new", "count": None}),
    "a missing table": (text("SELECT * FROM nothing"), None),
    "no SQL": (text("what"), None),
    "a number that is too large": (insert(THINGS), {"id": "new", "count": 2**63}),
    "a text that is no Unicode": (insert(THINGS), {"id": "\ud800"}),
    "a value of another type": (insert(THINGS), {"id": object()}),
}


Done = tuple[int, list[tuple[Any, ...]], list[tuple[Any, ...]]]
"""How many rows a statement changed, those that it gave, and those that are in the table then."""


@pytest.fixture
def backend(tmp_path: Path) -> Iterator[Sqlite]:
    made = Sqlite(make_url(f"sqlite:///{tmp_path}/things.db"))
    made.create()
    THINGS.metadata.create_all(made.writer)
    with made.writer.begin() as connection:
        connection.execute(insert(THINGS), ROWS)
    yield made
    made.writer.dispose()


def on_the_driver(backend: Sqlite, statement: Executable, parameters: Any) -> Done:
    with closing(opened(backend)) as connection:
        connection.begin()
        result = connection.execute(statement, parameters)
        left = connection.execute(select(THINGS).order_by(_ID)).all()
        return (-1 if result.all() else result.rowcount), rows(result.all()), rows(left)


def on_sqlalchemy(backend: Sqlite, statement: Executable, parameters: Any) -> Done:
    with backend.writer.connect() as connection:
        result = connection.execute(statement, parameters)
        given = rows(result.all()) if result.returns_rows else []
        return (-1 if given else result.rowcount), given, rows(connection.execute(select(THINGS).order_by(_ID)).all())


def opened(backend: Sqlite) -> SqliteConnection:
    assert backend.driver is not None
    return backend.driver.write()


def rows(found: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in found]


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_does_what_it_does_on_a_connection_of_sqlalchemy(backend: Sqlite, name: str) -> None:
    for _ in range(2):  # at first it is prepared
        assert on_the_driver(backend, *STATEMENTS[name]) == on_sqlalchemy(backend, *STATEMENTS[name])


def test_a_statement_sets_other_columns_the_next_time(backend: Sqlite) -> None:
    change = update(THINGS).where(_ID == "full")
    for values in ({"note": "new"}, {"at": None, "count": 2}, {"count": 3}):
        assert on_the_driver(backend, change, values) == on_sqlalchemy(backend, change, values)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_is_the_same_error_as_on_a_connection_of_sqlalchemy(backend: Sqlite, name: str) -> None:
    errors = []
    for run in (on_the_driver, on_sqlalchemy):
        with pytest.raises(Exception) as raised:  # noqa: PT011 - whichever it is
            run(backend, *REFUSED[name])
        errors.append(raised.value)
    found, expected = errors
    assert type(found) is type(expected)
    if isinstance(expected, DBAPIError):
        assert isinstance(found, DBAPIError)
        assert (type(found.orig), str(found.orig)) == (type(expected.orig), str(expected.orig))
        assert (found.statement, found.connection_invalidated) == (expected.statement, expected.connection_invalidated)


def test_a_default_that_python_computes_is_refused_rather_than_left_out(backend: Sqlite) -> None:
    table = Table("things", MetaData(), Column("id", String), Column("note", String, default=lambda: "x"))
    with closing(opened(backend)) as connection, pytest.raises(TypeError, match="'note'"):
        connection.execute(insert(table), {"id": "new"})


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = sql_store(f"sqlite:///{tmp_path}/latchkey.db")
    made.prepare()
    made.users.add(Account(a_user(id="ada", username="ada"), HASH))
    assert made.users.account("ada") is not None
    yield made
    made.close()


def open_files(folder: Path) -> int:
    """How many open files this process has in a folder."""
    links = list(Path("/proc/self/fd").iterdir())
    return sum(1 for link in links if link.is_symlink() and str(link.readlink()).startswith(str(folder)))


def test_closing_leaves_no_connection_open(store: Store, tmp_path: Path) -> None:
    assert open_files(tmp_path) > 0
    store.close()
    assert open_files(tmp_path) == 0
    assert store.users.replace_hash("ada", HASH, "new")  # the next use opens others


def test_a_request_that_has_no_time_left_asks_nothing(store: Store) -> None:
    with deadline.begin(0.0):
        for ask in (lambda: store.users.account("ada"), lambda: store.users.replace_hash("ada", HASH, "new")):
            with pytest.raises(Unavailable):
                ask()
    assert store.users.replace_hash("ada", HASH, "new")


def test_a_full_database_is_unavailable_keeps_nothing_and_takes_writes_again(store: Store) -> None:
    database = database_of(store)
    most = 0

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count = {most}")

    event.listen(database.backend.writer, "connect", limit)
    store.close()
    many = [Account(a_user(username=f"user{number}"), "h" * 512) for number in range(100)]
    most = database.rows(text("PRAGMA page_count"))[0][0]
    added = []
    for account in many:
        try:
            store.users.add(account)
        except Unavailable:
            break
        added.append(account.user.id)
    assert len(added) < len(many)
    assert store.users.account(many[len(added)].user.id) is None
    most = 2**30
    store.users.add(many[len(added)])
    assert all(store.users.account(user_id) is not None for user_id in added)


FORKED = """
import os, sys

late = False
os.register_at_fork(before=lambda: late and count())  # after those that are registered later

from sqlalchemy import make_url, text
from app.store.sql.database import Database
from app.store.sql.sqlite import Sqlite

def files():
    return sum(os.path.realpath(f"/proc/self/fd/{name}") == sys.argv[1] for name in os.listdir("/proc/self/fd"))

def count():
    return database.rows(text("SELECT COUNT(*) FROM numbers"))[0][0]

def use(name):
    inherited = files()
    database.change(text("INSERT INTO numbers VALUES (1)"), {})
    print(name, count(), "inherited", inherited, "opened", files() - inherited, flush=True)

def child(name):
    if not os.fork():
        use(name)
        os._exit(0)
    os.wait()

database = Database(Sqlite(make_url(f"sqlite:///{sys.argv[1]}")))
database.backend.create()
database.change(text("CREATE TABLE numbers (number)"), {})
database.close()
use("parent")
child("child")
use("parent")
late = True
child("child")
use("parent")
"""
"""A process writes and reads, and so do its children; the second comes just when a thread has opened a connection."""


def test_a_connection_is_never_shared_over_a_fork(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED, f"{tmp_path}/numbers.db"], check=False, capture_output=True, text=True
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "parent 1 inherited 0 opened 2",
        "child 2 inherited 0 opened 2",
        "parent 3 inherited 0 opened 2",
        "child 4 inherited 1 opened 2",
        "parent 5 inherited 1 opened 1",
    ]
