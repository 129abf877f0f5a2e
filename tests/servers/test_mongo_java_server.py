"""What the application asks of MongoDB, asked of the server that stands in for it."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, Literal

import pytest
from pymongo import MongoClient, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from tests.servers import mongo
from tests.servers.fixtures import require

Documents = Database[dict[str, Any]]
THREADS = 16
ROUNDS = 10


@pytest.fixture(scope="module", params=["memory", "h2"])
def server(request: pytest.FixtureRequest) -> Iterator[mongo.MongoServer]:
    require(mongo.missing())
    backend: Literal["memory", "h2"] = request.param
    with mongo.mongo_server(backend) as started:
        yield started


@pytest.fixture
def database(server: mongo.MongoServer) -> Iterator[Documents]:
    with MongoClient[dict[str, Any]](server.create_database(), w="majority", journal=True) as client:
        yield client.get_default_database()


def race(act: Callable[[], object]) -> list[object]:
    """The results of `act` in 16 threads that begin at once."""
    start = Barrier(THREADS)

    def begin(_: int) -> object:
        start.wait()
        return act()

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(begin, range(THREADS)))


def test_a_sparse_unique_index_refuses_a_second_value_and_counts_no_absent_one(database: Documents) -> None:
    database.users.create_index("email", unique=True, sparse=True)
    database.users.insert_many([{"_id": "a", "email": "a@example.org"}, {"_id": "b"}, {"_id": "c"}])
    with pytest.raises(DuplicateKeyError):
        database.users.insert_one({"_id": "d", "email": "a@example.org"})
    with pytest.raises(DuplicateKeyError):
        database.users.update_one({"_id": "b"}, {"$set": {"email": "a@example.org"}})
    assert [user["_id"] for user in database.users.find({"email": "a@example.org"})] == ["a"]


def test_a_sparse_unique_index_lets_two_nulls_collide(database: Documents) -> None:
    database.users.create_index("email", unique=True, sparse=True)
    database.users.insert_one({"_id": "a", "email": None})
    with pytest.raises(DuplicateKeyError):
        database.users.insert_one({"_id": "b", "email": None})


def test_a_guard_in_the_filter_decides_whether_an_update_happens(database: Documents) -> None:
    database.users.insert_one({"_id": "a", "epoch": 1})
    guarded = {"_id": "a", "epoch": 1}, {"$inc": {"epoch": 1}}
    assert database.users.find_one_and_update(*guarded, return_document=ReturnDocument.AFTER) == {
        "_id": "a", "epoch": 2,
    }  # fmt: skip
    assert database.users.find_one_and_update(*guarded) is None
    assert database.users.find_one({"_id": "a"}) == {"_id": "a", "epoch": 2}


@pytest.mark.parametrize(
    "lookup",
    [
        {"localField": "user_id", "foreignField": "_id"},
        {"let": {"id": "$user_id"}, "pipeline": [{"$match": {"$expr": {"$eq": ["$_id", "$$id"]}}}]},
    ],
    ids=["by field", "by pipeline"],
)
def test_a_lookup_joins_a_session_with_its_user(database: Documents, lookup: dict[str, Any]) -> None:
    database.users.insert_many([{"_id": "a", "epoch": 1}, {"_id": "b", "epoch": 2}])
    database.sessions.insert_many([{"_id": "s", "user_id": "b"}, {"_id": "t", "user_id": "gone"}])
    found = database.sessions.aggregate([
        {"$match": {"_id": {"$in": ["s", "t"]}}},
        {"$lookup": {"from": "users", "as": "users"} | lookup},
        {"$sort": {"_id": 1}},
    ])  # fmt: skip
    assert [session["users"] for session in found] == [[{"_id": "b", "epoch": 2}], []]


def test_one_of_sixteen_racing_updates_wins(database: Documents) -> None:
    for number in range(ROUNDS):
        database.codes.insert_one({"_id": number, "live": True})

        def redeem(number: int = number) -> bool:
            guard = {"_id": number, "live": True}
            return database.codes.find_one_and_update(guard, {"$set": {"live": False}}) is not None

        assert sorted(map(bool, race(redeem))) == [False] * (THREADS - 1) + [True]


def test_one_of_sixteen_racing_inserts_of_a_unique_value_wins(database: Documents) -> None:
    database.users.create_index("email", unique=True, sparse=True)
    for number in range(ROUNDS):

        def register(number: int = number) -> bool:
            try:
                database.users.insert_one({"email": f"{number}@example.org"})
            except DuplicateKeyError:
                return False
            return True

        assert sorted(map(bool, race(register))) == [False] * (THREADS - 1) + [True]


def test_a_counter_gives_no_number_twice(database: Documents) -> None:
    for number in range(ROUNDS):

        def count(number: int = number) -> object:
            counted = database.failures.find_one_and_update(
                {"_id": number}, {"$inc": {"count": 1}}, upsert=True, return_document=ReturnDocument.AFTER
            )
            return counted["count"] if counted else None

        assert set(race(count)) == set(range(1, THREADS + 1))


def test_a_unique_index_holds_after_a_restart() -> None:
    require(mongo.missing())
    with mongo.mongo_server("h2") as server, MongoClient[dict[str, Any]](server.create_database()) as client:
        users = client.get_default_database().users
        users.create_index("email", unique=True, sparse=True)
        users.insert_one({"email": "a@example.org"})
        server.stop()
        server.start()
        with pytest.raises(DuplicateKeyError):
            users.insert_one({"email": "a@example.org"})


def test_a_mongodb_of_our_own_is_used_and_left_as_it_was(
    server: mongo.MongoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_MONGO_URI", server.uri)
    with MongoClient[dict[str, Any]](server.uri) as client:
        before = client.list_database_names()
        with mongo.open_mongo() as external:
            assert external.uri == server.uri
            with MongoClient[dict[str, Any]](external.create_database()) as used:
                used.get_default_database().users.insert_one({})
            assert len(client.list_database_names()) == len(before) + 1
        assert client.list_database_names() == before


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("mongodb://127.0.0.1:27017", "mongodb://127.0.0.1:27017/new"),
        ("mongodb://u:p@a:1,b:2/?replicaSet=r", "mongodb://u:p@a:1,b:2/new?replicaSet=r"),
        ("mongodb://u:p@a/own?tls=true", "mongodb://u:p@a/new?tls=true&authSource=own"),
        ("mongodb://u:p@a/own?authSource=x", "mongodb://u:p@a/new?authSource=x"),
    ],
)
def test_another_database_is_reached_by_the_same_login(uri: str, expected: str) -> None:
    assert mongo.uri_of_database(uri, "new") == expected
