"""A server that takes no writes, and one whose commits wait: no request hangs, and nothing piles up."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from app.accounts.account import Account
from app.accounts.mail_requests.model import MailRequest
from app.platform import deadline
from app.platform.errors import Unavailable
from app.platform.identifiers import new_id
from app.store.sql.connection import Connection
from tests.contract.entities import HASH, NOW, a_user
from tests.servers import mariadb, postgres
from tests.servers.fixtures import require
from tests.servers.process import wait_until
from tests.servers.sql import SqlServer
from tests.stores import Store, database_of, sql_store

WRITERS = 5


@dataclass
class Demoted:
    """A store, and a way to have its server refuse writes, and take them again."""

    store: Store
    root: Callable[[str], list[Any]]
    """Executes a statement as an administrator."""
    demote: str
    promote: str

    def writes(self) -> bool:
        try:
            self.store.visits.add_one()
        except Unavailable:
            return False
        return True


@pytest.fixture(scope="module", params=["postgresql", "mariadb"])
def server(request: pytest.FixtureRequest) -> Iterator[SqlServer]:
    missing, opened = {
        "postgresql": (postgres.missing, postgres.postgres_server),
        "mariadb": (mariadb.missing, mariadb.mariadb_server),
    }[request.param]
    require(missing())
    with opened() as started:
        yield started


@pytest.fixture
def demoted(server: SqlServer) -> Iterator[Demoted]:
    url = make_url(server.create_database())
    engine = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")

    def root(statement: str) -> list[Any]:
        with engine.connect() as connection:
            done = connection.execute(text(statement))
            return list(done.all()) if done.returns_rows else []

    if url.get_backend_name() == "postgresql":
        demote = "ALTER SYSTEM SET default_transaction_read_only = on"
        promote = "ALTER SYSTEM RESET default_transaction_read_only"
        after = "SELECT pg_reload_conf()"
    else:
        # The user of the tests may do everything, and would write to a read-only server, too.
        root(f"CREATE OR REPLACE USER plain@'127.0.0.1' IDENTIFIED BY '{url.password}'")
        root(f"GRANT ALL ON {url.database}.* TO plain@'127.0.0.1'")
        url = url.set(username="plain")
        demote, promote, after = "SET GLOBAL read_only = 1", "SET GLOBAL read_only = 0", "SELECT 1"

    def change(statement: str) -> list[Any]:
        done = root(statement)
        if statement in {demote, promote}:
            root(after)
        return done

    with closing(sql_store(url.render_as_string(hide_password=False))) as store:
        store.prepare()
        store.users.add(Account(a_user(username="ada"), HASH))
        yield Demoted(store, change, demote, promote)
    with suppress(Exception):
        change(promote)


@pytest.mark.faults("database read only")
def test_a_server_that_became_read_only_is_unavailable_not_ready_and_abandoned(demoted: Demoted) -> None:
    demoted.store.ping()
    assert demoted.writes()
    demoted.root(demoted.demote)
    wait_until(lambda: not demoted.writes(), 30)
    with pytest.raises(Unavailable):
        demoted.store.ping()
    # No connection to it is kept, not for reading either, and none is opened.
    with pytest.raises(Unavailable):
        demoted.store.users.credentials_by_username("ada")

    demoted.root(demoted.promote)
    wait_until(demoted.writes, 30)
    demoted.store.ping()
    assert demoted.store.users.credentials_by_username("ada") is not None


def test_readiness_alone_notices_a_server_that_became_read_only(demoted: Demoted) -> None:
    demoted.store.ping()
    demoted.root(demoted.demote)

    def is_ready() -> bool:
        try:
            demoted.store.ping()
        except Unavailable:
            return False
        return True

    wait_until(lambda: not is_ready(), 30)
    assert not is_ready()
    demoted.root(demoted.promote)
    wait_until(is_ready, 30)


def backends(demoted: Demoted) -> int:
    """The connections of the store that its server has."""
    if demoted.store.common_name == "PostgreSQL":
        return len(demoted.root("SELECT pid FROM pg_stat_activity WHERE application_name = 'latchkey'"))
    return len(demoted.root("SELECT id FROM information_schema.processlist WHERE user = 'plain'"))


def test_a_statement_that_is_given_up_is_ended_at_the_server(demoted: Demoted) -> None:
    database = database_of(demoted.store)
    on_postgresql = demoted.store.common_name == "PostgreSQL"
    # MariaDB ends SLEEP by itself when its client is gone.
    slow = "SELECT pg_sleep(600)" if on_postgresql else "SELECT BENCHMARK(1000000000, SHA2('x', 512))"

    def wait_long(connection: Connection) -> None:
        if on_postgresql:
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text(slow))

    with pytest.raises(Unavailable):
        database.write(wait_long)
    wait_until(lambda: backends(demoted) == 0, 15)
    assert demoted.writes()


def test_no_statement_has_more_time_than_the_request(demoted: Demoted) -> None:
    database = database_of(demoted.store)
    slow = "SELECT pg_sleep(1.2)" if database.backend.name == "PostgreSQL" else "SELECT SLEEP(1.2)"
    demoted.store.ping()
    with deadline.begin(0.3), pytest.raises(Unavailable):
        database.rows(text(slow))
    with deadline.begin(0.0):
        for verb in (demoted.store.ping, lambda: demoted.store.users.remove("x")):
            with pytest.raises(Unavailable):
                verb()
    demoted.store.ping()


@pytest.mark.faults("standby away")
def test_commits_that_wait_for_an_absent_standby_leave_no_more_connections_than_there_are_places(
    demoted: Demoted,
) -> None:
    if demoted.store.common_name != "PostgreSQL":
        pytest.skip("MariaDB has no synchronous standby here")
    before = backends(demoted)
    demoted.root("ALTER SYSTEM SET synchronous_standby_names = 'away'")
    demoted.root("SELECT pg_reload_conf()")
    found: list[int] = []

    def give_up(number: int) -> None:
        for _ in range(3):
            with suppress(Unavailable):
                demoted.store.mail_requests.add(MailRequest(new_id(), "reset", f"{number}@example.org", NOW, NOW, NOW))
            found.append(backends(demoted))

    try:
        wait_until(lambda: not demoted.writes(), 30)
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(give_up, range(10)))
        assert max(found) <= before + WRITERS
    finally:
        demoted.root("ALTER SYSTEM RESET synchronous_standby_names")
        demoted.root("SELECT pg_reload_conf()")
    wait_until(demoted.writes, 30)
