"""What every store promises about sessions after they were opened: found, renewed, listed, ended."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from app.accounts.account import Account
from app.accounts.model import User
from app.platform.identifiers import new_id
from app.sessions.model import LiveSession, Session
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_session, a_user, an_event
from tests.contract.races import InThreads
from tests.contract.subject import ChangeUser
from tests.stores import Store, end_sessions, events_of

LATER = NOW + MINUTE


@pytest.fixture
def user(store: Store) -> User:
    added = a_user(username="ada")
    store.users.add(Account(added, HASH))
    return added


def opened(store: Store, user: User, **fields: object) -> Session:
    session = a_session(user, **fields)
    assert store.sessions.open(session)
    return session


def rotate(store: Store, session: Session, generation: int = 0) -> bool:
    return store.sessions.rotate(session.id, generation, now=LATER, idle_expires_at=LATER + DAY, ip="192.0.2.9")


def test_a_session_is_found_whole_with_its_user(store: Store, user: User) -> None:
    session = opened(store, user)
    assert store.sessions.find_live(session.id, LATER) == LiveSession(session, replace(user, last_login_at=NOW))


def test_a_session_that_is_unknown_idle_or_expired_is_not_found(store: Store, user: User) -> None:
    idle = opened(store, user, idle_expires_at=LATER)
    expired = opened(store, user, expires_at=LATER)
    assert store.sessions.find_live(idle.id, LATER - timedelta(milliseconds=1)) is not None
    assert [store.sessions.find_live(wanted, LATER) for wanted in (idle.id, expired.id, new_id())] == [None] * 3


def test_a_session_of_a_disabled_user_or_an_earlier_epoch_is_not_found(
    store: Store, user: User, change_user: ChangeUser
) -> None:
    session = opened(store, user)
    change_user(user.id, auth_epoch=1)
    assert store.sessions.find_live(session.id, LATER) is None
    change_user(user.id, kept_session=session.id)
    assert store.sessions.find_live(session.id, LATER) is not None
    change_user(user.id, status="disabled")
    assert store.sessions.find_live(session.id, LATER) is None


def test_a_rotation_begins_the_next_generation(store: Store, user: User) -> None:
    session = opened(store, user)
    assert rotate(store, session)
    found = store.sessions.find_live(session.id, LATER)
    assert found is not None
    renewed: dict[str, Any] = {"generation": 1, "rotated_at": LATER, "last_used_at": LATER}
    renewed["idle_expires_at"] = LATER + DAY
    assert found.session == replace(session, ip="192.0.2.9", **renewed)


def test_a_rotation_of_another_generation_or_an_ended_session_changes_nothing(store: Store, user: User) -> None:
    session = opened(store, user)
    assert not rotate(store, session, generation=1)
    assert store.sessions.end(session.id, user.id)
    assert not rotate(store, session)
    assert store.sessions.find_live(session.id, LATER) is None


def test_of_many_rotations_of_a_generation_at_once_one_gets_through(
    store: Store, user: User, in_threads: InThreads
) -> None:
    session = opened(store, user)
    assert sum(in_threads(lambda _: rotate(store, session))) == 1
    found = store.sessions.find_live(session.id, LATER)
    assert found is not None
    assert found.session.generation == 1


def test_only_the_sessions_of_the_user_that_are_live_are_listed_in_their_order(store: Store, user: User) -> None:
    other = a_user(username="grace")
    store.users.add(Account(other, HASH))
    first, _ = opened(store, user), opened(store, user)
    assert end_sessions(store, user.id, first.id)
    second = opened(store, user, auth_epoch=1)
    opened(store, user, auth_epoch=1, idle_expires_at=LATER)
    opened(store, other)
    assert store.sessions.of_user(user.id, LATER) == [first, second]


def test_users_can_end_only_their_own_sessions(store: Store, user: User) -> None:
    session = opened(store, user)
    assert not store.sessions.end(session.id, new_id())
    assert store.sessions.find_live(session.id, LATER) is not None
    assert store.sessions.end(session.id, user.id)
    assert not store.sessions.end(session.id, user.id)
    assert store.sessions.principal(session.id, user.id, LATER) is None


def test_the_end_of_a_session_counts_as_a_change_of_its_account(store: Store, user: User) -> None:
    session, before = opened(store, user), store.users.account(user.id)
    assert before is not None
    assert not store.sessions.end(new_id(), user.id)
    assert store.sessions.end(session.id, user.id)
    assert not store.users.save(before)
    assert store.users.account(user.id) == replace(before, revision=before.revision + 1)


def test_all_sessions_but_the_kept_one_end_with_the_epoch(store: Store, user: User) -> None:
    kept, other = opened(store, user), opened(store, user)
    assert end_sessions(store, user.id, kept.id)
    assert store.sessions.of_user(user.id, LATER) == [kept]
    assert store.sessions.principal(other.id, user.id, LATER) is None
    assert end_sessions(store, user.id, None)
    assert store.sessions.of_user(user.id, LATER) == []


def test_a_session_of_the_new_epoch_is_live_beside_the_kept_one(store: Store, user: User) -> None:
    kept = opened(store, user)
    assert end_sessions(store, user.id, kept.id)
    new = opened(store, user, auth_epoch=1)
    assert store.sessions.of_user(user.id, LATER) == [kept, new]


def test_use_is_noted_and_never_goes_back(store: Store, user: User) -> None:
    session = opened(store, user)
    store.sessions.touch(session.id, LATER)
    store.sessions.touch(session.id, NOW)
    found = store.sessions.principal(session.id, user.id, LATER)
    assert found is not None
    assert found.last_used_at == LATER
    assert found.opened_at == NOW


def test_a_session_says_when_it_was_opened_however_often_it_was_renewed(store: Store, user: User) -> None:
    session = opened(store, user, created_at=NOW - DAY)
    assert rotate(store, session)
    found = store.sessions.principal(session.id, user.id, LATER)
    assert found is not None
    assert (found.opened_at, found.last_used_at) == (NOW - DAY, LATER)


def test_all_sessions_of_a_user_are_deleted_whether_they_are_live_or_not(
    store: Store, user: User, change_user: ChangeUser
) -> None:
    other = a_user(username="grace")
    store.users.add(Account(other, HASH))
    theirs = opened(store, other)
    opened(store, user)
    assert end_sessions(store, user.id, None)
    for fields in ({}, {"idle_expires_at": NOW}, {"expires_at": NOW}):
        opened(store, user, auth_epoch=1, **fields)
    change_user(user.id, status="disabled")
    assert store.sessions.end_some_of(user.id, 100) == 4
    assert store.sessions.end_some_of(user.id, 100) == 0
    assert store.sessions.delete_expired(LATER, 10) == 0
    assert store.sessions.of_user(other.id, LATER) == [theirs]


def test_sessions_of_a_user_end_in_pieces(store: Store, user: User) -> None:
    for _ in range(5):
        assert store.sessions.open(a_session(user))
    assert [store.sessions.end_some_of(user.id, 2) for _ in range(4)] == [2, 2, 1, 0]


def test_the_sessions_used_least_recently_end_first(store: Store, user: User) -> None:
    oldest, used, newest = (opened(store, user) for _ in range(3))
    store.sessions.touch(oldest.id, LATER)
    store.sessions.touch(newest.id, LATER)
    fourth = a_session(user)
    assert store.sessions.open(fourth, most=4)
    assert len(store.sessions.of_user(user.id, LATER)) == 4
    fifth = a_session(user)
    assert store.sessions.open(fifth, most=3)
    used_later = [replace(one, last_used_at=LATER) for one in (oldest, newest)]
    assert store.sessions.of_user(user.id, LATER) == [*used_later, fifth]
    assert store.sessions.find_live(used.id, LATER) is None
    assert store.sessions.find_live(fourth.id, LATER) is None


def test_sessions_that_are_no_longer_live_do_not_count_against_the_limit(store: Store, user: User) -> None:
    kept, *ended = (opened(store, user) for _ in range(3))
    for session in ended:
        store.sessions.touch(session.id, LATER)
    assert end_sessions(store, user.id, kept.id)
    newest = a_session(user, auth_epoch=1)
    assert store.sessions.open(newest, most=2)
    assert store.sessions.of_user(user.id, LATER) == [kept, newest]


def test_a_limit_ends_no_session_of_another_user(store: Store, user: User) -> None:
    other = a_user(username="grace")
    store.users.add(Account(other, HASH))
    theirs = opened(store, other)
    assert store.sessions.open(a_session(user), most=1)
    assert store.sessions.of_user(other.id, LATER) == [theirs]


def test_a_session_is_opened_and_ended_together_with_its_event(store: Store, user: User) -> None:
    session = a_session(user)
    opening, end = an_event(user.id, "session.opened"), an_event(user.id, "session.ended")
    assert store.sessions.open(session, [opening])
    assert events_of(store, user.id) == [opening]
    assert store.sessions.end(session.id, user.id, [end])
    assert events_of(store, user.id) == [end, opening]


def test_what_did_not_end_leaves_no_event(store: Store, user: User, change_user: ChangeUser) -> None:
    session, end = opened(store, user), an_event(user.id, "session.ended")
    assert not store.sessions.end(new_id(), user.id, [end])
    assert not store.sessions.end(session.id, new_id(), [end])
    change_user(user.id, status="deleted")
    assert not store.sessions.end(session.id, user.id, [end])
    assert events_of(store, user.id) == []
