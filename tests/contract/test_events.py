"""What every store promises about audit events."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.accounts.account import Account
from app.accounts.model import Status
from app.audit.model import AuditEvent
from app.platform.devices import LONGEST_USER_AGENT
from app.platform.identifiers import new_id
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_user
from tests.contract.races import InProcesses, InThreads
from tests.stores import Store

ADA, EVE = new_id(), new_id()
MILLISECOND = timedelta(milliseconds=1)


def added(store: Store, user_id: str = ADA, **fields: Any) -> AuditEvent:
    """An event that was added: a changed password, kept for a year, unless `fields` say otherwise."""
    plain: dict[str, Any] = {
        "id": new_id(),
        "user_id": user_id,
        "action": "password.changed",
        "at": NOW,
        "ip": "2001:db8::1",
        "user_agent": "curl/8.5.0",
        "expires_at": NOW + 365 * DAY,
        "details": {"by": "user"},
    }
    event = AuditEvent(**plain | fields)
    store.events.add(event)
    return event


def all_of(store: Store, user_id: str = ADA) -> list[AuditEvent]:
    return store.events.page_of(user_id, before=None, limit=100)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"actor_id": EVE},
        {"ip": None, "user_agent": None, "details": {}},
        {"ip": "", "user_agent": "", "details": {"": ""}},
        {"user_agent": "x" * LONGEST_USER_AGENT, "details": {"name": "Gräfin 🧮\n", "at": "x" * 70_000}},
    ],
    ids=["whole", "of another", "bare", "empty", "long"],
)
def test_an_event_comes_back_as_it_was_added(store: Store, fields: dict[str, Any]) -> None:
    event = added(store, **fields)
    [found] = all_of(store)
    assert found == event
    assert found.at.isoformat() == NOW.isoformat()


def test_the_events_of_a_user_come_newest_first(store: Store) -> None:
    ids = [new_id() for _ in range(3)]
    second, third, first = (added(store, id=ids[number], at=NOW) for number in (1, 2, 0))
    assert all_of(store) == [third, second, first]
    assert store.events.page_of(ADA, before=None, limit=2) == [third, second]


def test_users_have_only_their_own_events(store: Store) -> None:
    theirs = added(store, EVE)
    ours = added(store, ADA)
    assert all_of(store, ADA) == [ours]
    assert store.events.page_of(EVE, before=ours.id, limit=10) == [theirs]
    assert all_of(store, new_id()) == []


def test_a_page_continues_after_the_given_event(store: Store) -> None:
    events = [added(store) for _ in range(4)]
    assert store.events.page_of(ADA, before=events[3].id, limit=2) == [events[2], events[1]]
    assert store.events.page_of(ADA, before=events[1].id, limit=2) == [events[0]]
    assert store.events.page_of(ADA, before=events[0].id, limit=2) == []


def test_pages_neither_skip_nor_repeat_an_event_while_others_come(store: Store) -> None:
    events = [added(store) for _ in range(7)]
    seen: list[AuditEvent] = []
    before: str | None = None
    while page := store.events.page_of(ADA, before=before, limit=2):
        seen += page
        before = page[-1].id
        added(store)
        added(store, EVE)
    assert seen == events[::-1]


def test_what_is_purged_between_two_pages_hides_no_other_event(store: Store) -> None:
    events = [added(store, expires_at=NOW if number in {2, 3} else NOW + DAY) for number in range(5)]
    first = store.events.page_of(ADA, before=None, limit=2)
    assert store.events.delete_expired(NOW, 10) == 2
    assert [*first, *store.events.page_of(ADA, before=first[-1].id, limit=10)] == [events[n] for n in (4, 3, 1, 0)]


def test_anonymised_events_keep_only_identifiers(store: Store) -> None:
    events = [added(store, actor_id=EVE), added(store, details={}), added(store, ip=None)]
    theirs = added(store, EVE)
    assert store.events.anonymise_some(ADA, after=None, limit=10) is None
    assert all_of(store) == [replace(event, ip=None, user_agent=None, details={}) for event in reversed(events)]
    assert all_of(store, EVE) == [theirs]


def test_anonymising_again_changes_nothing(store: Store) -> None:
    added(store)
    store.events.anonymise_some(ADA, after=None, limit=10)
    anonymised = all_of(store)
    assert store.events.anonymise_some(ADA, after=None, limit=10) is None
    assert all_of(store) == anonymised
    assert store.events.anonymise_some(EVE, after=None, limit=10) is None


def test_events_are_anonymised_in_pieces(store: Store) -> None:
    events = [added(store) for _ in range(5)]
    assert store.events.anonymise_some(ADA, after=None, limit=2) == events[1].id
    assert [event.ip for event in all_of(store)[::-1]] == [None, None, *[events[0].ip] * 3]
    assert store.events.anonymise_some(ADA, after=events[1].id, limit=2) == events[3].id
    assert store.events.anonymise_some(ADA, after=events[3].id, limit=2) is None
    assert {event.ip for event in all_of(store)} == {None}


def recorded(store: Store, user_id: str, **fields: str) -> bool:
    """Whether an event was recorded; the event says where it happened."""
    plain: dict[str, Any] = {"id": new_id(), "user_id": user_id, "action": "session.opened", "at": NOW}
    where = {"ip": "2001:db8::1", "user_agent": "curl/8.5.0", "details": {"by": "user"}}
    return store.events.record(AuditEvent(**plain | where | {"expires_at": NOW + DAY} | fields))


@pytest.mark.parametrize("status", ["active", "disabled", "invited"])
def test_an_event_is_recorded_for_an_existing_user_whatever_the_status(store: Store, status: Status) -> None:
    user = a_user(status=status)
    store.users.add(Account(user, HASH))
    assert recorded(store, user.id, actor_id=EVE)
    [event] = all_of(store, user.id)
    assert event.actor_id == EVE
    assert (event.ip, event.user_agent, event.details) == ("2001:db8::1", "curl/8.5.0", {"by": "user"})


def test_nothing_is_recorded_about_deleted_or_missing_users(store: Store) -> None:
    deleted = a_user(status="deleted")
    store.users.add(Account(deleted, None))
    assert not recorded(store, deleted.id)
    assert not recorded(store, ADA)
    assert all_of(store, deleted.id) == all_of(store) == []


def test_an_identifier_is_recorded_once(store: Store) -> None:
    user = a_user()
    store.users.add(Account(user, HASH))
    event_id = new_id()
    assert recorded(store, user.id, id=event_id)
    assert not recorded(store, user.id, id=event_id, action="password.changed")
    assert [event.action for event in all_of(store, user.id)] == ["session.opened"]


def test_of_sixteen_threads_recording_one_identifier_one_succeeds(store: Store, in_threads: InThreads) -> None:
    user = a_user()
    store.users.add(Account(user, HASH))
    event_id = new_id()
    assert in_threads(lambda _: recorded(store, user.id, id=event_id)).count(True) == 1


def test_events_recorded_during_a_deletion_do_not_reveal_where_the_user_was(
    store: Store, in_threads: InThreads
) -> None:
    for _ in range(5):
        account = Account(a_user(), HASH)
        store.users.add(account)

        def act(number: int, account: Account = account) -> None:
            if number == 8:
                deleted = replace(account, user=replace(account.user, status="deleted"), password_hash=None)
                assert store.users.save(deleted)
                store.events.anonymise_some(account.user.id, after=None, limit=100)
            else:
                recorded(store, account.user.id)

        in_threads(act)
        assert {(event.ip, event.user_agent) for event in all_of(store, account.user.id)} <= {(None, None)}


def test_events_outlive_their_user(store: Store) -> None:
    user = a_user(username="ada")
    store.users.add(Account(user, HASH))
    event = added(store, user.id)
    store.users.remove(user.id)
    assert store.users.account(user.id) is None
    assert all_of(store, user.id) == [event]


def test_a_purge_deletes_only_events_that_have_expired(store: Store) -> None:
    last, *_ = (added(store, expires_at=at) for at in (NOW + MILLISECOND, NOW, NOW - DAY))
    assert store.events.delete_expired(NOW, 10) == 2
    assert store.events.delete_expired(NOW, 10) == 0
    assert all_of(store) == [last]


def test_a_purge_of_events_deletes_no_more_than_its_limit(store: Store) -> None:
    for _ in range(5):
        added(store, expires_at=NOW + MINUTE)
    assert [store.events.delete_expired(NOW + MINUTE, 2) for _ in range(4)] == [2, 2, 1, 0]


def test_of_events_that_sixteen_threads_add_at_once_none_is_lost(store: Store, in_threads: InThreads) -> None:
    ids = in_threads(lambda number: added(store, details={"number": str(number)}).id)
    assert [event.id for event in all_of(store)] == sorted(ids, reverse=True)


def add_in_turn(store: Store, number: int, turn: int) -> str:
    return added(store, f"user {turn}", details={"number": str(number)}).id


def test_of_events_that_four_processes_add_at_once_none_is_lost(store: Store, in_processes: InProcesses) -> None:
    for turn, ids in enumerate(in_processes(add_in_turn)):
        assert [event.id for event in all_of(store, f"user {turn}")] == sorted(ids, reverse=True)
