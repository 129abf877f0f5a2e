"""What every store promises about ceremonies."""

from functools import partial

from app.accounts.model import User
from app.factors.ceremonies.model import Ceremony
from app.platform.identifiers import new_id
from tests.contract.entities import MINUTE, NOW, a_ceremony
from tests.contract.races import PROCESSES, ROUNDS, THREADS, InProcesses, InThreads
from tests.stores import Store


def added(store: Store, **fields: object) -> Ceremony:
    ceremony = a_ceremony(**fields)
    store.ceremonies.add(ceremony)
    return ceremony


def test_a_ceremony_is_taken_once_and_comes_back_as_it_was_added(store: Store, ann: User) -> None:
    plain = added(store)
    whole = added(store, purpose="second_factor", owner="f" * 64, user_id=ann.id, expires_at=NOW)
    for ceremony in (plain, whole):
        assert store.ceremonies.take(ceremony.id) == ceremony
        assert store.ceremonies.take(ceremony.id) is None
    assert store.ceremonies.take("f" * 64) is None


def test_the_ceremonies_of_a_user_are_removed_a_few_at_a_time(store: Store, ann: User) -> None:
    nobodys = added(store)
    for _ in range(3):
        added(store, owner=new_id(), user_id=ann.id)
    assert [store.ceremonies.remove_some_of(ann.id, 2) for _ in range(3)] == [2, 1, 0]
    assert store.ceremonies.take(nobodys.id) == nobodys


def test_expired_ceremonies_are_deleted(store: Store) -> None:
    later = added(store, expires_at=NOW + MINUTE)
    for _ in range(3):
        added(store, expires_at=NOW)
    assert [store.ceremonies.delete_expired(NOW, 2) for _ in range(3)] == [2, 1, 0]
    assert store.ceremonies.take(later.id) == later


def test_of_all_that_take_one_ceremony_at_once_one_gets_it(store: Store, in_threads: InThreads) -> None:
    for _ in range(4):
        ceremony = added(store)
        taken = in_threads(lambda _, ceremony=ceremony: store.ceremonies.take(ceremony.id))  # type: ignore[misc]
        assert taken.count(ceremony) == 1
        assert taken.count(None) == THREADS - 1


def take_in_turn(ids: list[str], store: Store, _number: int, rounds: int) -> bool:
    return store.ceremonies.take(ids[rounds]) is not None


def test_a_ceremony_is_taken_by_one_instance(store: Store, in_processes: InProcesses) -> None:
    ids = [added(store).id for _ in range(ROUNDS)]
    for results in in_processes(partial(take_in_turn, ids)):
        assert sorted(results) == [False] * (PROCESSES - 1) + [True]
