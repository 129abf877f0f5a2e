"""The count of visits in Redis: exact, and unavailable in time while Redis is away."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING

import pytest

from app.platform.errors import Unavailable
from app.samples.visits.redis import KEY, RedisVisits
from app.store.redis.connection import RedisConnection
from tests.contract.races import in_threads
from tests.servers import redis
from tests.servers.fixtures import require
from tests.servers.process import free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers.redis import RedisServer

ANSWER_SECONDS = 1.0 + 9.0
"""The wait for an answer is a second; the rest is for a busy machine."""


@pytest.fixture(scope="module", params=["redis"])
def server() -> Iterator[RedisServer]:
    """A server of this module's own, which a test may stop and freeze."""
    require(redis.missing())
    with redis.redis_server() as server:
        yield server


@pytest.fixture
def connection(server: RedisServer) -> Iterator[RedisConnection]:
    server.start()
    connection = RedisConnection(server.url)
    connection.client.delete(KEY)
    yield connection
    connection.close()


@pytest.fixture
def visits(connection: RedisConnection) -> RedisVisits:
    return RedisVisits(connection)


def refused_in_time(visits: RedisVisits) -> None:
    began = monotonic()
    with pytest.raises(Unavailable) as refused:
        visits.add_one()
    assert monotonic() - began < ANSWER_SECONDS
    assert refused.value.retry_after == 1


def counts(visits: RedisVisits) -> bool:
    try:
        return visits.add_one() > 0
    except Unavailable:
        return False


def test_visits_are_counted_from_one_under_one_key(connection: RedisConnection, visits: RedisVisits) -> None:
    assert [visits.add_one() for _ in range(3)] == [1, 2, 3]
    assert connection.client.get("latchkey:visits") == b"3"


def test_of_two_hundred_visits_at_once_each_is_counted(visits: RedisVisits) -> None:
    assert sorted(in_threads(lambda _: visits.add_one(), 200)) == list(range(1, 201))


def test_making_a_connection_opens_nothing() -> None:
    connection = RedisConnection(f"redis://127.0.0.1:{free_port()}/0")
    with pytest.raises(Unavailable):
        connection.ping()
    connection.close()


def test_a_stopped_server_is_reported_and_found_again(server: RedisServer, visits: RedisVisits) -> None:
    assert visits.add_one() == 1
    server.stop()
    refused_in_time(visits)
    server.start()
    assert visits.add_one() == 2


def test_a_restart_of_the_server_goes_unnoticed(server: RedisServer, visits: RedisVisits) -> None:
    assert visits.add_one() == 1
    server.stop()
    server.start()
    assert visits.add_one() == 2


def test_a_hanging_server_is_reported_in_time_and_found_again(server: RedisServer, visits: RedisVisits) -> None:
    assert visits.add_one() == 1
    server.freeze()
    try:
        refused_in_time(visits)
    finally:
        server.thaw()
    wait_until(lambda: counts(visits), 60)


def test_a_value_that_is_not_a_number_makes_the_count_unavailable(
    connection: RedisConnection, visits: RedisVisits
) -> None:
    connection.client.set(KEY, "x")
    refused_in_time(visits)
