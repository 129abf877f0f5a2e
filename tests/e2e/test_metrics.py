"""The metrics of the service under gunicorn: sums over its workers, whatever becomes of them, and not through nginx."""

from __future__ import annotations

import json
import os
import re
import signal
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.front import front
from tests.e2e.raw import one, request
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.servers.process import alive, wait_until
from tests.servers.service import Service, service

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(300)

PATIENCE = 60.0
"""Seconds for what takes a moment on a machine that has nothing else to do."""
PING = {"method": "GET", "route": "/api/ping", "status": "200"}


def on_two_workers(store: dict[str, str]) -> dict[str, str]:
    """The settings of a service that this machine may read the metrics of, and nginx on it not."""
    return in_testing(METRICS_ALLOW="127.0.0.1", WEB_CONCURRENCY="2", TRUSTED_PROXIES="127.0.0.1/32", **store)


@pytest.fixture
def settings(store: dict[str, str]) -> dict[str, str]:
    return on_two_workers(store)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with service(on_two_workers(on_sqlite(tmp_path_factory.mktemp("store")))) as server:
        wait_until(lambda: both_are_there(server), PATIENCE)
        yield server


def samples(server: Service) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    """Every number, by its name and its labels."""
    reply = one(server.port, request("GET /metrics"))
    assert reply.status == 200
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
    }


def value(server: Service, name: str, **labels: str) -> float:
    """One number; 0 for one that is not there yet."""
    return samples(server).get((f"latchkey_{name}", frozenset(labels.items())), 0)


def pings(server: Service) -> float:
    """How often it was pinged so far."""
    return value(server, "http_requests_total", **PING)


def workers(server: Service) -> set[str]:
    """The workers whose memory is shown, by their numbers."""
    return {dict(labels)["worker"] for name, labels in samples(server) if name.startswith("latchkey_worker_resident")}


def both_are_there(server: Service) -> bool:
    return len(workers(server)) == 2


def ping(server: Service, times: int) -> None:
    """Ask this often, over connections that both workers take."""

    def ask(_: int) -> int:
        return one(server.port, request("GET /api/ping")).status

    with ThreadPoolExecutor(8) as clients:
        assert list(clients.map(ask, range(times))) == [200] * times


def folder(server: Service) -> Path:
    """Where the workers count together, as the process above them has it: a new worker may not have counted yet."""
    maps = Path(f"/proc/{server.pid}/maps").read_text()
    (made,) = set(re.findall(r"(/\S*/latchkey-metrics-[^/\s]+)/", maps))
    return Path(made)


def test_the_numbers_are_exact_sums_over_the_workers(measured: Service) -> None:
    before = Counter(samples(measured))
    ping(measured, 200)
    account = json.dumps({"email": "ann@example.com", "password": PASSWORD}).encode()
    assert one(measured.port, request("POST /auth/register", body=account)).status == 201
    for _ in range(5):
        assert one(measured.port, request("POST /auth/login", body=account)).status == 200

    # Whichever worker is asked: all of them know all.
    for _ in range(10):
        found = Counter(samples(measured))
        found.subtract(before)
        assert found["latchkey_http_requests_total", frozenset(PING.items())] == 200
        assert found["latchkey_logins_total", frozenset({("outcome", "success")})] == 5
        assert found["latchkey_tokens_issued_total", frozenset({("grant", "register")})] == 1
        assert found["latchkey_hash_wait_seconds_count", frozenset()] == 6
        assert found["latchkey_hash_queue_depth", frozenset()] == 0
    assert workers(measured) == {"0", "1"}


def test_a_worker_that_is_killed_takes_no_count_with_it(measured: Service) -> None:
    before = pings(measured)
    ping(measured, 100)
    for killed in (1, 2):
        victim = measured.worker_pids()[0]
        os.kill(victim, signal.SIGKILL)
        wait_until(lambda pid=victim: not alive(pid) and both_are_there(measured), PATIENCE)  # type: ignore[misc]
        ping(measured, 100)
        assert pings(measured) - before == 100 + killed * 100
    assert workers(measured) == {"0", "1"}


def test_workers_that_are_replaced_again_and_again_lose_nothing_and_leave_nothing(settings: dict[str, str]) -> None:
    with service(settings, options=["--max-requests", "40", "--max-requests-jitter", "5"]) as server:
        first = set(server.worker_pids())
        for _ in range(6):
            ping(server, 50)
        wait_until(lambda: not first & set(server.worker_pids()), PATIENCE)
        assert pings(server) == 300
        # Three kinds of files for each number and for what was before the fork; two workers may overlap with two more.
        assert len(list(folder(server).glob("*.db"))) <= 3 * (1 + 4)


def test_a_reload_loses_nothing(measured: Service) -> None:
    counted = pings(measured)
    ping(measured, 50)
    before, place = set(measured.worker_pids()), folder(measured)
    measured.signal(signal.SIGHUP)
    wait_until(lambda: not any(map(alive, before)) and both_are_there(measured), PATIENCE)
    ping(measured, 50)
    assert pings(measured) - counted == 100
    assert folder(measured) == place


def test_a_start_begins_at_zero_in_a_folder_of_its_own(measured: Service, settings: dict[str, str]) -> None:
    before = pings(measured)
    ping(measured, 10)
    place = folder(measured)
    with service(settings) as other:
        assert folder(other) != place
        assert pings(other) == 0
        ping(other, 5)
        assert pings(measured) - before == 10
        theirs = folder(other)
    assert not theirs.exists()
    assert place.exists()


def test_what_a_killed_service_left_is_removed_by_the_next(settings: dict[str, str]) -> None:
    with service(settings) as server:
        left, pids = folder(server), [server.pid, *server.worker_pids()]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(map(alive, pids)), PATIENCE)
    with service(settings) as server:
        assert not left.exists()
        assert pings(server) == 0


def test_nginx_does_not_publish_them(measured: Service) -> None:
    with front(measured.port) as proxy:
        assert value(measured, "build_info", version="0.1.0") == 1
        for path in ("/metrics", "/metrics/", "/%6detrics", "//metrics"):
            assert one(proxy.port, request(f"GET {path}")).status == 404
        assert one(measured.port, request("GET /metrics", "X-Forwarded-For: 127.0.0.1")).status == 404
