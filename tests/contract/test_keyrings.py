"""What every store promises about the keyring."""

from dataclasses import replace

from app.keys.model import StoredKeyring
from tests.contract.entities import MINUTE, NOW, a_keyring
from tests.contract.races import InProcesses, InThreads
from tests.stores import Store


def test_there_is_no_keyring_before_the_first_start(store: Store) -> None:
    assert store.keyrings.load() is None


def test_a_keyring_comes_back_as_it_was_saved(store: Store) -> None:
    keyring = a_keyring(1, "first", "second")
    assert store.keyrings.save(keyring)
    found = store.keyrings.load()
    assert found == keyring
    assert found.keys[0].created_at.isoformat() == NOW.isoformat()
    assert found.keys[0].signs_from.isoformat() == (NOW + MINUTE).isoformat()


def test_the_secrets_that_leaked_are_kept_with_the_keys_and_stay_when_these_change(store: Store) -> None:
    leaked = ("9fd7f6bb911b2fdd", "0b1c2d3e4f506172")
    assert store.keyrings.save(a_keyring(1, "first"))
    assert store.keyrings.save(replace(a_keyring(2, "second"), leaked=leaked[:1]))
    assert store.keyrings.load() == replace(a_keyring(2, "second"), leaked=leaked[:1])
    assert store.keyrings.save(replace(a_keyring(3, "third"), leaked=leaked))
    assert store.keyrings.load() == replace(a_keyring(3, "third"), leaked=leaked)


def test_a_keyring_without_keys_is_a_keyring(store: Store) -> None:
    assert store.keyrings.save(StoredKeyring(1, ()))
    assert store.keyrings.load() == StoredKeyring(1, ())


def test_the_next_version_takes_the_place_of_the_one_before(store: Store) -> None:
    assert store.keyrings.save(a_keyring(1, "old", "older"))
    assert store.keyrings.save(a_keyring(2, "new"))
    assert store.keyrings.load() == a_keyring(2, "new")


def test_a_stale_version_is_refused_and_changes_nothing(store: Store) -> None:
    for version in (1, 2, 3):
        assert store.keyrings.save(a_keyring(version, f"kid{version}"))
    for version in (1, 2, 3, 5):
        assert not store.keyrings.save(a_keyring(version, "late"))
    assert store.keyrings.load() == a_keyring(3, "kid3")


def test_a_keyring_cannot_begin_with_another_version_than_the_first(store: Store) -> None:
    assert not store.keyrings.save(a_keyring(2, "late"))
    assert store.keyrings.load() is None


def test_of_sixteen_threads_that_make_the_keyring_one_wins(store: Store, in_threads: InThreads) -> None:
    wins = in_threads(lambda number: store.keyrings.save(a_keyring(1, f"kid{number}")))
    assert wins.count(True) == 1
    assert store.keyrings.load() == a_keyring(1, f"kid{wins.index(True)}")


def test_of_sixteen_threads_that_rotate_the_keyring_one_wins(store: Store, in_threads: InThreads) -> None:
    assert store.keyrings.save(a_keyring(1, "old"))
    wins = in_threads(lambda number: store.keyrings.save(a_keyring(2, "old", f"kid{number}")))
    assert wins.count(True) == 1
    assert store.keyrings.load() == a_keyring(2, "old", f"kid{wins.index(True)}")


def make_next(store: Store, number: int, turn: int) -> bool:
    return store.keyrings.save(a_keyring(turn + 1, f"{turn}-{number}"))


def test_of_four_processes_that_make_the_next_keyring_one_wins(store: Store, in_processes: InProcesses) -> None:
    turns = in_processes(make_next)
    assert [wins.count(True) for wins in turns] == [1] * 8
    assert store.keyrings.load() == a_keyring(8, f"7-{turns[-1].index(True)}")
