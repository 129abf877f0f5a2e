"""The servers as fixtures, each started once a session, when the first test asks for it; and a schema to be copied."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import mariadb, mongo, postgres, redis
from tests.servers.mongo import Mongo
from tests.servers.openid import Provider, serving_provider
from tests.servers.redis import RedisServer
from tests.servers.sql import SqlServer
from tests.stores import sql_store


def require(missing: str | None) -> None:
    """Skip the test when something is missing on this machine; where `CI` is set, fail."""
    if missing is None:
        return
    if os.environ.get("CI"):
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database with the schema: copying it is quicker than migrating again."""
    path: Path = tmp_path_factory.mktemp("migrated") / "latchkey.db"
    store = sql_store(f"sqlite:///{path}")
    store.prepare()
    store.close()
    return path


@pytest.fixture(scope="session")
def mongo_server() -> Iterator[Mongo]:
    """The MongoDB of `TEST_MONGO_URI`, or a server that speaks its protocol, in memory."""
    if not os.environ.get("TEST_MONGO_URI"):
        require(mongo.missing())
    with mongo.open_mongo() as server:
        yield server


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[SqlServer]:
    require(postgres.missing())
    with postgres.postgres_server() as server:
        yield server


@pytest.fixture(scope="session")
def mariadb_server() -> Iterator[SqlServer]:
    require(mariadb.missing())
    with mariadb.mariadb_server() as server:
        yield server


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    require(redis.missing())
    with redis.redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def upstream() -> Iterator[Provider]:
    """A provider of other accounts (OpenID Connect), one a module."""
    with serving_provider() as provider:
        yield provider
