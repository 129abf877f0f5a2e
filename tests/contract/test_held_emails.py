"""What every store promises about addresses that are held for the users who gave them up."""

from datetime import datetime, timedelta

from app.platform.identifiers import new_id
from tests.contract.entities import DAY, MINUTE, NOW
from tests.contract.races import InProcesses, InThreads
from tests.stores import Store

EMAIL = "ada@example.org"
ADA, EVE = new_id(), new_id()
UNTIL = NOW + 7 * DAY
MILLISECOND = timedelta(milliseconds=1)


def hold(store: Store, user_id: str, email: str = EMAIL, *, now: datetime = NOW, until: datetime = UNTIL) -> bool:
    return store.held_emails.hold(email, user_id, now=now, until=until)


def test_an_address_is_held_for_its_user_until_the_hold_expires(store: Store) -> None:
    assert store.held_emails.holder(EMAIL, NOW) is None
    assert hold(store, ADA)
    assert store.held_emails.holder(EMAIL, NOW) == ADA
    assert store.held_emails.holder(EMAIL, UNTIL - MILLISECOND) == ADA
    assert store.held_emails.holder(EMAIL, UNTIL) is None


def test_each_address_is_held_by_itself(store: Store) -> None:
    assert hold(store, ADA)
    assert hold(store, EVE, "eve@example.org")
    assert hold(store, ADA, "ada@example.com")
    store.held_emails.release("ada@example.com", ADA)
    addresses = (EMAIL, "eve@example.org", "ada@example.com", "Ada@example.org")
    assert [store.held_emails.holder(address, NOW) for address in addresses] == [ADA, EVE, None, None]


def test_another_user_gets_an_address_only_when_its_hold_has_expired(store: Store) -> None:
    assert hold(store, ADA)
    later = UNTIL + DAY
    assert not hold(store, EVE, now=UNTIL - MILLISECOND, until=later)
    assert store.held_emails.holder(EMAIL, UNTIL - MILLISECOND) == ADA
    assert store.held_emails.holder(EMAIL, UNTIL) is None
    assert hold(store, EVE, now=UNTIL, until=later)
    assert store.held_emails.holder(EMAIL, later - MILLISECOND) == EVE
    assert store.held_emails.holder(EMAIL, later) is None


def test_a_hold_of_the_same_user_is_prolonged_and_never_shortened(store: Store) -> None:
    assert hold(store, ADA)
    assert hold(store, ADA, until=NOW + MINUTE)
    assert store.held_emails.holder(EMAIL, UNTIL - MILLISECOND) == ADA
    assert hold(store, ADA, until=UNTIL + MINUTE)
    assert store.held_emails.holder(EMAIL, UNTIL) == ADA
    assert store.held_emails.holder(EMAIL, UNTIL + MINUTE) is None


def test_users_can_hold_an_address_again_after_their_hold_expired(store: Store) -> None:
    assert hold(store, ADA)
    assert hold(store, ADA, now=UNTIL + DAY, until=UNTIL + 2 * DAY)
    assert store.held_emails.holder(EMAIL, UNTIL + DAY) == ADA


def test_only_the_holder_releases_an_address(store: Store) -> None:
    assert hold(store, ADA)
    store.held_emails.release(EMAIL, EVE)
    assert store.held_emails.holder(EMAIL, NOW) == ADA
    store.held_emails.release(EMAIL, ADA)
    store.held_emails.release(EMAIL, ADA)
    assert store.held_emails.holder(EMAIL, NOW) is None
    assert hold(store, EVE)


def test_a_purge_deletes_only_holds_that_have_expired(store: Store) -> None:
    for number, until in enumerate([NOW + MINUTE, NOW + 2 * MINUTE, NOW + 2 * MINUTE + MILLISECOND]):
        assert hold(store, ADA, f"{number}@example.org", until=until)
    assert store.held_emails.delete_expired(NOW + 2 * MINUTE, 10) == 2
    assert store.held_emails.delete_expired(NOW + 2 * MINUTE, 10) == 0
    held = [store.held_emails.holder(f"{number}@example.org", NOW) for number in range(3)]
    assert held == [None, None, ADA]


def test_a_purge_of_holds_deletes_no_more_than_its_limit(store: Store) -> None:
    for number in range(5):
        assert hold(store, ADA, f"{number}@example.org", until=NOW + MINUTE)
    assert [store.held_emails.delete_expired(NOW + MINUTE, 2) for _ in range(4)] == [2, 2, 1, 0]


def test_of_sixteen_users_who_hold_an_address_one_gets_it(store: Store, in_threads: InThreads) -> None:
    users = [new_id() for _ in range(16)]
    results = in_threads(lambda number: hold(store, users[number]))
    assert results.count(True) == 1
    assert store.held_emails.holder(EMAIL, NOW) == users[results.index(True)]


def test_of_sixteen_users_who_take_over_an_expired_hold_one_gets_it(store: Store, in_threads: InThreads) -> None:
    assert hold(store, ADA)
    users = [new_id() for _ in range(16)]
    results = in_threads(lambda number: hold(store, users[number], now=UNTIL, until=UNTIL + DAY))
    assert results.count(True) == 1
    assert store.held_emails.holder(EMAIL, UNTIL) == users[results.index(True)]


def test_of_sixteen_holds_by_one_user_the_longest_counts(store: Store, in_threads: InThreads) -> None:
    assert in_threads(lambda number: hold(store, ADA, until=UNTIL + number * MINUTE)) == [True] * 16
    assert store.held_emails.holder(EMAIL, UNTIL + 15 * MINUTE - MILLISECOND) == ADA
    assert store.held_emails.holder(EMAIL, UNTIL + 15 * MINUTE) is None


def hold_in_turn(store: Store, number: int, turn: int) -> bool:
    return hold(store, f"user {number}", f"{turn}@example.org")


def test_of_four_processes_that_hold_an_address_one_gets_it(store: Store, in_processes: InProcesses) -> None:
    for turn, results in enumerate(in_processes(hold_in_turn)):
        assert results.count(True) == 1
        assert store.held_emails.holder(f"{turn}@example.org", NOW) == f"user {results.index(True)}"
