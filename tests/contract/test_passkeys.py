"""What every store promises about passkeys."""

from functools import partial

from app.accounts.account import Account
from app.accounts.factors import ListedPasskey
from app.accounts.model import User
from app.factors.passkeys.model import Passkey
from app.platform.identifiers import new_id
from tests.contract.entities import HASH, MINUTE, NOW, a_passkey, a_user
from tests.contract.races import THREADS, InProcesses, InThreads
from tests.stores import Store


def added(store: Store, user: User, **fields: object) -> Passkey:
    passkey = a_passkey(user, **fields)
    assert store.passkeys.add(passkey)
    return passkey


def test_a_passkey_comes_back_as_it_was_added(store: Store, ann: User) -> None:
    plain = added(store, ann, transports=())
    whole = added(
        store, ann, credential_id="i" * 1364, public_key="k" * 2048, rp_id="r" * 253, transports=("x" * 32,) * 10,
        backup_eligible=True, backed_up=True, sign_count=2**32 - 1, last_used_at=NOW + MINUTE,
    )  # fmt: skip
    assert store.passkeys.find(plain.credential_digest) == plain
    assert store.passkeys.find(whole.credential_digest) == whole
    assert store.passkeys.find("f" * 64) is None


def test_the_passkeys_of_a_user_come_in_the_order_in_which_they_were_made(store: Store, ann: User) -> None:
    eve = a_user(username="eve")
    store.users.add(Account(eve, HASH))
    first, _, second = added(store, ann), added(store, eve), added(store, ann)
    assert store.passkeys.of_user(ann.id) == [first, second]
    assert store.passkeys.of_user(new_id()) == []


def test_a_credential_belongs_to_one_passkey_whose_ever_it_is(store: Store, ann: User) -> None:
    eve = a_user(username="eve")
    store.users.add(Account(eve, HASH))
    passkey = added(store, ann)
    for user in (ann, eve):
        assert not store.passkeys.add(a_passkey(user, credential_digest=passkey.credential_digest))
    assert store.passkeys.find(passkey.credential_digest) == passkey
    store.passkeys.remove(passkey.id)
    added(store, eve, credential_digest=passkey.credential_digest)


def test_a_use_is_recorded_if_its_count_is_higher(store: Store, ann: User) -> None:
    passkey, other = added(store, ann, backup_eligible=True), added(store, ann)
    record = partial(store.passkeys.record_use, passkey.id, now=NOW + MINUTE)
    assert record(7, backed_up=True)
    assert [record(count, backed_up=False) for count in (7, 6, 0)] == [False] * 3
    found = store.passkeys.find(passkey.credential_digest)
    assert found is not None
    assert (found.sign_count, found.backed_up, found.last_used_at) == (7, True, NOW + MINUTE)
    assert record(2**32 - 1, backed_up=False)
    assert store.passkeys.find(other.credential_digest) == other
    assert not store.passkeys.record_use(new_id(), 1, backed_up=False, now=NOW)


def test_a_use_of_one_that_does_not_count_is_recorded_each_time(store: Store, ann: User) -> None:
    passkey = added(store, ann)
    for minute in range(3):
        assert store.passkeys.record_use(passkey.id, 0, backed_up=bool(minute), now=NOW + minute * MINUTE)
        found = store.passkeys.find(passkey.credential_digest)
        assert found is not None
        assert (found.sign_count, found.backed_up, found.last_used_at) == (0, bool(minute), NOW + minute * MINUTE)


def test_passkeys_are_counted_by_their_rp_id(store: Store, ann: User) -> None:
    assert store.passkeys.rp_ids() == {}
    for rp_id in ("example.com", "auth.example.com", "example.com"):
        added(store, ann, rp_id=rp_id)
    assert store.passkeys.rp_ids() == {"example.com": 2, "auth.example.com": 1}


def test_a_passkey_is_removed_and_those_of_a_user_a_few_at_a_time(store: Store, ann: User) -> None:
    eve = a_user(username="eve")
    store.users.add(Account(eve, HASH))
    kept = added(store, eve)
    gone, *_ = [added(store, ann) for _ in range(4)]
    store.passkeys.remove(gone.id)
    store.passkeys.remove(gone.id)
    assert store.passkeys.find(gone.credential_digest) is None
    assert [store.passkeys.remove_some_of(ann.id, 2) for _ in range(3)] == [2, 1, 0]
    assert store.passkeys.of_user(eve.id) == [kept]


def test_of_all_that_record_one_count_at_once_one_succeeds(store: Store, ann: User, in_threads: InThreads) -> None:
    passkey = added(store, ann)
    for count in range(1, 5):
        recorded = in_threads(
            lambda _, count=count: store.passkeys.record_use(passkey.id, count, backed_up=False, now=NOW)  # type: ignore[misc]
        )
        assert sorted(recorded) == [False] * (THREADS - 1) + [True]


def record_in_turn(passkey_id: str, store: Store, _number: int, rounds: int) -> bool:
    return store.passkeys.record_use(passkey_id, rounds + 1, backed_up=False, now=NOW)


def test_a_count_is_recorded_by_one_instance(store: Store, ann: User, in_processes: InProcesses) -> None:
    passkey = added(store, ann)
    for results in in_processes(partial(record_in_turn, passkey.id)):
        assert results.count(True) == 1


def test_of_all_that_add_one_credential_at_once_one_succeeds(store: Store, ann: User, in_threads: InThreads) -> None:
    for _ in range(4):
        digest = a_passkey(ann).credential_digest
        results = in_threads(lambda _, digest=digest: store.passkeys.add(a_passkey(ann, credential_digest=digest)))  # type: ignore[misc]
        assert sorted(results) == [False] * (THREADS - 1) + [True]


def test_a_login_sees_in_one_read_that_the_account_lists_a_passkey(store: Store) -> None:
    user = a_user(username="ann")
    store.users.add(Account(user, HASH, passkeys=(ListedPasskey(new_id(), "My phone"),)))
    found = store.users.credentials_by_username("ann")
    assert found is not None
    assert (found.password_hash, found.factors) == (HASH, ("passkey",))
