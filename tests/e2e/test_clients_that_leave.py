"""A client that leaves while its login waits costs no hash, and no other is taken for one that left.

The application runs behind our worker in this process, so that a test can hold its hashing threads.
"""

from __future__ import annotations

import json
import re
import select
import socket
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.security.hash_pool import HashPool
from app.server.worker import Worker
from tests.api.databases import SqliteDatabase
from tests.api.service import PASSWORD, FakeClock, Service, occupied, running
from tests.e2e.front import front
from tests.e2e.raw import request
from tests.servers.process import wait_until
from tests.unit.server.served import Served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

LONG = 60.0
"""Seconds that are never waited for unless something hangs."""
HEALTH = request("GET /health/live", close=False)
LAST = request("GET /health/live")


@dataclass
class Behind:
    """The service behind our worker, and the worker's side of each connection that a login came on."""

    service: Service
    served: Served
    logins: list[socket.socket]

    def waiting(self) -> int:
        """How many logins wait for a thread that hashes."""
        return self.service.wired.get(HashPool).waiting

    def count(self, name: str, **labels: str) -> float:
        """A number of the metrics; 0 for one that is not there yet."""
        families = text_string_to_metric_families(self.service.get("/metrics").text)
        found = (sample for family in families for sample in family.samples)
        return sum(each.value for each in found if (each.name, each.labels) == (f"latchkey_{name}", labels))

    def notices(self, event: int) -> None:
        """Return when the worker could notice this `select.POLL...` on the connection of the last login."""
        asked = select.poll()
        asked.register(self.logins[-1], event)
        wait_until(lambda: bool(asked.poll(0)), LONG)


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Behind]:
    with running(
        SqliteDatabase(tmp_path / "latchkey.db"), FakeClock(), HASH_THREADS="1", METRICS_ALLOW="127.0.0.1"
    ) as service:
        behind = Behind(service, Served(Worker), [])

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            if environ["PATH_INFO"] == "/auth/login":
                behind.logins.append(environ["gunicorn.socket"])
            return service.app(environ, start_response)

        behind.served.worker.wsgi = application
        behind.served.thread.start()
        yield behind
        behind.served.finish()
        assert behind.served.died_of is None


@pytest.fixture(params=["direct", "nginx"])
def port(request: pytest.FixtureRequest, behind: Behind) -> Iterator[int]:
    """Where clients connect to: the worker, or the nginx that ships in front of it."""
    own: int = behind.served.listener.getsockname()[1]
    if request.param == "direct":
        yield own
        return
    with front(own) as proxy:
        yield proxy.port


def login(name: str, password: str = PASSWORD) -> bytes:
    body = json.dumps({"login": name, "password": password}).encode()
    return request("POST /auth/login", body=body, close=False)


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=LONG)


def statuses(connection: socket.socket) -> list[int]:
    """The statuses of all replies until the end of the connection."""
    received = b"".join(iter(lambda: connection.recv(65536), b""))
    return [int(status) for status in re.findall(rb"HTTP/1\.1 ([0-9]{3}) ", received)]


def test_a_client_that_leaves_while_its_login_waits_costs_no_hash(behind: Behind, port: int) -> None:
    ann = behind.service.register()
    with occupied(behind.service):
        begun = behind.count("hash_wait_seconds_count")
        with closing(connect(port)) as client:
            client.sendall(HEALTH + login(ann.email))
            wait_until(lambda: behind.waiting() == 1, LONG)
        behind.notices(select.POLLRDHUP)

    wait_until(lambda: behind.count("hashes_refused_total", reason="gone") == 1, LONG)
    assert behind.count("hash_wait_seconds_count") == begun


def test_a_client_that_has_left_does_not_take_the_turn_of_the_next(behind: Behind, port: int) -> None:
    ann = behind.service.register()
    with closing(connect(port)) as stays:
        with occupied(behind.service):
            with closing(connect(port)) as leaves:
                leaves.sendall(login(ann.email))
                wait_until(lambda: behind.waiting() == 1, LONG)
            behind.notices(select.POLLRDHUP)
            stays.sendall(login(ann.email) + LAST)
            wait_until(lambda: behind.waiting() == 2, LONG)

        assert statuses(stays) == [200, 200]
    wait_until(lambda: behind.count("hashes_refused_total", reason="gone") == 1, LONG)


@pytest.mark.parametrize("parts", [(login("nobody") + LAST,), (login("nobody"), LAST)], ids=["at once", "later"])
def test_a_client_that_sends_its_next_request_early_still_waits_for_the_first(
    parts: tuple[bytes, ...], behind: Behind, port: int
) -> None:
    with closing(connect(port)) as client:
        with occupied(behind.service):
            client.sendall(HEALTH + parts[0])
            wait_until(lambda: behind.waiting() == 1, LONG)
            for part in parts[1:]:
                client.sendall(part)
            if len(parts) > 1 and port == behind.served.listener.getsockname()[1]:  # nginx keeps it back until then
                behind.notices(select.POLLIN)

        assert statuses(client) == [200, 401, 200]
    assert behind.count("hashes_refused_total", reason="gone") == 0
