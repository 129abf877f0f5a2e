"""What every store promises about leases."""

import pytest

from tests.contract.entities import MINUTE, NOW
from tests.contract.races import InProcesses, InThreads
from tests.stores import Store

A_MILLISECOND = MINUTE / 60_000


def test_a_free_job_is_leased_to_the_first_caller(store: Store) -> None:
    assert store.leases.take("purge", holder="a", now=NOW, until=NOW + MINUTE)


def test_a_leased_job_is_refused_to_others_until_the_lease_has_passed(store: Store) -> None:
    assert store.leases.take("purge", holder="a", now=NOW, until=NOW + MINUTE)
    late = NOW + MINUTE - A_MILLISECOND
    assert not store.leases.take("purge", holder="b", now=NOW, until=NOW + 9 * MINUTE)
    assert not store.leases.take("purge", holder="b", now=late, until=NOW + 9 * MINUTE)
    assert store.leases.take("purge", holder="b", now=NOW + MINUTE, until=NOW + 9 * MINUTE)
    assert not store.leases.take("purge", holder="a", now=NOW + MINUTE, until=NOW + 9 * MINUTE)


def test_each_job_has_a_lease_of_its_own(store: Store) -> None:
    assert store.leases.take("purge", holder="a", now=NOW, until=NOW + MINUTE)
    assert store.leases.take("mail", holder="b", now=NOW, until=NOW + MINUTE)


def test_of_sixteen_threads_one_gets_a_lease_and_one_the_next(store: Store, in_threads: InThreads) -> None:
    for start in (NOW, NOW + MINUTE, NOW + 2 * MINUTE):
        until = start + MINUTE
        wins = in_threads(
            lambda number, now=start, until=until: store.leases.take(  # type: ignore[misc] # defaults bind the turn
                "purge", holder=f"{number}", now=now, until=until
            )
        )
        assert wins.count(True) == 1


def take_in_turn(store: Store, number: int, turn: int) -> bool:
    now = NOW + turn * MINUTE
    return store.leases.take("purge", holder=f"{number}", now=now, until=now + MINUTE)


@pytest.mark.usefixtures("store")
def test_of_four_processes_one_gets_a_lease_and_one_the_next(in_processes: InProcesses) -> None:
    assert [wins.count(True) for wins in in_processes(take_in_turn)] == [1] * 8
