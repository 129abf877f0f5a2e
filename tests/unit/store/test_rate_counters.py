"""Rate limits in Redis: one count for all processes, and none that stops a request while Redis is away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from app.store.redis.connection import RedisConnection
from app.store.redis.rate_counters import RedisCounters
from app.web import rates as module
from app.web.rates import Rates, Standing
from tests.contract.races import in_threads
from tests.servers import redis
from tests.servers.fixtures import require

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.redis import RedisServer

ADDRESS = "192.0.2.1"
SILENT = "Redis does not answer, so each process counts by itself"


@pytest.fixture(scope="module", params=["redis"])
def server() -> Iterator[RedisServer]:
    """A server of this module's own, which a test may stop and freeze."""
    require(redis.missing())
    with redis.redis_server() as server:
        yield server


@pytest.fixture
def instances(server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Rates]]:
    """The rates of two instances, which ask a silent Redis again at the next request."""
    monkeypatch.setattr(module, "_PAUSE_SECONDS", 0.0)
    server.start()
    connection = RedisConnection(server.url)
    connection.client.flushdb()
    connection.close()
    counters = [RedisCounters(server.url) for _ in range(2)]
    yield [Rates(each) for each in counters]
    for each in counters:
        each.close()


def test_two_instances_at_once_allow_exactly_what_the_limit_says(instances: list[Rates]) -> None:
    def many(number: int) -> list[Standing]:
        return [instances[number % 2].take("login address", ADDRESS, 50, 3600) for _ in range(8)]

    taken = [each for some in in_threads(many) for each in some]
    assert [each.allowed for each in taken].count(True) == 50
    assert {each.left for each in taken if not each.allowed} == {0}
    assert all(3500 <= each.seconds <= 3600 for each in taken)


def test_redis_knows_no_address_and_forgets_each_count_with_its_window(
    instances: list[Rates], server: RedisServer
) -> None:
    instances[0].take("login address", ADDRESS, 5, 60)
    connection = RedisConnection(server.url)
    keys = [str(key) for key in connection.client.keys("*")]
    assert len(keys) == 1
    assert "latchkey:limits" in keys[0]
    assert ADDRESS not in keys[0]
    assert 0 < connection.client.ttl(connection.client.keys("*")[0]) <= 60
    connection.close()


@pytest.mark.parametrize("fault", ["stopped", "frozen"])
def test_without_redis_each_instance_counts_by_itself_until_it_answers(
    instances: list[Rates], server: RedisServer, fault: str
) -> None:
    first, second = instances
    assert [first.take("login address", ADDRESS, 2, 3600).allowed for _ in range(3)] == [True, True, False]
    (server.stop if fault == "stopped" else server.freeze)()
    with capture_logs() as logged:
        assert [first.take("login address", ADDRESS, 2, 3600).allowed for _ in range(3)] == [True, True, False]
        assert [second.take("login address", ADDRESS, 2, 3600).allowed for _ in range(3)] == [True, True, False]
    assert [line["problem"] for line in logged if line["log_level"] == "warning"] == [SILENT] * 2
    (server.start if fault == "stopped" else server.thaw)()
    with capture_logs() as logged:
        assert not first.take("login address", ADDRESS, 2, 3600).allowed
        assert second.take("login address", "192.0.2.2", 2, 3600).allowed
    assert [line["recovered"] for line in logged] == ["Redis answers again"] * 2
