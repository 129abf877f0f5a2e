"""The service on each kind of store: MongoDB's protocol and SQLite. A module shares one database for speed."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from app import config
from tests.api.databases import Database, MongoDatabase, SqliteDatabase
from tests.api.logs import logging_as
from tests.api.service import SETTINGS, FakeClock, Service, Start, running


@pytest.fixture(scope="module", params=["mongodb", "sqlite"])
def new_database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Database]:
    """Makes empty databases."""
    if request.param == "mongodb":
        server = request.getfixturevalue("mongo_server")
        return lambda: MongoDatabase(server.create_database())
    return lambda: SqliteDatabase(tmp_path_factory.mktemp("sqlite") / "latchkey.db")


@pytest.fixture(scope="module")
def start(new_database: Callable[[], Database]) -> Iterator[Start]:
    """Starts instances, which end with the module."""
    with ExitStack() as stack:

        def start(*, on: Service | None = None, **settings: str) -> Service:
            database, clock = (new_database(), FakeClock()) if on is None else (on.database, on.clock)
            return stack.enter_context(running(database, clock, **settings))

        yield start


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    """The instance of this module, with the default settings."""
    return start()


@pytest.fixture(scope="module", autouse=True)
def log_file(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """What is logged while the tests of a module run, in the form of production."""
    file = tmp_path_factory.mktemp("log") / "latchkey.log"
    with logging_as(config.load(SETTINGS | {"LOG_FILE": str(file)}, dotenv=None)):
        yield file
