"""What `flask doctor` reports about a SQL database."""

import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from app.platform import clock
from app.platform.errors import Unavailable
from tests.stores import Store, sql_store


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    path = tmp_path / "store" / "latchkey.db"
    store = sql_store(f"sqlite:///{path}")
    store.prepare()
    store.close()
    return path


def problems_of(path: Path) -> list[str]:
    store = sql_store(f"sqlite:///{path}")
    found = store.problems()
    store.close()
    return found


def change(beside: Callable[[], Connection], *statements: str) -> None:
    with beside() as connection, connection.begin():
        for statement in statements:
            connection.execute(text(statement))


def test_a_store_that_is_ready_has_no_problems(store: Store) -> None:
    assert store.problems() == []


def test_a_database_without_the_schema_is_a_problem(server_url: str) -> None:
    store = sql_store(server_url)
    assert store.problems() == ["it has not been made yet: the first start makes it, or run flask db upgrade"]
    store.close()


def test_a_missing_file_is_not_made_by_looking_for_problems(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        sql_store(f"sqlite:///{tmp_path}/store/latchkey.db").problems()
    assert not (tmp_path / "store").exists()


def test_a_missing_index_is_a_problem(store: Store, beside: Callable[[], Connection]) -> None:
    on_table = " ON users" if store.common_name == "MySQL" else ""
    change(beside, f"DROP INDEX users_by_email{on_table}")
    assert store.problems() == ["the index users_by_email of the table users is missing, or another has its name"]


def test_an_index_that_is_not_unique_is_a_problem(store: Store, beside: Callable[[], Connection]) -> None:
    on_table = " ON users" if store.common_name == "MySQL" else ""
    change(beside, f"DROP INDEX users_by_email{on_table}", "CREATE INDEX users_by_email ON users (email_key)")
    assert store.problems() == ["the index users_by_email of the table users is missing, or another has its name"]


def test_a_missing_table_is_a_problem(store: Store, beside: Callable[[], Connection]) -> None:
    change(beside, "DROP TABLE leases")
    assert store.problems() == ["the table leases is missing"]


def test_a_missing_column_is_a_problem(store: Store, beside: Callable[[], Connection]) -> None:
    change(beside, "ALTER TABLE users DROP COLUMN name")
    assert store.problems() == ["the column name of the table users is missing"]


def test_what_an_operator_adds_is_not_a_problem(store: Store, beside: Callable[[], Connection]) -> None:
    change(
        beside,
        "CREATE TABLE notes (id INTEGER PRIMARY KEY)",
        "CREATE INDEX of_an_operator ON users (created_at)",
        "ALTER TABLE users ADD COLUMN note INTEGER",
    )
    assert store.problems() == []


@pytest.mark.parametrize("seconds", [-7, 7])
def test_a_clock_that_differs_from_the_servers_is_a_problem(server_url: str, seconds: int) -> None:
    store = sql_store(server_url, clock=lambda: clock.now() + timedelta(seconds=seconds))
    store.prepare()
    [problem] = store.problems()
    assert problem.startswith("the clock of the database differs from this machine's by ")
    store.close()


def test_a_file_that_others_may_read_is_a_problem(sqlite_file: Path) -> None:
    sqlite_file.chmod(0o640)
    assert problems_of(sqlite_file) == [f"{sqlite_file} can be read by others (mode 640): chmod 600 {sqlite_file}"]


def test_a_file_that_was_restored_in_another_journal_mode_is_a_problem(sqlite_file: Path) -> None:
    connection = sqlite3.connect(sqlite_file)
    connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    assert problems_of(sqlite_file) == [f"journal_mode of {sqlite_file} is delete, not wal: start the service again"]
    sql_store(f"sqlite:///{sqlite_file}").prepare()
    assert problems_of(sqlite_file) == []
