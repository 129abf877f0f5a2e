"""What every store promises about secrets of authenticator apps."""

from functools import partial

from app.accounts.account import Account
from app.accounts.factors import ListedTotp
from app.accounts.model import User
from app.factors.totp_secrets.model import TotpSecret
from app.platform.identifiers import new_id
from tests.contract.entities import HASH, MINUTE, NOW, a_totp_secret, a_user
from tests.contract.races import THREADS, InProcesses, InThreads
from tests.stores import Store

STEP = 58_000_000


def added(store: Store, user: User, **fields: object) -> TotpSecret:
    secret = a_totp_secret(user, **fields)
    store.totp_secrets.add(secret)
    return secret


def test_a_secret_comes_back_as_it_was_added(store: Store, ann: User) -> None:
    plain = added(store, ann)
    whole = added(store, ann, expires_at=NOW, last_step=2**33, last_used_at=NOW + MINUTE)
    assert store.totp_secrets.get(plain.id) == plain
    assert store.totp_secrets.get(whole.id) == whole
    assert store.totp_secrets.get(new_id()) is None


def test_a_secret_of_a_user_who_is_gone_is_no_error(store: Store, ann: User) -> None:
    nobody = a_user(username="gone")
    secret = added(store, nobody)
    store.totp_secrets.remove(secret.id)
    store.users.add(Account(nobody, HASH))
    assert store.totp_secrets.remove_some_of(nobody.id, 10) == store.totp_secrets.remove_some_of(ann.id, 10) == 0


def test_a_step_is_spent_once_and_with_it_all_earlier_ones(store: Store, ann: User) -> None:
    secret, other = added(store, ann, expires_at=NOW + MINUTE), added(store, ann)
    assert store.totp_secrets.spend(secret.id, STEP, NOW)
    assert not store.totp_secrets.spend(secret.id, STEP, NOW)
    assert not store.totp_secrets.spend(secret.id, STEP - 1, NOW)
    assert store.totp_secrets.spend(secret.id, STEP + 1, NOW + MINUTE)
    found = store.totp_secrets.get(secret.id)
    assert found is not None
    assert (found.last_step, found.last_used_at, found.expires_at) == (STEP + 1, NOW + MINUTE, None)
    assert store.totp_secrets.get(other.id) == other
    assert not store.totp_secrets.spend(new_id(), STEP, NOW)


def test_a_secret_is_sealed_anew_if_it_is_still_the_one_that_was_seen(store: Store, ann: User) -> None:
    secret = added(store, ann, last_step=STEP)
    assert store.totp_secrets.reseal(secret, "anew", "b")
    assert not store.totp_secrets.reseal(secret, "late", "c")
    found = store.totp_secrets.get(secret.id)
    assert found is not None
    assert (found.sealed, found.wrapped_by, found.last_step) == ("anew", "b", STEP)


def test_secrets_that_another_key_seals_come_in_the_order_of_their_identifiers(store: Store, ann: User) -> None:
    first, second, third = (added(store, ann, wrapped_by=name) for name in ("a", "b", "a"))
    find = store.totp_secrets.sealed_otherwise
    assert find("b", after="", limit=10) == [first, third]
    assert find("b", after="", limit=1) == [first]
    assert find("b", after=first.id, limit=10) == [third]
    assert find("a", after="", limit=10) == [second]
    assert store.totp_secrets.seals() == {"a": 2, "b": 1}


def test_a_secret_is_removed_and_those_of_a_user_a_few_at_a_time(store: Store, ann: User) -> None:
    eve = a_user(username="eve")
    store.users.add(Account(eve, HASH))
    kept = added(store, eve)
    gone, *_ = [added(store, ann) for _ in range(4)]
    store.totp_secrets.remove(gone.id)
    store.totp_secrets.remove(gone.id)
    assert store.totp_secrets.get(gone.id) is None
    assert [store.totp_secrets.remove_some_of(ann.id, 2) for _ in range(3)] == [2, 1, 0]
    assert store.totp_secrets.get(kept.id) == kept


def test_expired_secrets_are_deleted_and_used_ones_never_expire(store: Store, ann: User) -> None:
    later, used = added(store, ann, expires_at=NOW + MINUTE), added(store, ann, expires_at=NOW)
    store.totp_secrets.spend(used.id, STEP, NOW)
    for _ in range(3):
        added(store, ann, expires_at=NOW)
    assert [store.totp_secrets.delete_expired(NOW, 2) for _ in range(3)] == [2, 1, 0]
    assert store.totp_secrets.get(later.id) == later
    assert store.totp_secrets.get(used.id) is not None


def test_of_all_that_spend_one_step_at_once_one_succeeds(store: Store, ann: User, in_threads: InThreads) -> None:
    secret = added(store, ann)
    for step in range(STEP, STEP + 4):
        spent = in_threads(lambda _, step=step: store.totp_secrets.spend(secret.id, step, NOW))  # type: ignore[misc]
        assert sorted(spent) == [False] * (THREADS - 1) + [True]


def spend_in_turn(secret_id: str, store: Store, _number: int, rounds: int) -> bool:
    return store.totp_secrets.spend(secret_id, STEP + rounds, NOW)


def test_a_step_is_spent_by_one_instance(store: Store, ann: User, in_processes: InProcesses) -> None:
    secret = added(store, ann)
    for results in in_processes(partial(spend_in_turn, secret.id)):
        assert results.count(True) == 1


def test_a_hash_is_replaced_though_it_is_one_factor_of_two(store: Store) -> None:
    """The store marks it, so that a former version lets nobody in by it; nothing else knows of the mark."""
    user = a_user(username="ann")
    store.users.add(Account(user, HASH, totp=(ListedTotp(new_id(), NOW),)))
    found = store.users.credentials_by_username("ann")
    assert found is not None
    assert (found.password_hash, found.factors) == (HASH, ("totp",))
    assert store.users.replace_hash(user.id, HASH, "new")
    assert not store.users.replace_hash(user.id, HASH, "late")
    account = store.users.account(user.id)
    assert account is not None
    assert account.password_hash == "new"
    assert store.users.page_of_hashes(after=None, limit=10) == [(user.id, "new")]
