"""The database is killed, stopped, frozen, slow, torn off, read-only or full while people use the service."""

import resource
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from tests.e2e.conftest import setting_of
from tests.e2e.settings import on_new_sqlite
from tests.faults.disks import Disk
from tests.faults.people import People, people
from tests.faults.person import Seen
from tests.servers import postgres
from tests.servers.fixtures import require
from tests.servers.mongo import MongoServer
from tests.servers.service import service
from tests.servers.smtp import SmtpServer
from tests.servers.sql import SqlServer
from tests.servers.wire import Wire, wire

pytestmark = pytest.mark.timeout(300)

AllKept = Callable[[People], Seen]
REGISTRATIONS = 1000
SLOW_SECONDS = 0.4
"""How much longer each part of an answer takes. A request asks several times, and has 3 s."""


@dataclass(frozen=True)
class Database:
    """The server that a test breaks, the wire that leads to it, and the people who notice."""

    server: MongoServer | SqlServer
    wire: Wire
    load: People


def killed(database: Database) -> None:
    database.server.kill()
    database.load.suffer()
    database.server.start()


def stopped(database: Database) -> None:
    database.server.stop()
    database.load.suffer()
    database.server.start()


def frozen(database: Database) -> None:
    database.server.freeze()
    database.load.suffer(1)
    database.server.thaw()


def slow(database: Database) -> None:
    database.wire.delay = SLOW_SECONDS
    database.load.suffer(5)
    database.wire.delay = 0


def torn(database: Database) -> None:
    """The answer that is torn may be the one to a commit."""
    for _ in range(3):
        database.load.go_on(1)
        database.wire.tears = True
        database.load.suffer(1)
        database.wire.tears = False


PRODUCTS = ["postgresql", "mariadb", "mongodb"]
IN_CI = [{"killed", "postgresql"}, {"torn", "mariadb"}]
"""What no test without a load shows. All other pairs are for `make faults`."""


def takes_long(parameters: Mapping[str, Any]) -> bool:
    """Whether the test of these parameters is left out by default (conftest.py asks)."""
    fault, product = parameters.get("fault"), parameters.get("own_server")
    return fault is not None and {fault.__name__, product} not in IN_CI


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(killed, id="killed", marks=pytest.mark.faults("database killed")),
        pytest.param(stopped, id="stopped", marks=pytest.mark.faults("database stopped")),
        pytest.param(frozen, id="frozen", marks=pytest.mark.faults("database frozen")),
        pytest.param(slow, id="slow", marks=pytest.mark.faults("database slow")),
        pytest.param(torn, id="torn", marks=pytest.mark.faults("database torn")),
    ],
)
@pytest.mark.parametrize("own_server", PRODUCTS, indirect=True)
def test_a_database_that_fails_under_load_costs_nothing_that_was_acknowledged(
    own_server: MongoServer | SqlServer,
    fault: Callable[[Database], None],
    settings: dict[str, str],
    mail: SmtpServer,
    all_kept: AllKept,
) -> None:
    ((name, url),) = setting_of(own_server).items()
    with wire(own_server.port) as to_it:
        setting = {name: url.replace(f":{own_server.port}/", f":{to_it.port}/")}
        with service(settings | setting) as server, people(server.port, mail=mail) as load:
            load.go_on()
            with load.during():
                fault(Database(own_server, to_it, load))
            load.go_on()
            seen = all_kept(load)
    assert seen.refused > 0 or fault is slow


