"""Three instances of the service on one store behind the nginx that ships: one dies under load, or each starts anew."""

import itertools
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.clients import Clients, Request, bearer, clients, register, registering, repeating
from tests.e2e.front import UNLIMITED, front, logged
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.servers.process import Server
from tests.servers.service import Service, service

pytestmark = pytest.mark.timeout(300)

BUSY = 503
"""On a busy machine a writer may be told to retry: SQLite takes one at a time."""


@dataclass(frozen=True)
class Cluster:
    """nginx, the instances behind it, the file that they share, and the access token of a user."""

    proxy: Server
    instances: list[Service]
    database: Path
    token: str


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("store")
    settings = in_testing(
        PUBLIC_URL="http://localhost", TRUSTED_PROXIES="127.0.0.1/32", WEB_CONCURRENCY="1", RATE_LIMITS="off",
        **on_sqlite(folder),
    )  # fmt: skip
    with ExitStack() as running:
        instances = [running.enter_context(service(settings)) for _ in range(3)]
        proxy = running.enter_context(front([instance.port for instance in instances], changed=UNLIMITED))
        token = register(f"http://127.0.0.1:{proxy.port}", "ann")
        yield Cluster(proxy, instances, folder / "latchkey.db", token)


def asking(cluster: Cluster) -> list[Callable[[], Iterator[Request]]]:
    """Clients whose requests may all be repeated."""
    me, head = Request("/auth/me", bearer(cluster.token)), Request("/auth/me", bearer(cluster.token), method="HEAD")
    return [repeating(me)] * 4 + [repeating(head)] * 2


def test_all_instances_get_work(cluster: Cluster) -> None:
    before = served(cluster)
    with clients(cluster.proxy.port, asking(cluster)) as load:
        load.wait_for_more(20)
    shares = [now - then for now, then in zip(served(cluster), before, strict=True)]
    assert sum(shares) == len(load.answered)
    assert min(shares) > 0


@pytest.mark.faults("rolling restart")
def test_an_instance_that_dies_costs_no_request_that_may_be_repeated_and_doubles_none_that_may_not(
    cluster: Cluster,
) -> None:
    kinds = [*asking(cluster), *(registering(f"dying-{number}") for number in range(4))]
    before = users(cluster)
    with clients(cluster.proxy.port, kinds) as load:
        load.wait_for_more()
        cluster.instances[1].kill()
        load.wait_for_more()
        with load.at_rest():
            cluster.instances[1].start()
        load.wait_for_more()
        load.stop()

    assert load.lost == []
    assert load.statuses("/auth/me") == {200}
    # 502: was under way at the instance that died, and may be done or not.
    assert load.statuses("/auth/register") - {BUSY, 502} == {201}
    outcomes = outcomes_of(load, "/auth/register")
    assert outcomes[201] <= users(cluster) - before <= outcomes[201] + outcomes[502]
    assert most_often_handled(cluster) == 1


@pytest.mark.faults("rolling restart")
def test_a_rolling_restart_under_load_drops_nothing(cluster: Cluster) -> None:
    # Of another user: a login ends the oldest session when there are many.
    register(f"http://127.0.0.1:{cluster.proxy.port}", "bob")
    login = repeating(Request("/auth/login", content={"username": "bob", "password": PASSWORD}))
    kinds = [*asking(cluster), login, login, *(registering(f"restart-{number}") for number in range(2))]
    before = users(cluster)
    with clients(cluster.proxy.port, kinds) as load:
        load.wait_for_more()
        for instance in cluster.instances:
            instance.stop()
            load.wait_for_more()
            with load.at_rest():
                instance.start()
            load.wait_for_more()
        load.stop()

    assert load.lost == []
    assert load.statuses("/auth/me") == {200}
    assert load.statuses("/auth/login") - {BUSY} == {200}
    assert load.statuses("/auth/register") - {BUSY} == {201}
    assert users(cluster) - before == outcomes_of(load, "/auth/register")[201]
    assert most_often_handled(cluster) == 1


def served(cluster: Cluster) -> list[int]:
    """How many requests for the current user each instance has handled."""
    return [len(logged(instance, route="/auth/me")) for instance in cluster.instances]


def outcomes_of(load: Clients, path: str) -> Counter[int]:
    """How many requests to this path were answered with each status."""
    return Counter(status for request, status in load.answered if request.path == path)


def users(cluster: Cluster) -> int:
    """How many users are in the store."""
    with closing(sqlite3.connect(cluster.database)) as store:
        (count,) = store.execute("SELECT count(*) FROM users").fetchone()
    return int(count)


def most_often_handled(cluster: Cluster) -> int:
    """How often an instance has handled the POST that was handled most often; nginx names each once."""
    lines = itertools.chain.from_iterable(logged(instance, method="POST") for instance in cluster.instances)
    return max(Counter(line["request_id"] for line in lines).values())
