"""What every store promises about the counts of failed logins."""

from dataclasses import replace
from datetime import timedelta

from app.throttle.model import FailureCount
from tests.contract.entities import DAY, MINUTE, NOW, a_count
from tests.contract.races import InProcesses, InThreads
from tests.stores import Store

KEY = "0123456789abcdef" * 4
OTHER = "f" * 64
MILLISECOND = timedelta(milliseconds=1)


def count(store: Store, key: str = KEY) -> int:
    found = store.login_failures.get(key)
    return found.count if found else 0


def advance_by_one(store: Store, key: str, *, up_to: int) -> int:
    """Count up to `up_to`, in a race with others; returns how many of its own writes succeeded."""
    wins = 0
    while (seen := store.login_failures.get(key)) is None or seen.count < up_to:
        wins += store.login_failures.advance(key, seen, a_count(seen.count + 1 if seen else 1))
    return wins


def test_a_count_comes_back_as_it_was_put(store: Store) -> None:
    first = FailureCount(1, NOW + MINUTE, NOW + DAY)
    assert store.login_failures.get(KEY) is None
    assert store.login_failures.advance(KEY, None, first)
    found = store.login_failures.get(KEY)
    assert found == first
    assert found.blocked_until.isoformat() == (NOW + MINUTE).isoformat()
    assert found.expires_at.isoformat() == (NOW + DAY).isoformat()


def test_a_count_advances_with_its_times(store: Store) -> None:
    assert store.login_failures.advance(KEY, None, a_count(1))
    second = FailureCount(2, NOW + 2 * MINUTE, NOW + 2 * DAY)
    assert store.login_failures.advance(KEY, a_count(1), second)
    assert store.login_failures.get(KEY) == second


def test_a_count_that_was_not_seen_stays(store: Store) -> None:
    assert store.login_failures.advance(KEY, None, a_count(1))
    for seen in (None, a_count(2), a_count(5), a_count(1, expires_at=NOW + DAY - MILLISECOND)):
        assert not store.login_failures.advance(KEY, seen, a_count(9))
    assert store.login_failures.get(KEY) == a_count(1)


def test_a_count_that_is_not_there_cannot_be_advanced_from(store: Store) -> None:
    assert not store.login_failures.advance(KEY, a_count(1), a_count(2))
    assert store.login_failures.get(KEY) is None


def test_an_expired_count_is_still_returned_and_can_restart_at_one(store: Store) -> None:
    expired = replace(a_count(12), expires_at=NOW - DAY)
    assert store.login_failures.advance(KEY, None, expired)
    assert store.login_failures.get(KEY) == expired
    assert store.login_failures.advance(KEY, expired, a_count(1))
    assert store.login_failures.get(KEY) == a_count(1)


def test_each_key_has_a_count_of_its_own(store: Store) -> None:
    assert store.login_failures.advance(KEY, None, a_count(3))
    assert store.login_failures.advance(OTHER, None, a_count(1))
    assert store.login_failures.clear(OTHER, a_count(1))
    assert (count(store), count(store, OTHER)) == (3, 0)


def test_a_count_is_forgotten_only_if_it_is_still_the_one_seen(store: Store) -> None:
    assert store.login_failures.advance(KEY, None, a_count(3))
    for seen in (a_count(2), a_count(3, expires_at=NOW + DAY - MILLISECOND)):
        assert not store.login_failures.clear(KEY, seen)
    assert count(store) == 3
    assert store.login_failures.clear(KEY, a_count(3))
    assert store.login_failures.get(KEY) is None
    assert not store.login_failures.clear(KEY, a_count(3))


def test_sixteen_threads_that_count_together_lose_no_failure(store: Store, in_threads: InThreads) -> None:
    wins = in_threads(lambda _: advance_by_one(store, KEY, up_to=10))
    assert (sum(wins), count(store)) == (10, 10)


def test_of_sixteen_threads_that_begin_a_count_one_wins(store: Store, in_threads: InThreads) -> None:
    wins = in_threads(lambda number: store.login_failures.advance(KEY, None, a_count(number + 1)))
    assert wins.count(True) == 1
    assert count(store) == wins.index(True) + 1


def test_of_sixteen_threads_that_restart_an_expired_count_one_wins(store: Store, in_threads: InThreads) -> None:
    expired = a_count(1, expires_at=NOW - DAY)
    assert store.login_failures.advance(KEY, None, expired)
    assert in_threads(lambda _: store.login_failures.advance(KEY, expired, a_count(1))).count(True) == 1
    assert store.login_failures.get(KEY) == a_count(1)
    assert not store.login_failures.clear(KEY, expired)


def test_of_sixteen_threads_that_forget_a_count_one_wins(store: Store, in_threads: InThreads) -> None:
    assert store.login_failures.advance(KEY, None, a_count(3))
    assert in_threads(lambda _: store.login_failures.clear(KEY, a_count(3))).count(True) == 1


def count_in_turn(store: Store, number: int, turn: int) -> int:
    del number
    return advance_by_one(store, f"{turn:064}", up_to=6)


def test_four_processes_that_count_together_lose_no_failure(store: Store, in_processes: InProcesses) -> None:
    for wins in in_processes(count_in_turn):
        assert sum(wins) == 6
    assert count(store, f"{0:064}") == 6


def test_a_purge_deletes_only_what_has_expired(store: Store) -> None:
    expiries = [NOW - DAY, NOW, NOW + MINUTE]
    for number, expires_at in enumerate(expiries):
        assert store.login_failures.advance(f"{number:064}", None, a_count(1, expires_at=expires_at))
    assert store.login_failures.delete_expired(NOW, 10) == 2
    assert store.login_failures.delete_expired(NOW, 10) == 0
    assert [count(store, f"{number:064}") for number in range(3)] == [0, 0, 1]


def test_a_purge_deletes_no_more_than_its_limit(store: Store) -> None:
    for number, days in enumerate([1, 1, -1, -1, -1, -1, -1]):
        count = a_count(1, expires_at=NOW + days * DAY)
        assert store.login_failures.advance(f"{number:064}", None, count)
    assert [store.login_failures.delete_expired(NOW, 2) for _ in range(4)] == [2, 2, 1, 0]
