"""A fresh database of each backend."""

import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from sqlalchemy import Connection, NullPool, create_engine

from tests.servers.sql import SqlServer
from tests.stores import Store, sql_store

SERVERS = {"postgresql": "postgres_server", "mariadb": "mariadb_server"}


@pytest.fixture(params=["sqlite", *SERVERS])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/store/latchkey.db"
    return create_database(request, request.param)


@pytest.fixture(params=SERVERS)
def server_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database on a server."""
    return create_database(request, request.param)


def create_database(request: pytest.FixtureRequest, backend: str) -> str:
    return str(request.getfixturevalue(SERVERS[backend]).create_database())


@pytest.fixture(scope="session")
def fill(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Gives an empty database on a server the schema."""

    @cache
    def migrated_on(server: SqlServer) -> str:
        url = server.create_database()
        store = sql_store(url)
        store.prepare()
        store.close()
        return url

    def fill(url: str) -> None:
        product = "postgresql" if url.startswith("postgresql") else "mariadb"
        server: SqlServer = request.getfixturevalue(SERVERS[product])
        server.fill(url, migrated_on(server))

    return fill


@pytest.fixture
def store(url: str, request: pytest.FixtureRequest) -> Iterator[Store]:
    """A store that is ready, and empty."""
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        file.parent.mkdir(exist_ok=True)
        shutil.copy(request.getfixturevalue("migrated"), file)
    else:
        request.getfixturevalue("fill")(url)
    made = sql_store(url)
    made.prepare()
    yield made
    made.close()


@pytest.fixture
def beside(url: str) -> Iterator[Callable[[], Connection]]:
    """Opens connections to the same database, beside the store; whoever opens one closes it."""
    engine = create_engine(url, poolclass=NullPool)
    yield engine.connect
    engine.dispose()
