"""The count of visits: in the store, or in Redis where there is one."""

from collections.abc import Iterator

import pytest

from tests.api.databases import SqliteDatabase
from tests.api.service import FakeClock, Service, Start, running
from tests.servers import redis
from tests.servers.fixtures import require
from tests.servers.process import wait_until
from tests.servers.redis import RedisServer


@pytest.fixture(scope="module", params=["redis"])
def redis_of_its_own() -> Iterator[RedisServer]:
    """A server that a test may stop."""
    require(redis.missing())
    with redis.redis_server() as server:
        yield server


@pytest.fixture(scope="module")
def on_redis(redis_of_its_own: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    database = SqliteDatabase(tmp_path_factory.mktemp("sqlite") / "latchkey.db")
    with running(database, FakeClock(), REDIS_URL=redis_of_its_own.url) as service:
        yield service


def visits(service: Service, token: str) -> int:
    response = service.get("/api/count", token=token)
    assert response.status_code == 200, response.text
    assert response.json["data"].keys() == {"visits"}
    count: int = response.json["data"]["visits"]
    return count


def check_exact(service: Service) -> None:
    """Two hundred visits, eight at a time in each of 25 threads; what is too busy is asked again."""
    token = service.register().token
    before = visits(service, token)
    refused = []

    def visit(_: int) -> list[int]:
        numbers: list[int] = []
        while len(numbers) < 8:
            response = service.get("/api/count", token=token)
            if response.status_code == 200:
                numbers.append(response.json["data"]["visits"])
            else:  # it may have been counted
                assert response.json["code"] == "unavailable"
                refused.append(response)
        return numbers

    counted = [number for numbers in service.at_once(visit, 25) for number in numbers]
    assert len(set(counted)) == len(counted) == 200
    assert before + 200 <= visits(service, token) - 1 <= before + 200 + len(refused)


def test_a_visit_needs_a_token(service: Service) -> None:
    assert service.get("/api/count").json["code"] == "missing_token"


def test_the_first_visit_is_number_one_and_all_users_count_together(start: Start) -> None:
    service = start()
    ann, bob = service.register(), service.register()
    assert [visits(service, account.token) for account in (ann, bob, ann)] == [1, 2, 3]


def test_a_visit_that_is_refused_is_not_counted(service: Service) -> None:
    token = service.register().token
    before = visits(service, token)
    service.get("/api/count")
    service.get("/api/count", token="x")
    service.post("/api/count", token=token)
    assert visits(service, token) == before + 1


def test_of_two_hundred_visits_at_once_each_is_counted_in_the_store(service: Service) -> None:
    check_exact(service)


def test_of_two_hundred_visits_at_once_each_is_counted_in_redis(on_redis: Service) -> None:
    check_exact(on_redis)


def test_instances_count_together(service: Service, start: Start) -> None:
    token = service.register().token
    other = start(on=service)
    before = visits(service, token)
    assert (visits(other, token), visits(service, token)) == (before + 1, before + 2)


def test_with_redis_the_store_counts_nothing(on_redis: Service) -> None:
    token = on_redis.register().token
    assert visits(on_redis, token) + 1 == visits(on_redis, token)
    assert on_redis.store.visits.add_one() == 1


def test_without_redis_the_count_alone_is_unavailable(on_redis: Service, redis_of_its_own: RedisServer) -> None:
    token = on_redis.register().token
    before = visits(on_redis, token)
    redis_of_its_own.stop()
    try:
        refused = on_redis.get("/api/count", token=token)
        assert (refused.status_code, refused.json["code"]) == (503, "unavailable")
        assert int(refused.headers["Retry-After"]) >= 1
        assert "127.0.0.1" not in refused.text
        for path in ("/auth/me", "/api/products", "/health/ready"):
            assert on_redis.get(path, token=token).status_code == 200
    finally:
        redis_of_its_own.start()
    wait_until(lambda: on_redis.get("/api/count", token=token).status_code == 200, 60)
    assert visits(on_redis, token) >= before + 2
