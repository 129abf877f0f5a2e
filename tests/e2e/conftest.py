"""What the tests against the running service share."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser

from tests.e2e.browsing import chromium
from tests.e2e.front import CLIENT, front
from tests.e2e.raw import PATIENCE
from tests.e2e.settings import in_production, on_new_sqlite, on_sqlite
from tests.servers import mariadb, mongo, postgres
from tests.servers.fixtures import require
from tests.servers.mongo import MongoServer
from tests.servers.process import Server
from tests.servers.service import Service, service
from tests.servers.sql import SqlServer


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The setting of an empty database; SQLite, unless the test is parametrised with the products."""
    return _empty(request, tmp_path)


@pytest.fixture(scope="module")
def module_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """As `store`, but one database for the tests of a module."""
    return _empty(request, tmp_path_factory.mktemp("store"))


def _empty(request: pytest.FixtureRequest, folder: Path) -> dict[str, str]:
    match getattr(request, "param", "sqlite"):
        case "mongodb":
            return setting_of(request.getfixturevalue("mongo_server"))
        case "postgresql":
            return setting_of(request.getfixturevalue("postgres_server"))
        case "mariadb":
            return setting_of(request.getfixturevalue("mariadb_server"))
        case _:
            return on_new_sqlite(folder)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium, for the tests of a module."""
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def own_server(request: pytest.FixtureRequest) -> Iterator[MongoServer | SqlServer]:
    """A server of a product that the tests of a module may stop and freeze, and bring back; its data outlive that."""
    with ExitStack() as running:
        match request.param:
            case "mongodb":
                require(mongo.missing())
                yield running.enter_context(mongo.mongo_server("h2"))
            case "postgresql":
                require(postgres.missing())
                yield running.enter_context(postgres.postgres_server())
            case _:
                require(mariadb.missing())
                yield running.enter_context(mariadb.mariadb_server())


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service in production, on SQLite; it answers to `localhost`."""
    settings = in_production(WEB_CONCURRENCY="1", **on_sqlite(tmp_path_factory.mktemp("store")))
    with service(settings) as server:
        yield server


@pytest.fixture(scope="module")
def port(live: Service) -> int:
    return live.port


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service in production, which believes nginx and answers to `localhost`."""
    settings = in_production(TRUSTED_PROXIES="127.0.0.1/32", WEB_CONCURRENCY="1", HASH_THREADS="1")
    with service(settings | on_sqlite(tmp_path_factory.mktemp("store"))) as server:
        yield server


@pytest.fixture(scope="module")
def proxy(proxied: Service) -> Iterator[Server]:
    """The nginx that ships, in front of `proxied`."""
    with front(proxied.port) as server:
        yield server


@pytest.fixture
def client(proxy: Server) -> Iterator[httpx.Client]:
    """A client of `proxy`, at the address CLIENT."""
    transport = httpx.HTTPTransport(local_address=CLIENT)
    with httpx.Client(
        base_url=f"http://127.0.0.1:{proxy.port}", headers={"Host": "localhost"}, transport=transport, timeout=PATIENCE
    ) as opened:
        yield opened


def setting_of(server: MongoServer | SqlServer) -> dict[str, str]:
    """The setting of an empty database on this server."""
    name = "DATABASE_URL" if isinstance(server, SqlServer) else "MONGO_URI"
    return {name: server.create_database()}
