"""What every store promises about the count of visits."""

import pytest

from tests.contract import races
from tests.contract.races import PROCESSES, ROUNDS, InProcesses, InThreads
from tests.stores import Store


def test_visits_are_counted_from_one(store: Store) -> None:
    assert [store.visits.add_one() for _ in range(3)] == [1, 2, 3]


def test_sixteen_concurrent_first_visits_are_all_counted(store: Store, in_threads: InThreads) -> None:
    assert sorted(in_threads(lambda _: store.visits.add_one())) == list(range(1, 17))


@pytest.mark.usefixtures("in_threads")
def test_of_two_hundred_visits_at_once_each_is_counted(store: Store) -> None:
    counted = races.in_threads(lambda _: store.visits.add_one(), 200)
    assert sorted(counted) == list(range(1, 201))


def visit_in_turn(store: Store, _number: int, _turn: int) -> int:
    return store.visits.add_one()


@pytest.mark.usefixtures("store")
def test_of_visits_in_four_processes_each_is_counted(in_processes: InProcesses) -> None:
    counted = [number for numbers in in_processes(visit_in_turn) for number in numbers]
    assert sorted(counted) == list(range(1, PROCESSES * ROUNDS + 1))
