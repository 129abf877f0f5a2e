"""Each test of the contract runs on every store, and finds it empty."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack
from functools import cache, partial
from pathlib import Path

import pytest

from app import config, wiring
from app.accounts.account import Account
from app.accounts.model import User
from app.keys.service import KeyService
from app.platform.clock import Clock
from app.security.hash_pool import HashPool
from app.wiring import Wired
from tests.api.service import SETTINGS, FakeClock
from tests.contract import races
from tests.contract.entities import HASH, a_user
from tests.contract.mongo_stores import mongodb_subject, mongomock_subject
from tests.contract.patience import be_patient, patiently
from tests.contract.races import InProcesses, InThreads
from tests.contract.sql_stores import server_subject, sqlite_subject
from tests.contract.subject import ChangeUser, Fragile, Start, Subject, Tamper
from tests.servers import mariadb, mongo, postgres
from tests.servers.fixtures import require
from tests.servers.sql import SqlServer
from tests.stores import Store

STORES = ["mongomock", "mongodb", "sqlite", "postgresql", "mariadb"]
RACES = {"in_threads", "in_processes"}

Subjects = Callable[[str], Subject]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test per store; but mongomock's operations need not be atomic, so it runs no races."""
    if "subject" in metafunc.fixturenames:
        racing = bool(RACES.intersection(metafunc.fixturenames))
        stores = [store for store in STORES if not (racing and store == "mongomock")]
        metafunc.parametrize("subject", stores, indirect=True, scope="session")


@pytest.fixture(scope="session")
def subjects(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subjects]:
    """Gives each product's store, made at its first test and kept: a run of some tests may change between them."""
    server = request.getfixturevalue
    opened: dict[str, Callable[[], AbstractContextManager[Subject]]] = {
        "mongomock": mongomock_subject,
        "mongodb": lambda: mongodb_subject(server("mongo_server")),
        "sqlite": lambda: sqlite_subject(tmp_path_factory.mktemp("sqlite")),
        "postgresql": lambda: server_subject(server("postgres_server")),
        "mariadb": lambda: server_subject(server("mariadb_server")),
    }
    with ExitStack() as stack:

        def start(product: str) -> Subject:
            with pytest.MonkeyPatch.context() as patch:
                be_patient(patch.setattr)
                return stack.enter_context(opened[product]())

        yield cache(start)


@pytest.fixture(scope="session")
def subject(request: pytest.FixtureRequest, subjects: Subjects) -> Subject:
    return subjects(request.param)


@pytest.fixture
def store(subject: Subject) -> Store:
    subject.clear()
    return subject.store


@pytest.fixture
def ann(store: Store) -> User:
    """A member, with whom the store begins."""
    user = a_user(username="ann")
    store.users.add(Account(user, HASH))
    return user


@pytest.fixture
def start(store: Store, tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:

        def start(*, clock: Clock | None = None, **settings: str) -> Wired:
            given = SETTINGS | {"MAIL_DIR": str(tmp_path / "mail"), "RATE_LIMITS": "off"} | settings
            wired = wiring.build(config.load(given, dotenv=None), clock=clock or FakeClock(), store=store)
            wired.get(KeyService).ensure()
            stack.callback(wired.get(HashPool).close)
            return wired

        yield start


@pytest.fixture
def wired(start: Start) -> Wired:
    """The parts of the service over this store."""
    return start()


@pytest.fixture
def change_user(subject: Subject) -> ChangeUser:
    return subject.change_user


@pytest.fixture
def tamper(subject: Subject) -> Tamper:
    return subject.tamper


@pytest.fixture
def in_threads(monkeypatch: pytest.MonkeyPatch) -> InThreads:
    be_patient(monkeypatch.setattr)
    return races.in_threads


@pytest.fixture(scope="session")
def in_processes(subject: Subject) -> Iterator[InProcesses]:
    assert subject.make is not None
    with races.processes(partial(patiently, subject.make)) as race:
        yield race


@pytest.fixture(scope="module", params=["mongodb", "postgresql", "mariadb"])
def fragile(request: pytest.FixtureRequest) -> Iterator[Fragile]:
    """A store on a server of its own, which a test may stop and freeze; its data outlive that."""
    server: AbstractContextManager[mongo.MongoServer | SqlServer]
    if request.param == "mongodb":
        require(mongo.missing())
        server = mongo.mongo_server("h2")
    elif request.param == "postgresql":
        require(postgres.missing())
        server = postgres.postgres_server()
    else:
        require(mariadb.missing())
        server = mariadb.mariadb_server()
    with server as started, _on_server(started) as subject:
        yield Fragile(subject.store, subject.clear, started)


def _on_server(server: mongo.MongoServer | SqlServer) -> AbstractContextManager[Subject]:
    return server_subject(server) if isinstance(server, SqlServer) else mongodb_subject(server)
