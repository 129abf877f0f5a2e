"""What every store promises about logins that are not finished."""

from functools import partial

from app.accounts.account import Account
from app.accounts.model import User
from app.platform.identifiers import new_id
from app.sessions.pending_logins.model import PendingLogin
from tests.contract.entities import HASH, MINUTE, NOW, a_pending_login, a_user
from tests.contract.races import THREADS, InProcesses, InThreads
from tests.stores import Store

MOST = 5


def added(store: Store, user: User, **fields: object) -> PendingLogin:
    login = a_pending_login(user, **fields)
    store.pending_logins.add(login)
    return login


def test_a_login_comes_back_as_it_was_added(store: Store, ann: User) -> None:
    plain = added(store, ann)
    whole = added(
        store, ann, auth_epoch=7, amr="pwd otp mfa", opens="invitation", name="email:a@bücher.example",
        device_id=new_id(), tries=3, step="enrol_factor",
    )  # fmt: skip
    assert store.pending_logins.find(plain.id, NOW) == plain
    assert store.pending_logins.find(whole.id, NOW) == whole


def test_a_login_of_a_user_who_is_gone_leads_nowhere(store: Store, ann: User) -> None:
    nobody = a_user(username="gone")
    added(store, nobody)
    store.pending_logins.remove_some_of(nobody.id, 10)
    store.users.add(Account(nobody, HASH))
    assert store.pending_logins.remove_some_of(nobody.id, 10) == store.pending_logins.remove_some_of(ann.id, 10) == 0


def test_a_login_is_there_until_it_expires(store: Store, ann: User) -> None:
    login = added(store, ann, expires_at=NOW + MINUTE)
    assert store.pending_logins.find(login.id, NOW) == login
    assert store.pending_logins.find(login.id, NOW + MINUTE) is None
    assert store.pending_logins.find("f" * 64, NOW) is None


def test_tries_are_counted_up_to_the_most(store: Store, ann: User) -> None:
    login, other = added(store, ann), added(store, ann)
    assert [store.pending_logins.count_try(login.id, MOST) for _ in range(MOST + 2)] == [True] * MOST + [False] * 2
    found = store.pending_logins.find(login.id, NOW)
    assert found is not None
    assert found.tries == MOST
    assert store.pending_logins.find(other.id, NOW) == other
    assert not store.pending_logins.count_try("f" * 64, MOST)


def test_a_login_is_taken_once(store: Store, ann: User) -> None:
    login, other = added(store, ann), added(store, ann)
    assert store.pending_logins.take(login.id)
    assert not store.pending_logins.take(login.id)
    assert store.pending_logins.find(login.id, NOW) is None
    assert store.pending_logins.find(other.id, NOW) == other


def test_the_logins_of_a_user_are_deleted_a_few_at_a_time(store: Store, ann: User) -> None:
    eve = a_user(username="eve")
    store.users.add(Account(eve, HASH))
    kept = added(store, eve)
    for _ in range(3):
        added(store, ann)
    assert [store.pending_logins.remove_some_of(ann.id, 2) for _ in range(3)] == [2, 1, 0]
    assert store.pending_logins.find(kept.id, NOW) == kept


def test_expired_logins_are_deleted(store: Store, ann: User) -> None:
    kept = added(store, ann, expires_at=NOW + MINUTE)
    for _ in range(3):
        added(store, ann, expires_at=NOW)
    assert [store.pending_logins.delete_expired(NOW, 2) for _ in range(3)] == [2, 1, 0]
    assert store.pending_logins.find(kept.id, NOW) == kept


def test_of_all_that_try_at_once_as_many_may_as_tries_are_left(store: Store, ann: User, in_threads: InThreads) -> None:
    login = added(store, ann)
    assert sum(in_threads(lambda _: store.pending_logins.count_try(login.id, MOST))) == MOST


def test_of_all_that_take_a_login_at_once_one_gets_it(store: Store, ann: User, in_threads: InThreads) -> None:
    for _ in range(4):
        login = added(store, ann)
        results = in_threads(lambda _, login=login: store.pending_logins.take(login.id))  # type: ignore[misc]
        assert sorted(results) == [False] * (THREADS - 1) + [True]


def take_in_turn(ids: list[str], store: Store, _number: int, rounds: int) -> bool:
    return store.pending_logins.take(ids[rounds])


def test_a_login_is_taken_by_one_instance(store: Store, ann: User, in_processes: InProcesses) -> None:
    ids = [added(store, ann).id for _ in range(8)]
    for results in in_processes(partial(take_in_turn, ids)):
        assert results.count(True) == 1
