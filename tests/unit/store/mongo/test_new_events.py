"""The events of a change lie in its account until they are moved: a crash on the way loses none, and doubles none."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from pymongo import MongoClient
from pymongo.monitoring import CommandListener

from app.accounts.account import Account
from app.audit.model import AuditEvent
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_user
from tests.contract.races import new_processes
from tests.servers import mongo
from tests.servers.fixtures import require
from tests.stores import Store, mongo_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pymongo.database import Database
    from pymongo.monitoring import CommandFailedEvent, CommandStartedEvent, CommandSucceededEvent

    from tests.servers.mongo import Mongo

USER = a_user(id="ada", username="ada")
KILLED = 9


def an_event(event_id: str) -> AuditEvent:
    return AuditEvent(event_id, USER.id, "password.changed", NOW, "2001:db8::1", "curl", NOW + DAY, {"by": "user"})


class AtCommand(CommandListener):
    """Does something just before a command on a collection is sent, the first time; `then` something the next time."""

    def __init__(
        self,
        command: str,
        collection: str,
        act: Callable[[], object],
        unless: Callable[[], bool] = lambda: False,
        then: Callable[[], object] | None = None,
    ) -> None:
        self._this = (command, collection)
        self._acts = [act, *([then] if then else [])]
        self._unless = unless

    def started(self, event: CommandStartedEvent) -> None:
        this = (event.command_name, event.command.get(event.command_name))
        if self._acts and this == self._this and not self._unless():
            self._acts.pop(0)()

    def succeeded(self, event: CommandSucceededEvent) -> None:
        """Nothing happens after it."""

    def failed(self, event: CommandFailedEvent) -> None:
        """Nothing happens after it."""


@pytest.fixture
def uri(mongo_server: Mongo) -> str:
    return mongo_server.create_database()


@pytest.fixture
def database(uri: str) -> Iterator[Database[dict[str, Any]]]:
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        yield client.get_default_database()


@pytest.fixture
def store(uri: str) -> Iterator[Store]:
    made = mongo_store(uri, uri.rpartition("/")[2].partition("?")[0])
    made.prepare()
    made.users.add(Account(USER, HASH))
    yield made
    made.close()


@contextmanager
def watched(uri: str, listener: CommandListener, database: str) -> Iterator[Store]:
    """Another store over the same data, whose commands are listened to."""
    with MongoClient[dict[str, Any]](uri, tz_aware=True, event_listeners=[listener]) as client:
        yield mongo_store("", database, client=client)


def change_and_die(uri: str, database: str, collection: str) -> None:
    """Change the password, and die before the event is written to `events`, or before it is taken from `users`."""

    def begin_to_die() -> None:
        dying.append(collection)
        if collection == "events":
            os._exit(KILLED)

    dying: list[str] = []
    to_events = AtCommand("insert", "events", begin_to_die)
    from_users = AtCommand("update", "users", lambda: os._exit(KILLED), unless=lambda: not dying)
    with MongoClient[dict[str, Any]](uri, tz_aware=True, event_listeners=[to_events, from_users]) as client:
        mongo_store("", database, client=client).users.save(Account(USER, "new"), [an_event("e")])


@pytest.fixture(params=["events", "users"])
def crashed(request: pytest.FixtureRequest, uri: str, store: Store, database: Database[dict[str, Any]]) -> None:
    """A process that changed the password died before it wrote to this collection."""
    process = new_processes().Process(target=change_and_die, args=(uri, database.name, request.param))
    process.start()
    process.join()
    assert process.exitcode == KILLED
    assert store.users.account(USER.id) == Account(USER, "new", revision=1)
    moved = database["events"].count_documents({})
    assert moved == (1 if request.param == "users" else 0)


def events_of(store: Store) -> list[AuditEvent]:
    return store.events.page_of(USER.id, before=None, limit=10)


@pytest.mark.usefixtures("crashed")
def test_the_event_of_a_process_that_died_is_read_once(store: Store) -> None:
    assert [events_of(store), events_of(store)] == [[an_event("e")], [an_event("e")]]


@pytest.mark.usefixtures("crashed")
def test_the_event_of_a_process_that_died_is_gathered_after_a_minute_by_one_of_many(
    store: Store, database: Database[dict[str, Any]]
) -> None:
    assert store.events.gather(NOW + MINUTE / 2, 10) == 0
    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(lambda _: store.events.gather(NOW + MINUTE, 10), range(8))) >= 1
    assert [document["_id"] for document in database["events"].find()] == ["e"]
    assert database["users"].count_documents({"new_events": {"$exists": True}}) == 0
    assert store.events.gather(NOW + DAY, 10) == 0


@pytest.mark.usefixtures("crashed")
def test_the_event_of_a_process_that_died_is_made_anonymous_and_outlives_its_user(store: Store) -> None:
    store.events.anonymise_some(USER.id, after=None, limit=10)
    store.users.remove(USER.id)
    assert events_of(store) == [replace(an_event("e"), ip=None, user_agent=None, details={})]


@pytest.mark.usefixtures("crashed")
def test_a_user_is_not_removed_before_the_event_of_a_process_that_died_is_moved(store: Store) -> None:
    store.users.remove(USER.id)
    assert events_of(store) == [an_event("e")]


@pytest.mark.usefixtures("crashed")
def test_another_change_moves_its_own_events_and_leaves_no_other_behind(store: Store) -> None:
    assert store.users.save(Account(USER, "newer", revision=1), [an_event("f")])
    assert [event.id for event in events_of(store)] == ["f", "e"]


def test_nothing_of_an_event_stays_in_the_account_once_it_is_moved(
    store: Store, database: Database[dict[str, Any]]
) -> None:
    store.users.add(Account(a_user(), HASH), [replace(an_event("d"), user_id="eve")])
    assert store.users.save(Account(USER, "new"), [an_event("e"), an_event("f")])
    assert sorted(document["_id"] for document in database["events"].find()) == ["d", "e", "f"]
    assert database["users"].count_documents({"new_events": {"$exists": True}}) == 0


@pytest.mark.parametrize("collection", ["events", "users"])
def test_an_event_that_comes_while_another_is_moved_is_not_lost(
    uri: str, store: Store, database: Database[dict[str, Any]], collection: str
) -> None:
    def another() -> None:
        """Another request, which dies before it moves its event."""
        document = {"_id": "f", "user_id": USER.id, "action": "email.changed", "at": NOW, "expires_at": NOW + DAY}
        database["users"].update_one({}, {"$push": {"new_events": document}})

    database["users"].update_one({}, {"$push": {"new_events": {**EVENT_E}}})
    listener = AtCommand("insert" if collection == "events" else "update", collection, another)
    with watched(uri, listener, database.name) as slow:
        assert [event.id for event in slow.events.page_of(USER.id, before=None, limit=10)] == ["e"]
    assert [event.id for event in events_of(store)] == ["f", "e"]


@pytest.mark.usefixtures("store")
def test_two_who_move_their_events_at_once_leave_nothing_behind(uri: str, database: Database[dict[str, Any]]) -> None:
    def another(operator: str, what: dict[str, Any]) -> Callable[[], object]:
        return lambda: database["users"].update_one({}, {operator: {"new_events": what}})

    # Each finds the event of the other and so takes its own alone.
    event_f = {**EVENT_E, "_id": "f"}
    listener = AtCommand("update", "users", another("$push", event_f), then=another("$pull", {"_id": "f"}))
    database["users"].update_one({}, {"$push": {"new_events": {**EVENT_E}}})
    with watched(uri, listener, database.name) as slow:
        assert [event.id for event in slow.events.page_of(USER.id, before=None, limit=10)] == ["e"]
    assert database["users"].count_documents({"new_events": {"$exists": True}}) == 0


def test_an_empty_list_that_a_crash_left_is_in_nobodys_way(store: Store, database: Database[dict[str, Any]]) -> None:
    database["users"].update_one({}, {"$set": {"new_events": []}})
    assert events_of(store) == []
    assert database["users"].count_documents({"new_events": {"$exists": True}}) == 0


EVENT_E = {"_id": "e", "user_id": USER.id, "action": "password.changed", "at": NOW, "expires_at": NOW + DAY}


def test_a_change_that_is_done_succeeds_though_its_event_cannot_be_moved_yet() -> None:
    require(mongo.missing())
    with mongo.mongo_server("h2") as server:
        uri = server.create_database()
        name = uri.rpartition("/")[2].partition("?")[0]
        with watched(uri, AtCommand("insert", "events", server.stop), name) as store:
            store.users.add(Account(USER, HASH))
            assert store.users.save(Account(USER, "new"), [an_event("e")])
            server.start()
            assert events_of(store) == [an_event("e")]
