"""A primary that fails under load, and a synchronous standby that takes its place, as docs/operations.md says."""

from collections.abc import Iterator

import httpx
import pytest

from tests.e2e.clients import PATIENCE, clients, log_in, register, registering
from tests.e2e.settings import PASSWORD, in_testing
from tests.servers import postgres
from tests.servers.fixtures import require
from tests.servers.postgres import Pair
from tests.servers.process import wait_until
from tests.servers.service import service
from tests.servers.wire import wire

pytestmark = pytest.mark.timeout(120)
BACK_SECONDS = 10.0 + 15.0
"""How soon the service works again: 10 are promised, the rest is for a busy machine."""


@pytest.fixture
def pair() -> Iterator[Pair]:
    require(postgres.missing())
    with postgres.postgres_pair() as started:
        yield started


@pytest.mark.parametrize("form", ["both hosts", "one name"])
@pytest.mark.faults("failover")
def test_what_was_acknowledged_before_a_failover_is_there_after_it_and_nothing_is_restarted(
    pair: Pair, form: str
) -> None:
    # One address, as of a proxy or a name that follows the primary.
    with wire(pair.primary.port) as name:
        url = pair.url if form == "both hosts" else pair.primary.through(name.port)
        with service(in_testing(WEB_CONCURRENCY="2", DATABASE_URL=url)) as server:
            register(server.base_url, "ann")
            with clients(server.port, [registering(f"user-{number}") for number in range(4)]) as load:
                load.wait_for_more()
                pair.fail_over()
                name.leads_to = pair.standby.port
                wait_until(lambda: log_in(server.base_url, "ann").status_code == 200, BACK_SECONDS)
                load.wait_for_more()
                load.stop()
            assert load.statuses("/auth/register") - {503} == {201}
            assert load.lost == []
            names = [str((request.content or {})["username"]) for request, status in load.answered if status == 201]
            with httpx.Client(base_url=server.base_url, timeout=PATIENCE) as client:
                for username in names:
                    reply = client.post("/auth/login", json={"username": username, "password": PASSWORD})
                    assert reply.status_code == 200
                assert client.get("/health/ready").status_code == 200
