"""A server that is restarted, or hangs: writes, too, find their way back by themselves."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError

from app.accounts.account import Account
from app.platform.errors import Unavailable
from tests.contract.entities import HASH, NOW, a_count, a_user
from tests.servers import mariadb, postgres
from tests.servers.fixtures import require
from tests.servers.sql import SqlServer
from tests.stores import database_of, sql_store


@pytest.fixture(params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[SqlServer]:
    missing, opened = {
        "postgresql": (postgres.missing, postgres.postgres_server),
        "mariadb": (mariadb.missing, mariadb.mariadb_server),
    }[request.param]
    require(missing())
    with opened() as started:
        yield started


def test_a_restart_between_two_requests_goes_unnoticed(server: SqlServer) -> None:
    store = sql_store(server.create_database())
    store.prepare()
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    assert store.users.credentials_by_username("ada") is not None
    server.stop()
    server.start()
    assert store.login_failures.advance("0" * 64, None, a_count(1))
    assert store.users.replace_hash(user.id, HASH, "new")
    server.stop()
    server.start()
    assert store.users.credentials_by_username("ada") is not None
    assert store.leases.take("purge", holder="a", now=NOW, until=NOW)
    store.close()


def test_when_one_connection_is_lost_the_idle_ones_go_with_it(server: SqlServer) -> None:
    store = sql_store(server.create_database())
    store.prepare()
    database = database_of(store)
    closed: list[object] = []
    event.listen(database.backend.reader, "close", lambda connection, _: closed.append(connection))
    slow = text("SELECT pg_sleep(1)" if store.common_name == "PostgreSQL" else "SELECT SLEEP(1)")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(database.rows, [slow] * 3))
    assert closed == []
    server.stop()
    server.start()
    store.ping()
    assert len(closed) == 3
    store.close()


def test_a_connection_whose_answer_is_still_to_come_is_not_used_again(server: SqlServer) -> None:
    store = sql_store(server.create_database())
    store.prepare()
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    server.freeze()
    with pytest.raises(Unavailable) as refused:
        store.users.replace_hash(user.id, HASH, "new")
    server.thaw()
    assert isinstance(refused.value.__cause__, DBAPIError)
    assert refused.value.__cause__.connection_invalidated
    assert store.users.credentials_by_username("ada") is not None
    store.close()
