"""What unit tests share: a clock that stands still, a real store on SQLite, and an instance on it."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from app import config, wiring
from app.keys.service import KeyService
from app.security.secret_keys import SecretKeys
from tests.api.service import SETTINGS, FakeClock
from tests.stores import Store, sql_store
from tests.unit.commands import flask, fresh, prepared, ready  # noqa: F401 - fixtures of all commands
from tests.unit.instance import Instance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from app.wiring import Wired


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def secrets() -> SecretKeys:
    return SecretKeys(SETTINGS["SECRET_KEY"])


@pytest.fixture
def database(migrated: Path, tmp_path: Path) -> Path:
    """The test's own empty database, with the schema."""
    path = tmp_path / "latchkey.db"
    shutil.copy(migrated, path)
    return path


@pytest.fixture
def open_store(database: Path) -> Iterator[Callable[[], Store]]:
    """Opens the database, as each instance of the service does for itself."""
    opened: list[Store] = []

    def open_store() -> Store:
        opened.append(sql_store(f"sqlite:///{database}"))
        return opened[-1]

    yield open_store
    for store in opened:
        store.close()


@pytest.fixture
def store(open_store: Callable[[], Store]) -> Store:
    return open_store()


@pytest.fixture
def start(store: Store, clock: FakeClock) -> Iterator[Callable[..., Instance]]:
    """Starts an instance with these settings on the store of the test."""
    started: list[Wired] = []

    def start(**settings: str) -> Instance:
        wired = wiring.build(config.load(SETTINGS | settings, dotenv=None), clock=clock, store=store)
        wired.get(KeyService).ensure()
        started.append(wired)
        return Instance(wired)

    yield start
    for wired in started:
        wired.close()


@pytest.fixture
def instance(start: Callable[..., Instance]) -> Instance:
    return start()


@pytest.fixture
def change_user(database: Path) -> Callable[..., None]:
    """Writes fields of a user directly, without the service."""

    def change_user(user_id: str, **fields: str | int) -> None:
        with closing(sqlite3.connect(database)) as connection, connection:
            for name, value in fields.items():
                connection.execute(f"UPDATE users SET {name} = ? WHERE id = ?", (value, user_id))  # noqa: S608 - a test

    return change_user


@pytest.fixture
def away(store: Store, database: Path) -> Iterator[Callable[[], None]]:
    """Takes the store away: its file cannot be opened any more. Calling it again brings it back."""
    hidden = database.with_suffix(".hidden")

    def toggle() -> None:
        store.close()
        if hidden.exists():
            hidden.rename(database)
        else:
            database.rename(hidden)

    yield toggle
    if hidden.exists():
        hidden.rename(database)
