"""The indexes, and what `flask doctor` reports about a MongoDB."""

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from app.store.mongo.indexes import create_indexes, index_problems
from app.store.mongo.store import clock_problems, topology_notes, version_problems
from app.store.unusable import UnusableStoreError
from tests.contract.entities import NOW
from tests.servers.mongo import Mongo
from tests.stores import Store, indexes_of, mongo_store

Documents = Database[dict[str, Any]]
INDEXES = indexes_of(mongo_store("mongodb://127.0.0.1:1", "latchkey"))


@pytest.fixture
def database(mongo_server: Mongo) -> Iterator[Documents]:
    with MongoClient[dict[str, Any]](mongo_server.create_database()) as client:
        yield client.get_default_database()


def test_each_index_is_reported_as_missing_until_it_is_created(database: Documents) -> None:
    missing = index_problems(database, INDEXES)
    assert len(missing) == len(INDEXES)
    assert ("the index email_key_1 of the collection users is missing: start the service, which creates it") in missing
    create_indexes(database, INDEXES)
    assert index_problems(database, INDEXES) == []


def test_creating_the_indexes_again_changes_nothing(database: Documents) -> None:
    create_indexes(database, INDEXES)
    names = database.list_collection_names()
    created = {name: database[name].index_information() for name in names}
    assert (len(created["users"]), len(created["events"])) == (10, 7)
    create_indexes(database, INDEXES)
    assert {name: database[name].index_information() for name in names} == created


def test_the_events_of_a_user_are_indexed_newest_first(database: Documents) -> None:
    create_indexes(database, INDEXES)
    assert database["events"].index_information()["user_id_1__id_-1"]["key"] == [("user_id", 1), ("_id", -1)]


def test_an_index_in_another_order_is_not_taken_for_ours(database: Documents) -> None:
    database["events"].create_index([("user_id", 1), ("_id", 1)], name="user_id_1__id_-1")
    assert (
        "the index user_id_1__id_-1 of the collection events is not the one the service needs:"
        " drop it and start the service again"
    ) in index_problems(database, INDEXES)


@pytest.mark.parametrize("options", [{}, {"unique": True}, {"sparse": True}], ids=str)
def test_an_index_that_differs_is_not_taken_for_ours(database: Documents, options: dict[str, bool]) -> None:
    database["users"].create_index("username_key", **options)  # type: ignore[arg-type] # none is a session
    assert (
        "the index username_key_1 of the collection users is not the one the service needs:"
        " drop it and start the service again"
    ) in index_problems(database, INDEXES)


@pytest.fixture
def store(mongo_server: Mongo, database: Documents) -> Iterator[Store]:
    with closing(mongo_store(mongo_server.uri, database.name)) as store:
        yield store


def test_the_doctor_reports_a_missing_index(store: Store, database: Documents) -> None:
    store.prepare()
    before = store.problems()
    database["users"].drop_index("username_key_1")
    missing = "the index username_key_1 of the collection users is missing: start the service, which creates it"
    assert store.problems() == [missing, *before]


def test_the_doctor_reads_version_clock_and_topology_of_the_server(store: Store, database: Documents) -> None:
    store.prepare()
    version = str(database.command("buildInfo")["version"])
    hello = database.command("isMaster")
    assert store.problems() == version_problems(version) + topology_notes(hello)


def test_data_that_violate_an_index_stop_the_start_with_one_line(store: Store, database: Documents) -> None:
    database["users"].insert_many([{"email_key": "ada@example.org"}, {"email_key": "ada@example.org"}])
    with pytest.raises(UnusableStoreError, match=r"MongoDB refuses the service: .*email_key_1"):
        store.prepare()


def test_a_refused_login_stops_the_start_with_one_line(mongo_server: Mongo) -> None:
    host = urlsplit(mongo_server.uri).netloc.rpartition("@")[2]
    refused = pytest.raises(UnusableStoreError, match="MongoDB refuses the service: ")
    with closing(mongo_store(f"mongodb://latchkey:wrong@{host}", "latchkey")) as store, refused:
        store.prepare()


@pytest.mark.parametrize("version", ["7.0.0", "7.0.26", "8.0.4", "10.1.0-rc0"])
def test_a_maintained_version_is_not_a_problem(version: str) -> None:
    assert version_problems(version) == []


@pytest.mark.parametrize("version", ["5.0.0", "6.0.27"])
def test_an_older_version_is_reported(version: str) -> None:
    assert version_problems(version) == [f"MongoDB {version} is too old: use 7.0 or later"]


@pytest.mark.parametrize("seconds", [-5, 0, 5])
def test_a_clock_that_is_a_little_off_is_not_a_problem(seconds: int) -> None:
    assert clock_problems(NOW + timedelta(seconds=seconds), NOW) == []


@pytest.mark.parametrize(("seconds", "side"), [(6, "ahead of"), (-3600, "behind")])
def test_a_wrong_clock_is_reported(seconds: int, side: str) -> None:
    assert clock_problems(NOW + timedelta(seconds=seconds), NOW) == [
        f"the clock of MongoDB is {abs(seconds)} s {side} ours: let both follow NTP"
    ]


@pytest.mark.parametrize("hello", [{"setName": "rs0"}, {"msg": "isdbgrid"}], ids=str)
def test_a_replica_set_and_a_sharded_cluster_need_no_note(hello: dict[str, Any]) -> None:
    assert topology_notes(hello) == []


def test_a_single_server_gets_a_note() -> None:
    (note,) = topology_notes({"ismaster": True})
    assert note.startswith("note: MongoDB is not a replica set")
