"""What every store promises about logins by mail."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import uuid4

from app.mail_login.model import MailLogin
from app.platform.identifiers import new_id
from tests.contract.entities import DAY, MINUTE, NOW, a_mail_login
from tests.contract.races import THREADS, InProcesses, InThreads
from tests.stores import Store

MILLISECOND = timedelta(milliseconds=1)
MOST = 5
NOBODY = str(uuid4())


def added(store: Store, **fields: object) -> MailLogin:
    login = a_mail_login(**fields)
    store.mail_logins.add(login)
    return login


def test_a_login_comes_back_as_it_was_added(store: Store) -> None:
    plain = added(store)
    whole = added(
        store, email="a" * 64 + "@" + "b" * 255, device="é" * 512, due_at=None, attempts=2, user_id=new_id(),
        auth_epoch=0, tries=3,
    )  # fmt: skip
    assert store.mail_logins.find(plain.id, NOW) == plain
    assert store.mail_logins.find(whole.id, NOW) == whole


def test_a_login_is_there_until_it_expires(store: Store) -> None:
    login = added(store, expires_at=NOW + MINUTE)
    assert store.mail_logins.find(login.id, NOW + MINUTE - MILLISECOND) == login
    assert store.mail_logins.find(login.id, NOW + MINUTE) is None
    assert store.mail_logins.find(NOBODY, NOW) is None


def test_logins_are_due_from_their_time_on_the_longest_due_first(store: Store) -> None:
    last, first, between = (added(store, due_at=NOW + minutes * MINUTE) for minutes in (3, 1, 2))
    added(store, due_at=None)
    assert store.mail_logins.due(NOW + MINUTE - MILLISECOND, 10) == []
    assert store.mail_logins.due(NOW + 9 * MINUTE, 10) == [first, between, last]
    assert store.mail_logins.due(NOW + 9 * MINUTE, 2) == [first, between]


def test_a_login_that_another_took_up_cannot_be_rescheduled(store: Store) -> None:
    login = added(store)
    assert store.mail_logins.reschedule(login, NOW + MINUTE, 1)
    assert not store.mail_logins.reschedule(login, NOW + DAY, 2)
    assert not store.mail_logins.reschedule(replace(login, due_at=None), NOW + DAY, 2)
    taken = replace(login, due_at=NOW + MINUTE, attempts=1)
    assert store.mail_logins.find(login.id, NOW) == taken
    assert store.mail_logins.reschedule(taken, None, 1)
    assert store.mail_logins.find(login.id, NOW) == replace(taken, due_at=None)
    assert store.mail_logins.due(NOW + DAY, 10) == []
    assert not store.mail_logins.reschedule(replace(login, id=NOBODY), None, 1)


def test_a_login_is_bound_once(store: Store) -> None:
    login, ann, eve = added(store), new_id(), new_id()
    assert store.mail_logins.bind(login.id, ann, 7)
    assert not store.mail_logins.bind(login.id, eve, 0)
    assert not store.mail_logins.bind(login.id, ann, 8)
    assert store.mail_logins.find(login.id, NOW) == replace(login, user_id=ann, auth_epoch=7)
    assert not store.mail_logins.bind(NOBODY, ann, 7)


def test_tries_are_counted_up_to_the_most(store: Store) -> None:
    login, other = added(store), added(store)
    assert [store.mail_logins.count_try(login.id, MOST) for _ in range(MOST + 2)] == [True] * MOST + [False] * 2
    assert store.mail_logins.find(login.id, NOW) == replace(login, tries=MOST)
    assert store.mail_logins.find(other.id, NOW) == other
    assert not store.mail_logins.count_try(NOBODY, MOST)


def test_a_login_is_taken_once(store: Store) -> None:
    login, other = added(store), added(store)
    assert store.mail_logins.take(login.id)
    assert not store.mail_logins.take(login.id)
    assert store.mail_logins.find(login.id, NOW) is None
    assert store.mail_logins.find(other.id, NOW) == other


def test_the_logins_of_a_user_are_deleted_a_few_at_a_time(store: Store) -> None:
    ann = new_id()
    kept = [added(store), added(store, user_id=new_id(), auth_epoch=0)]
    for _ in range(3):
        added(store, user_id=ann, auth_epoch=0)
    assert [store.mail_logins.remove_some_of(ann, 2) for _ in range(3)] == [2, 1, 0]
    assert [store.mail_logins.find(login.id, NOW) for login in kept] == kept


def test_expired_logins_are_deleted(store: Store) -> None:
    kept = added(store, expires_at=NOW + MINUTE)
    for _ in range(3):
        added(store, expires_at=NOW)
    assert [store.mail_logins.delete_expired(NOW, 2) for _ in range(3)] == [2, 1, 0]
    assert store.mail_logins.find(kept.id, NOW) == kept


def test_of_all_that_try_at_once_as_many_may_as_tries_are_left(store: Store, in_threads: InThreads) -> None:
    login = added(store)
    assert sum(in_threads(lambda _: store.mail_logins.count_try(login.id, MOST))) == MOST


def test_of_all_that_take_up_or_bind_a_login_at_once_one_does(store: Store, in_threads: InThreads) -> None:
    login = added(store)
    taken_up = in_threads(lambda number: store.mail_logins.reschedule(login, NOW + (number + 1) * MINUTE, 1))
    bound = in_threads(lambda number: store.mail_logins.bind(login.id, new_id(), number))
    assert sorted(taken_up) == sorted(bound) == [False] * (THREADS - 1) + [True]


def test_of_all_that_take_a_login_at_once_one_gets_it(store: Store, in_threads: InThreads) -> None:
    for _ in range(4):
        login = added(store)
        results = in_threads(lambda _, login=login: store.mail_logins.take(login.id))  # type: ignore[misc]
        assert sorted(results) == [False] * (THREADS - 1) + [True]


def take_in_turn(ids: list[str], store: Store, _number: int, rounds: int) -> bool:
    return store.mail_logins.take(ids[rounds])


def test_a_login_is_taken_by_one_instance(store: Store, in_processes: InProcesses) -> None:
    ids = [added(store).id for _ in range(8)]
    for results in in_processes(partial(take_in_turn, ids)):
        assert results.count(True) == 1
