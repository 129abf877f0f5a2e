"""The stores on MongoDB under test: in mongomock, and on a server that speaks MongoDB's protocol."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import mongomock
from mongomock.collection import BulkOperationBuilder
from pymongo import MongoClient
from pymongo.database import Database

from app.accounts.model import Status
from tests.contract.subject import Subject
from tests.servers.mongo import Mongo
from tests.stores import Store, mongo_store


@contextmanager
def mongomock_subject() -> Iterator[Subject]:
    client = in_memory()
    store = mongo_store("", "latchkey", client=client)
    store.prepare()
    yield _subject(store, client.get_database("latchkey"))


@contextmanager
def mongodb_subject(server: Mongo) -> Iterator[Subject]:
    """A store in a database of its own on the server."""
    uri = server.create_database()
    with MongoClient[dict[str, Any]](uri) as client:
        database = client.get_default_database()
        make = partial(mongo_store, uri, database.name)
        store = make()
        store.prepare()
        yield _subject(store, database, make)
        store.close()


def in_memory() -> MongoClient[dict[str, Any]]:
    """mongomock, which knows no commands, with those that the store sends."""
    client: Any = mongomock.MongoClient(tz_aware=True)
    get_database = client.get_database

    def with_command(*args: Any, **options: Any) -> Any:
        database = get_database(*args, **options)
        others = database.command

        def command(sent: Any, **options: Any) -> Any:
            if sent == "isMaster":
                return {"ismaster": True}
            if "aggregate" not in sent:
                return others(sent, **options)
            return {"cursor": {"firstBatch": list(database[sent["aggregate"]].aggregate(sent["pipeline"]))}}

        database.command = command
        return database

    client.get_database = with_command
    # The driver names an option that mongomock does not know, even where it is not used.
    BulkOperationBuilder.add_update = _without_sort  # type: ignore[method-assign]
    made: MongoClient[dict[str, Any]] = client
    return made


_add_update: Any = BulkOperationBuilder.add_update


def _without_sort(self: BulkOperationBuilder, *given: Any, sort: None = None, **options: Any) -> None:
    del sort
    _add_update(self, *given, **options)


def _subject(store: Store, database: Database[dict[str, Any]], make: Any = None) -> Subject:
    def clear() -> None:
        for name in database.list_collection_names():
            database[name].delete_many({})

    def change_user(
        user_id: str,
        *,
        status: Status | None = None,
        auth_epoch: int | None = None,
        kept_session: str | None = None,
    ) -> None:
        changes = {"status": status, "auth_epoch": auth_epoch, "kept_session": kept_session}
        given = {name: value for name, value in changes.items() if value is not None}
        database["users"].update_one({"_id": user_id}, {"$set": given})

    def tamper(table: str, key: str | int, **fields: object) -> None:
        if fields:
            unset = {name: "" for name, value in fields.items() if value is None}
            given = {name: value for name, value in fields.items() if value is not None}
            change = ({"$set": given} if given else {}) | ({"$unset": unset} if unset else {})
            database[table].update_one({"_id": key}, change)
        else:
            database[table].delete_one({"_id": key})

    return Subject(store, make, clear, change_user, tamper)
