"""The count of visits as it is served: by several workers, into a Redis that goes away and comes back."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.e2e.clients import PATIENCE, bearer, register
from tests.e2e.settings import in_testing, on_sqlite
from tests.servers import redis
from tests.servers.fixtures import require
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer
from tests.servers.service import Service, service

pytestmark = pytest.mark.timeout(180)

AWAY_SECONDS = 2.0 + 8.0
"""How soon it is said that Redis is away: 2 s are promised, the rest is for a busy machine."""


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    require(redis.missing())
    with redis.redis_server() as server:
        yield server


@pytest.fixture
def server(own_redis: RedisServer, tmp_path: Path) -> Iterator[Service]:
    with service(in_testing(WEB_CONCURRENCY="2", REDIS_URL=own_redis.url, **on_sqlite(tmp_path))) as started:
        yield started


@pytest.fixture
def client(server: Service) -> Iterator[httpx.Client]:
    headers = bearer(register(server.base_url, "ann"))
    limits = httpx.Limits(max_connections=200)
    with httpx.Client(base_url=server.base_url, headers=headers, limits=limits, timeout=PATIENCE) as opened:
        yield opened


@contextmanager
def killed(server: RedisServer) -> Iterator[None]:
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def frozen(server: RedisServer) -> Iterator[None]:
    server.freeze()
    try:
        yield
    finally:
        server.thaw()


def visits(client: httpx.Client) -> int:
    """The number of a visit, which is asked for again when the service is too busy."""
    replies: list[httpx.Response] = []

    def counted() -> bool:
        replies.append(client.get("/api/count"))
        assert replies[-1].status_code in {200, 503}
        return replies[-1].status_code == 200

    wait_until(counted, 60)
    number: int = replies[-1].json()["data"]["visits"]
    return number


def test_of_two_hundred_visits_at_once_over_two_workers_each_is_counted(client: httpx.Client) -> None:
    before = visits(client)
    with ThreadPoolExecutor(200) as pool:
        replies = list(pool.map(lambda _: client.get("/api/count"), range(200)))
    assert {reply.status_code for reply in replies} <= {200, 503}
    numbers = [reply.json()["data"]["visits"] for reply in replies if reply.status_code == 200]
    assert len(set(numbers)) == len(numbers) > 0
    # What was refused may have been counted.
    assert before + len(numbers) <= visits(client) - 1 <= before + len(replies)


@pytest.mark.parametrize("away", [killed, frozen])
@pytest.mark.faults("Redis away")
def test_without_redis_the_count_alone_is_unavailable_and_goes_on_when_it_is_back(
    client: httpx.Client, own_redis: RedisServer, away: Callable[[RedisServer], AbstractContextManager[None]]
) -> None:
    before = visits(client)
    with away(own_redis), ThreadPoolExecutor(8) as pool:
        for reply in pool.map(partial(client.get, timeout=AWAY_SECONDS), ["/api/count"] * 8):
            assert (reply.status_code, reply.json()["code"]) == (503, "unavailable")
            assert int(reply.headers["Retry-After"]) >= 1
        for path in ("/auth/me", "/api/products", "/health/ready"):
            assert client.get(path).status_code == 200
    assert before < visits(client) <= before + 9
