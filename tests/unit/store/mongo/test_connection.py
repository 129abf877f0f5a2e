"""The connection to MongoDB: what it demands whatever the URI says, and what silence means."""

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from functools import partial
from typing import Any

import mongomock
import pytest
from pymongo import MongoClient, ReadPreference, WriteConcern, errors
from pymongo.uri_parser import parse_uri

from app.accounts.account import Account
from app.platform import deadline
from app.platform.errors import Unavailable
from app.platform.identifiers import new_id
from app.store.mongo.connection import Connection, answer_or_unavailable, no_answer
from tests.contract.entities import HASH, NOW, a_session, a_user
from tests.servers.mongo import Mongo
from tests.stores import Store, mongo_store

PATIENCE = 4.5
"""Seconds that a test waits for the refusal that should come within 3: a slow machine gets half as long again."""

LAX = "mongodb://127.0.0.1:1/?w=1&journal=false&readPreference=secondary&readConcernLevel=available"
PATIENT = "timeoutMS=60000&socketTimeoutMS=60000&serverSelectionTimeoutMS=60000&connectTimeoutMS=60000"


@contextmanager
def listening() -> Iterator[socket.socket]:
    """A port that accepts connections and never sends anything."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        yield listener


def uri_of(listener: socket.socket) -> str:
    return f"mongodb://127.0.0.1:{listener.getsockname()[1]}/"


def test_writes_are_journaled_by_the_majority_and_reads_go_to_the_primary_whatever_the_uri_says() -> None:
    connection = Connection(LAX, "latchkey", None)
    for collection in (connection["users"], connection["users"], connection.database["users"]):
        assert collection.write_concern == WriteConcern("majority", j=True)
        assert collection.read_preference == ReadPreference.PRIMARY
        assert collection.read_concern.level is None


def test_making_a_store_opens_no_connection_and_starts_no_thread() -> None:
    with listening() as listener:
        listener.settimeout(0)
        threads = threading.active_count()
        store = mongo_store(uri_of(listener), "latchkey")
        store.close()
        assert threading.active_count() == threads
        with pytest.raises(BlockingIOError):
            listener.accept()


def test_the_uri_cannot_make_a_request_wait_longer() -> None:
    with listening() as listener, ThreadPoolExecutor() as pool:
        store = mongo_store(uri_of(listener) + "?" + PATIENT, "latchkey")
        asked: list[Future[object]] = [
            pool.submit(store.ping),
            pool.submit(store.sessions.principal, new_id(), new_id(), NOW),
            pool.submit(store.prepare),
        ]
        _, late = wait(asked, PATIENCE)
        assert not late
        assert {type(result.exception()) for result in asked} == {Unavailable}
        store.close()


@pytest.mark.parametrize(
    "error",
    [
        errors.AutoReconnect("gone"),
        errors.NetworkTimeout("late"),
        errors.NotPrimaryError("a secondary by now"),
        errors.ServerSelectionTimeoutError("none there"),
        errors.WaitQueueTimeoutError("pool is full"),
        errors.ExecutionTimeout("late", 50),
        errors.WTimeoutError("the majority is late", 64),
        errors.OperationFailure("shutting down", 91, {"errorLabels": ["RetryableWriteError"]}),
        errors.OperationFailure("too much", 462, {"errorLabels": ["SystemOverloadedError"]}),
    ],
    ids=lambda error: type(error).__name__,
)
def test_without_an_answer_an_operation_raises_unavailable(error: errors.PyMongoError) -> None:
    with pytest.raises(Unavailable) as caught, answer_or_unavailable():
        raise error
    assert caught.value.retry_after == 1
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "code",
    [6, 7, 18, 64, 89, 91, 112, 133, 134, 189, 202, 262, 9001, 10107, 11600, 11602, 13388, 13435, 13436, 14031],
)
@pytest.mark.parametrize("kind", [errors.OperationFailure, errors.WriteError, errors.WriteConcernError])
def test_a_server_that_cannot_do_its_work_at_the_moment_is_unavailable(
    kind: type[errors.OperationFailure], code: int
) -> None:
    with pytest.raises(Unavailable), answer_or_unavailable():
        raise kind("not now", code)


def test_an_operation_whose_client_another_thread_closes_is_unavailable() -> None:
    with listening() as listener:
        connection = Connection(uri_of(listener), "latchkey", None)
        users = connection["users"]
        connection.close()
        with pytest.raises(Unavailable), answer_or_unavailable():
            users.find_one({})
        assert connection["users"] is not users


def test_a_misuse_of_the_driver_is_no_outage() -> None:
    with pytest.raises(errors.InvalidOperation), answer_or_unavailable():
        raise errors.InvalidOperation("No operations to execute")


def test_when_two_threads_close_at_once_no_client_stays_open(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[MongoClient[Any]] = []
    closed: set[int] = set()

    class Client(MongoClient[Any]):
        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            made.append(self)
            if len(made) == 2:  # the other thread closes while this one makes its client
                connection.close()

        def close(self) -> None:
            closed.add(id(self))
            super().close()

    monkeypatch.setattr("app.store.mongo.connection.MongoClient", Client)
    connection = Connection("mongodb://127.0.0.1:1/", "latchkey", None)
    connection.close()
    assert [id(client) for client in made if id(client) not in closed] == [id(connection.client)]
    connection.close()


def test_dns_that_is_away_is_an_outage_like_any_other() -> None:
    with closing(mongo_store("mongodb+srv://cluster.example.invalid/latchkey", "latchkey")) as store:
        for ask in (store.ping, store.prepare, partial(store.sessions.principal, new_id(), new_id(), NOW)):
            with pytest.raises(Unavailable):
                ask()


def test_a_member_that_is_not_the_primary_is_not_ready_and_its_connections_are_closed() -> None:
    client: Any = mongomock.MongoClient(tz_aware=True)
    database, closed = client.get_database("latchkey"), []
    database.command = lambda _: {"ismaster": False}
    client.get_database = lambda *_, **__: database
    client.close = lambda: closed.append(True)
    with pytest.raises(Unavailable) as refused:
        mongo_store("", "latchkey", client=client).ping()
    assert isinstance(refused.value.__cause__, errors.NotPrimaryError)
    assert closed == [True]


def test_no_operation_has_more_time_than_the_request() -> None:
    with listening() as listener, closing(mongo_store(uri_of(listener), "latchkey")) as store:
        with deadline.begin(0.9), pytest.raises(Unavailable) as refused:  # a busy machine may lose some of it before
            store.ping()
        assert "Timeout: 0." in str(refused.value.__cause__)
        with deadline.begin(0.0), pytest.raises(Unavailable):
            store.sessions.principal(new_id(), new_id(), NOW)


def test_the_uri_overrides_our_defaults() -> None:
    with closing(MongoClient[dict[str, Any]](LAX)) as plain:
        assert plain.options.pool_options.max_pool_size == 100
    connection = Connection("mongodb://127.0.0.1:1/?maxPoolSize=7&appName=mine", "latchkey", None)
    assert connection.client.options.pool_options.max_pool_size == 7
    assert Connection(LAX, "latchkey", None).client.options.pool_options.connect_timeout == 1.0
    assert connection.client.codec_options.tz_aware


@pytest.mark.parametrize(
    "error",
    [
        errors.OperationFailure("unknown operator", 2),
        errors.OperationFailure("not authorized", 13),
        errors.DuplicateKeyError("taken", 11000),
        errors.InvalidOperation("no such thing"),
    ],
    ids=lambda error: f"{type(error).__name__} {error}",
)
def test_a_fault_of_the_program_is_raised_unchanged(error: errors.PyMongoError) -> None:
    assert not no_answer(error)
    with pytest.raises(type(error)), answer_or_unavailable():
        raise error


@pytest.fixture
def store(mongo_server: Mongo) -> Iterator[Store]:
    uri = mongo_server.create_database()
    with closing(mongo_store(uri, parse_uri(uri)["database"])) as store:
        store.prepare()
        yield store


def test_an_operator_instead_of_an_identifier_is_a_programming_error(store: Store) -> None:
    operator: Any = {"$no_such_operator": 1}
    user = a_user()
    store.users.add(Account(user, HASH))
    store.sessions.open(a_session(user))
    with pytest.raises(errors.OperationFailure):
        store.sessions.principal(operator, new_id(), NOW)