@pytest.mark.long
@pytest.mark.faults("database killed")
@pytest.mark.parametrize("own_server", PRODUCTS, indirect=True)
def test_of_a_thousand_registrations_none_is_lost_when_the_database_is_killed_three_times(
    own_server: MongoServer | SqlServer, settings: dict[str, str], all_kept: AllKept
) -> None:
    with (
        service(settings | setting_of(own_server)) as server,
        people(server.port, 8, only_register=True) as load,
    ):
        for kills in range(1, 4):
            load.until_registered(kills * REGISTRATIONS // 4)
            with load.during():
                own_server.kill()
                own_server.start()
        load.until_registered(REGISTRATIONS)
        seen = all_kept(load)
    assert seen.registered >= REGISTRATIONS


@dataclass(frozen=True)
class Plain:
    """A database of a SQL server, and its user, who has no power over the server."""

    server: SqlServer
    url: str
    user: str

    @property
    def on_postgresql(self) -> bool:
        return self.url.startswith("postgresql")

    def execute(self, *statements: str) -> None:
        """Execute statements as an administrator."""
        for statement in statements:
            self.server.execute(statement)

    def send_away(self) -> None:
        """End the connections of the service."""
        if self.on_postgresql:
            self.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = '{self.user}'")  # noqa: S608
        else:
            self.execute(f"KILL USER {self.user}")


@pytest.fixture
def plain(own_server: SqlServer) -> Plain:
    url = make_url(own_server.create_database())
    user = f"plain_{url.database}"
    made = Plain(own_server, url.set(username=user).render_as_string(hide_password=False), user)
    if made.on_postgresql:
        made.execute(
            f"CREATE ROLE {user} LOGIN PASSWORD '{url.password}'", f"ALTER DATABASE {url.database} OWNER TO {user}"
        )
    else:
        made.execute(
            f"CREATE USER {user}@'127.0.0.1' IDENTIFIED BY '{url.password}'",
            f"GRANT ALL ON {url.database}.* TO {user}@'127.0.0.1'",
        )
    return made


@contextmanager
def read_only(database: Plain) -> Iterator[None]:
    """As a server is that was demoted."""
    if database.on_postgresql:
        database.execute("ALTER SYSTEM SET default_transaction_read_only = on", "SELECT pg_reload_conf()")
        yield
        database.execute("ALTER SYSTEM RESET default_transaction_read_only", "SELECT pg_reload_conf()")
    else:
        database.execute("SET GLOBAL read_only = 1")
        yield
        database.execute("SET GLOBAL read_only = 0")


@contextmanager
def pool_full(database: Plain) -> Iterator[None]:
    """One connection is left; others have taken all that the server allows."""
    if database.on_postgresql:
        limit, none = (
            f"ALTER ROLE {database.user} CONNECTION LIMIT 1",
            f"ALTER ROLE {database.user} CONNECTION LIMIT -1",
        )
    else:
        change = f"GRANT USAGE ON *.* TO {database.user}@'127.0.0.1' WITH MAX_USER_CONNECTIONS"
        limit, none = f"{change} 1", f"{change} 0"
    database.execute(limit)
    database.send_away()
    yield
    database.execute(none)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(read_only, id="read_only", marks=pytest.mark.faults("database read only")),
        pytest.param(pool_full, id="pool_full", marks=pytest.mark.faults("database pool full")),
    ],
)
@pytest.mark.parametrize("own_server", ["postgresql", "mariadb"], indirect=True)
def test_a_database_that_turns_its_users_away_costs_nothing_that_was_acknowledged(
    plain: Plain,
    fault: Callable[[Plain], AbstractContextManager[None]],
    settings: dict[str, str],
    mail: SmtpServer,
    all_kept: AllKept,
) -> None:
    setting = {"DATABASE_URL": plain.url}
    with service(settings | setting) as server, people(server.port, 8, mail=mail) as load:
        load.go_on()
        with load.during(), fault(plain):
            load.until_refused()
            load.suffer()
        load.go_on()
        all_kept(load)


@pytest.mark.long
@pytest.mark.faults("standby away")
def test_without_its_synchronous_standby_a_database_costs_nothing_that_was_acknowledged(
    settings: dict[str, str], mail: SmtpServer, all_kept: AllKept
) -> None:
    require(postgres.missing())
    with (
        postgres.postgres_pair() as pair,
        service(settings | {"DATABASE_URL": pair.primary.url}) as server,
        people(server.port, mail=mail) as load,
    ):
        load.go_on()
        with load.during():
            pair.standby.stop()
            load.until_refused()
            load.suffer(1)
            pair.standby.start()
        load.go_on()
        all_kept(load)


@pytest.mark.faults("disk full")
def test_a_file_that_cannot_grow_costs_nothing_that_was_acknowledged(
    tmp_path: Path, settings: dict[str, str], mail: SmtpServer, all_kept: AllKept
) -> None:
    # A limit of the process is a full disk for which nobody has to be root: "File too large" comes in place of "No
    # space left on device". The log that SQLite writes first would reach it only after thousands of pages.
    log = tmp_path / "latchkey.db-wal"
    with service(settings | on_new_sqlite(tmp_path)) as server, people(server.port, mail=mail) as load:
        load.go_on()
        with load.during():
            for pid in server.worker_pids():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (log.stat().st_size // 2, resource.RLIM_INFINITY))
            load.until_refused()
            load.suffer()
            for pid in server.worker_pids():
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        load.go_on()
        all_kept(load)


@pytest.mark.long
@pytest.mark.faults("disk full")
def test_a_full_disk_costs_nothing_that_was_acknowledged(
    small_disk: Disk, settings: dict[str, str], mail: SmtpServer, all_kept: AllKept
) -> None:
    with (
        service(settings | on_new_sqlite(small_disk.folder)) as server,
        people(server.port, mail=mail) as load,
    ):
        load.go_on()
        with load.during(), small_disk.full():
            load.until_refused()
            load.suffer()
        load.go_on()
        all_kept(load)
