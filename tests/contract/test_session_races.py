"""What every store promises when sessions of one user are opened and ended at once, beside changes of the account."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from app.accounts.account import Account
from app.platform.identifiers import new_id
from app.sessions.model import Session
from tests.contract.entities import HASH, MINUTE, NOW, a_session, a_user, an_event
from tests.contract.races import InThreads
from tests.stores import Store, end_sessions, events_of

LATER = NOW + MINUTE
A_MILLISECOND = MINUTE / 60_000
MOST = 3


def added(store: Store, **fields: Any) -> Account:
    account = Account(a_user(**fields), HASH)
    store.users.add(account)
    return account


def opened(store: Store, session: Session, most: int | None = MOST) -> bool:
    return store.sessions.open(
        session, [replace(an_event(session.user_id, "session.opened"), id=session.id)], most=most
    )


def ids_of(store: Store, account: Account) -> list[str]:
    """The live sessions of a user."""
    return [session.id for session in store.sessions.of_user(account.user.id, LATER)]


def change(store: Store, account: Account, step: Callable[[Account], Account]) -> None:
    """Change an account, however often a login comes in between."""
    while not store.users.save(step(account)):
        found = store.users.account(account.user.id)
        assert found is not None
        account = found


def test_of_sixteen_logins_at_the_limit_the_last_ones_have_their_sessions(store: Store, in_threads: InThreads) -> None:
    for _ in range(5):
        account = added(store)
        times = [NOW + number * A_MILLISECOND for number in range(16 + MOST)]
        sessions = [a_session(account.user, created_at=time, last_used_at=time) for time in times]
        for session in sessions[:MOST]:
            assert opened(store, session)

        def act(number: int, sessions: list[Session] = sessions) -> bool:
            return opened(store, sessions[number + MOST])

        assert in_threads(act) == [True] * 16
        ids = ids_of(store, account)
        assert len(ids) == MOST
        assert not set(ids) & {session.id for session in sessions[:MOST]}
        assert {event.id for event in events_of(store, account.user.id)} == {session.id for session in sessions}


def test_of_sixteen_logins_with_room_for_one_session_one_stays(store: Store, in_threads: InThreads) -> None:
    for _ in range(5):
        account = added(store)

        def act(number: int, account: Account = account) -> bool:
            return opened(store, a_session(account.user, last_used_at=NOW - number * A_MILLISECOND), 1)

        assert in_threads(act) == [True] * 16
        assert len(ids_of(store, account)) == 1


@pytest.mark.parametrize("status", ["deleted", "disabled"])
def test_a_login_during_a_deletion_or_disabling_leaves_nothing(
    store: Store, in_threads: InThreads, status: Any
) -> None:
    for _ in range(5):
        account = added(store)
        user_id = account.user.id

        def act(number: int, account: Account = account) -> object:
            if number != 8:
                return opened(store, a_session(account.user, last_used_at=LATER))
            change(store, account, lambda now: replace(now, user=replace(now.user, status=status)))
            return ids_of(store, account)

        after = in_threads(act)[8]
        assert after == ids_of(store, account) == []
        if status == "deleted":  # the erasure begins after that write, and finds all that there is
            store.sessions.end_some_of(user_id, 100)
            store.events.anonymise_some(user_id, after=None, limit=100)
            assert store.sessions.end_some_of(user_id, 100) == 0


def test_an_erasure_during_logins_finds_all_that_they_stored(store: Store, in_threads: InThreads) -> None:
    for _ in range(5):
        account = added(store)
        user_id = account.user.id

        def act(number: int, account: Account = account, user_id: str = user_id) -> None:
            if number == 8:
                change(store, account, lambda now: replace(now, user=replace(now.user, status="deleted")))
                store.sessions.end_some_of(user_id, 100)
                store.events.anonymise_some(user_id, after=None, limit=100)
            else:
                opened(store, a_session(account.user))

        in_threads(act)
        assert store.sessions.end_some_of(user_id, 100) == 0
        assert {(event.ip, event.user_agent) for event in events_of(store, user_id)} <= {(None, None)}


def test_an_erasure_while_sessions_end_finds_all_events_of_it(store: Store, in_threads: InThreads) -> None:
    for _ in range(5):
        account = added(store)
        user_id, sessions = account.user.id, [a_session(account.user) for _ in range(16)]
        for session in sessions:
            assert opened(store, session, None)

        def act(
            number: int, account: Account = account, user_id: str = user_id, sessions: list[Session] = sessions
        ) -> None:
            if number == 8:
                change(store, account, lambda now: replace(now, user=replace(now.user, status="deleted")))
                store.events.anonymise_some(user_id, after=None, limit=100)
            else:
                store.sessions.end(sessions[number].id, user_id, [an_event(user_id, "session.ended")])

        in_threads(act)
        assert {(event.ip, event.user_agent) for event in events_of(store, user_id)} == {(None, None)}


def test_a_login_during_a_change_of_password_leaves_the_sessions_of_the_new_epoch(
    store: Store, in_threads: InThreads
) -> None:
    for _ in range(5):
        account = added(store)
        kept = a_session(account.user, last_used_at=NOW - MINUTE)
        assert opened(store, kept)

        def act(number: int, account: Account = account, kept: Session = kept) -> str | None:
            if number == 8:
                assert end_sessions(store, account.user.id, kept.id)
            # Half of them have verified the new password.
            session = a_session(account.user, auth_epoch=number % 2)
            return session.id if opened(store, session, 16) and number % 2 else None

        new = {opened_id for opened_id in in_threads(act) if opened_id}
        assert set(ids_of(store, account)) == {kept.id, *new}


def test_of_sixteen_ends_of_a_session_at_once_one_counts_and_leaves_its_event(
    store: Store, in_threads: InThreads
) -> None:
    account = added(store)
    session, before = a_session(account.user), store.users.account(account.user.id)
    assert before is not None
    store.sessions.open(session)
    ends = [an_event(account.user.id, "session.ended") for _ in range(16)]
    ended = in_threads(lambda number: store.sessions.end(session.id, account.user.id, [ends[number]]))
    assert ended.count(True) == 1
    assert events_of(store, account.user.id) == [ends[ended.index(True)]]
    assert store.users.account(account.user.id) == replace(
        before, revision=before.revision + 1, user=replace(before.user, last_login_at=NOW)
    )


def test_logins_at_the_limit_and_logouts_of_the_same_sessions_all_have_a_plain_outcome(
    store: Store, in_threads: InThreads
) -> None:
    """A login locks the user, then ends the oldest session; in another order, a logout would deadlock with it."""
    account = added(store)

    def act(number: int) -> bool:
        for _ in range(8 if number < 6 else 0):  # more would wait for a connection, not for each other's locks
            if number % 2:
                assert opened(store, a_session(account.user), 2)
            else:
                for session_id in ids_of(store, account) or [new_id()]:
                    store.sessions.end(session_id, account.user.id, [an_event(account.user.id, "session.ended")])
        return True

    assert all(in_threads(act))
    assert len(ids_of(store, account)) <= 2
