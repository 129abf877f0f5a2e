"""What every store promises about requests for mail."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from app.accounts.mail_requests.model import MailRequest, PendingRegistration
from app.platform.identifiers import new_id
from tests.contract.entities import DAY, HASH, MINUTE, NOW
from tests.contract.races import InProcesses, InThreads
from tests.stores import Store

REGISTRATION = PendingRegistration("Ada_L", "Ada Lovelace 🧮, Gräfin", password_hash=HASH)
KEY = "ada@example.org"
LATER = NOW + 5 * MINUTE
MILLISECOND = timedelta(milliseconds=1)


def added(store: Store, **fields: Any) -> MailRequest:
    """A request that was added, for a reset code, due at NOW for a day, unless `fields` say otherwise."""
    plain: dict[str, Any] = {
        "id": new_id(),
        "kind": "reset",
        "email": KEY,
        "created_at": NOW,
        "expires_at": NOW + DAY,
        "due_at": NOW,
    }
    request = MailRequest(**plain | fields)
    store.mail_requests.add(request)
    return request


def due_at(store: Store, request: MailRequest) -> datetime | None:
    found = store.mail_requests.get(request.id)
    assert found is not None
    return found.due_at


@pytest.mark.parametrize("registration", [None, REGISTRATION, PendingRegistration(password_hash=HASH)])
@pytest.mark.parametrize("due", [NOW, None])
def test_a_request_comes_back_as_it_was_added(
    store: Store, registration: PendingRegistration | None, due: datetime | None
) -> None:
    request = added(
        store, kind="register", email="Ada@Bücher.example", due_at=due, attempts=3, registration=registration
    )
    found = store.mail_requests.get(request.id)
    assert found == request
    assert found.expires_at.isoformat() == (NOW + DAY).isoformat()


def test_an_expired_request_comes_back_and_an_unknown_one_does_not(store: Store) -> None:
    request = added(store, expires_at=NOW - DAY)
    assert store.mail_requests.get(request.id) == request
    assert store.mail_requests.get(new_id()) is None


def test_the_registrations_of_an_address_come_oldest_first(store: Store) -> None:
    first, second, third = (added(store, kind="register", registration=REGISTRATION) for _ in range(3))
    assert store.mail_requests.registrations(KEY, NOW, 10) == [first, second, third]
    assert store.mail_requests.registrations(KEY, NOW, 2) == [first, second]


def test_an_address_is_compared_by_its_key(store: Store) -> None:
    request = added(store, kind="register", email="Ada@Bücher.Example", registration=REGISTRATION)
    assert store.mail_requests.registrations("ada@xn--bcher-kva.example", NOW, 10) == [request]
    assert store.mail_requests.registrations("Ada@Bücher.Example", NOW, 10) == []


def test_other_kinds_and_other_addresses_are_not_registrations_of_an_address(store: Store) -> None:
    added(store, kind="reset")
    added(store, kind="verify")
    added(store, kind="register", email="eve@example.org", registration=REGISTRATION)
    assert store.mail_requests.registrations(KEY, NOW, 10) == []


def test_a_registration_counts_until_it_expires(store: Store) -> None:
    request = added(store, kind="register", due_at=None, expires_at=LATER, registration=REGISTRATION)
    assert store.mail_requests.registrations(KEY, LATER - MILLISECOND, 10) == [request]
    assert store.mail_requests.registrations(KEY, LATER, 10) == []


def test_requests_are_due_from_their_time_on_the_longest_due_first(store: Store) -> None:
    last, first, between = (added(store, due_at=NOW + minutes * MINUTE) for minutes in (3, 1, 2))
    added(store, due_at=None)
    assert store.mail_requests.due(NOW + MINUTE - MILLISECOND, 10) == []
    assert store.mail_requests.due(NOW + MINUTE, 10) == [first]
    assert store.mail_requests.due(NOW + 9 * MINUTE, 10) == [first, between, last]
    assert store.mail_requests.due(NOW + 9 * MINUTE, 2) == [first, between]


def test_a_request_that_was_taken_up_is_due_again_at_its_new_time(store: Store) -> None:
    request = added(store, kind="register", registration=REGISTRATION)
    assert store.mail_requests.reschedule(request, LATER, 1)
    assert store.mail_requests.get(request.id) == replace(request, due_at=LATER, attempts=1)
    assert store.mail_requests.due(LATER - MILLISECOND, 10) == []
    assert store.mail_requests.due(LATER, 10) == [replace(request, due_at=LATER, attempts=1)]


def test_a_request_that_another_took_up_cannot_be_rescheduled(store: Store) -> None:
    request = added(store)
    taken = replace(request, due_at=LATER, attempts=1)
    assert store.mail_requests.reschedule(request, LATER, 1)
    assert not store.mail_requests.reschedule(request, LATER + MINUTE, 2)
    assert not store.mail_requests.reschedule(replace(request, due_at=None), LATER + MINUTE, 2)
    assert store.mail_requests.get(request.id) == taken
    assert store.mail_requests.reschedule(taken, LATER + MINUTE, 2)


def test_a_request_that_only_waits_can_be_made_due_again(store: Store) -> None:
    request = added(store)
    waiting = replace(request, due_at=None, attempts=1)
    assert store.mail_requests.reschedule(request, None, 1)
    assert store.mail_requests.get(request.id) == waiting
    assert store.mail_requests.due(NOW + DAY, 10) == []
    assert not store.mail_requests.reschedule(request, LATER, 2)
    assert store.mail_requests.reschedule(waiting, LATER, 2)
    assert due_at(store, request) == LATER


def test_rescheduling_touches_no_other_request(store: Store) -> None:
    request, other = added(store), added(store)
    assert store.mail_requests.reschedule(request, LATER, 1)
    assert store.mail_requests.get(other.id) == other


def test_a_request_that_is_gone_can_be_neither_rescheduled_nor_removed(store: Store) -> None:
    request, other = added(store), added(store)
    assert store.mail_requests.remove(request.id)
    assert not store.mail_requests.remove(request.id)
    assert not store.mail_requests.reschedule(request, LATER, 1)
    assert store.mail_requests.get(request.id) is None
    assert store.mail_requests.get(other.id) == other


def test_a_purge_deletes_only_requests_that_have_expired(store: Store) -> None:
    requests = [added(store, expires_at=at) for at in (NOW - DAY, NOW, NOW + MILLISECOND)]
    assert store.mail_requests.delete_expired(NOW, 10) == 2
    assert store.mail_requests.delete_expired(NOW, 10) == 0
    assert [store.mail_requests.get(request.id) for request in requests] == [None, None, requests[2]]


def test_a_purge_of_requests_deletes_no_more_than_its_limit(store: Store) -> None:
    for _ in range(5):
        added(store, expires_at=NOW)
    assert [store.mail_requests.delete_expired(NOW, 2) for _ in range(4)] == [2, 2, 1, 0]


@pytest.mark.parametrize("due", [NOW, None])
def test_of_sixteen_workers_that_see_a_request_one_takes_it_up(
    store: Store, in_threads: InThreads, due: datetime | None
) -> None:
    request = added(store, due_at=due)
    results = in_threads(lambda number: store.mail_requests.reschedule(request, LATER + number * MINUTE, number))
    assert results.count(True) == 1
    winner = results.index(True)
    taken = replace(request, due_at=LATER + winner * MINUTE, attempts=winner)
    assert store.mail_requests.get(request.id) == taken


def test_of_sixteen_threads_removing_a_request_one_succeeds(store: Store, in_threads: InThreads) -> None:
    request = added(store)
    assert in_threads(lambda _: store.mail_requests.remove(request.id)).count(True) == 1


def take_up(store: Store, number: int, turn: int) -> bool:
    seen = MailRequest(f"request {turn}", "reset", KEY, NOW, NOW + DAY, NOW)
    return store.mail_requests.reschedule(seen, LATER + number * MINUTE, number)


def test_of_four_processes_that_see_a_request_due_one_takes_it_up(store: Store, in_processes: InProcesses) -> None:
    requests = [added(store, id=f"request {turn}") for turn in range(8)]
    for request, results in zip(requests, in_processes(take_up), strict=True):
        assert results.count(True) == 1
        assert due_at(store, request) == LATER + results.index(True) * MINUTE
