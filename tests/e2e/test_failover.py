"""A primary that fails under load, and a synchronous standby that takes its place, as docs/operations.md says."""

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

import httpx
import pytest

from tests.e2e.clients import PATIENCE, clients, log_in, register, registering
from tests.e2e.settings import PASSWORD, in_testing
from tests.servers import postgres
from tests.servers.fixtures import require
from tests.servers.postgres import Pair
from tests.servers.process import wait_until
from tests.servers.service import service

pytestmark = pytest.mark.timeout(120)
BACK_SECONDS = 10.0 + 15.0
"""How soon the service works again: 10 are promised, the rest is for a busy machine."""


@pytest.fixture
def pair() -> Iterator[Pair]:
    require(postgres.missing())
    with postgres.postgres_pair() as started:
        yield started


@contextmanager
def one_name(pair: Pair) -> Iterator[tuple[str, list[int]]]:
    """A URL with one address, as of a proxy or a name that follows the primary, and the port that it leads to."""
    leads_to = [pair.primary.port]
    listener = socket.create_server(("127.0.0.1", 0))

    def carry(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError), closing(source):
            while received := source.recv(65536):
                target.sendall(received)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def accept() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", leads_to[0]))
                except OSError:
                    client.close()
                    continue
                for ends in ((client, server), (server, client)):
                    threads.append(threading.Thread(target=carry, args=ends))
                    threads[-1].start()

    threads = [threading.Thread(target=accept)]
    threads[0].start()
    address = pair.primary.address
    with closing(listener):
        port = listener.getsockname()[1]
        yield f"postgresql://{address.username}:{address.password}@127.0.0.1:{port}/{address.database}", leads_to
        listener.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("form", ["both hosts", "one name"])
def test_what_was_acknowledged_before_a_failover_is_there_after_it_and_nothing_is_restarted(
    pair: Pair, form: str
) -> None:
    with one_name(pair) as (name, leads_to):
        url = pair.url if form == "both hosts" else name
        with service(in_testing(WEB_CONCURRENCY="2", DATABASE_URL=url)) as server:
            register(server.base_url, "ann")
            with clients(server.port, [registering(f"user-{number}") for number in range(4)]) as load:
                load.wait_for_more()
                pair.fail_over()
                leads_to[0] = pair.standby.port
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
