"""What every store promises about sessions."""

from dataclasses import replace

import pytest

from app.accounts.account import Account
from app.accounts.authentication import Authentication
from app.accounts.model import Status, User
from app.accounts.principal import Principal
from app.platform.devices import LONGEST_USER_AGENT
from app.platform.identifiers import new_id
from app.sessions.model import Session
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_session, a_user, an_event
from tests.contract.races import InThreads
from tests.contract.subject import ChangeUser
from tests.stores import Store, events_of

A_MILLISECOND = MINUTE / 60_000


@pytest.fixture
def user(store: Store) -> User:
    """A user who has not logged in yet."""
    added = a_user(email="ada@example.org", username="ada", name="Ada 🧮", roles=("admin", "member"))
    store.users.add(Account(added, HASH))
    return added


@pytest.fixture
def session(store: Store, user: User) -> Session:
    opened = a_session(user)
    store.sessions.open(opened)
    return opened


def is_live(store: Store, session: Session) -> bool:
    """Whether the session is live a minute after it was opened."""
    return store.sessions.principal(session.id, session.user_id, NOW + MINUTE) is not None


def test_a_session_leads_to_its_user(store: Store, user: User, session: Session) -> None:
    logged_in = replace(user, last_login_at=NOW)
    assert store.sessions.principal(session.id, user.id, NOW) == Principal(logged_in, session.id, NOW, NOW)


def test_a_user_with_little_comes_back_with_little(store: Store) -> None:
    user = a_user(username="grace", roles=())
    store.users.add(Account(user, HASH))
    session = a_session(user)
    store.sessions.open(session)
    logged_in = replace(user, last_login_at=NOW)
    assert store.sessions.principal(session.id, user.id, NOW) == Principal(logged_in, session.id, NOW, NOW)


def test_times_come_back_aware_in_utc(store: Store, session: Session) -> None:
    found = store.sessions.principal(session.id, session.user_id, NOW)
    assert found is not None
    assert found.user.created_at.isoformat() == NOW.isoformat()
    assert found.user.last_login_at is not None
    assert found.user.last_login_at.isoformat() == NOW.isoformat()
    assert found.opened_at.isoformat() == NOW.isoformat()


@pytest.mark.parametrize("user_agent", ["", "🧮" * LONGEST_USER_AGENT, "a'b\"c\\d\n$where{}"])
def test_any_user_agent_can_be_kept(store: Store, user: User, user_agent: str) -> None:
    session = a_session(user, user_agent=user_agent, seed=bytes(range(224, 256)))
    store.sessions.open(session)
    assert is_live(store, session)


def test_an_unknown_session_leads_nowhere(store: Store, user: User, session: Session) -> None:
    assert store.sessions.principal(new_id(), user.id, NOW) is None
    assert store.sessions.principal("", user.id, NOW) is None
    assert store.sessions.principal(session.id.upper(), user.id, NOW) is None


def test_a_session_leads_to_no_other_user(store: Store, session: Session) -> None:
    other = a_user(username="eve")
    store.users.add(Account(other, HASH))
    assert store.sessions.principal(session.id, other.id, NOW) is None
    assert store.sessions.principal(session.id, new_id(), NOW) is None


def test_a_session_without_a_user_is_not_valid(store: Store, user: User, session: Session) -> None:
    assert store.sessions.principal(session.id, "", NOW) is None
    assert store.sessions.principal(user.id, session.id, NOW) is None


def test_a_session_is_live_until_it_expires(store: Store, user: User) -> None:
    session = a_session(user, expires_at=NOW + DAY)
    store.sessions.open(session)
    assert store.sessions.principal(session.id, user.id, NOW + DAY - A_MILLISECOND) is not None
    assert store.sessions.principal(session.id, user.id, NOW + DAY) is None
    assert store.sessions.principal(session.id, user.id, NOW + 2 * DAY) is None


def test_a_session_that_has_been_idle_too_long_is_not_live(store: Store, user: User) -> None:
    session = a_session(user, idle_expires_at=NOW + MINUTE)
    store.sessions.open(session)
    assert store.sessions.principal(session.id, user.id, NOW + MINUTE - A_MILLISECOND) is not None
    assert store.sessions.principal(session.id, user.id, NOW + MINUTE) is None


def test_a_session_of_a_disabled_user_is_not_live(store: Store, session: Session, change_user: ChangeUser) -> None:
    change_user(session.user_id, status="disabled")
    assert not is_live(store, session)
    change_user(session.user_id, status="active")
    assert is_live(store, session)


def test_a_session_of_an_invited_user_is_not_live(store: Store, session: Session, change_user: ChangeUser) -> None:
    change_user(session.user_id, status="invited")
    assert not is_live(store, session)


def test_a_change_of_epoch_ends_the_sessions_before_it(
    store: Store, user: User, session: Session, change_user: ChangeUser
) -> None:
    change_user(user.id, auth_epoch=1)
    later = a_session(user, auth_epoch=1)
    store.sessions.open(later)
    assert not is_live(store, session)
    assert is_live(store, later)


def test_a_session_opened_on_an_older_epoch_is_never_live(store: Store, user: User, change_user: ChangeUser) -> None:
    change_user(user.id, auth_epoch=1)
    late = a_session(user, auth_epoch=0)
    assert not store.sessions.open(late)
    assert not is_live(store, late)
    assert store.sessions.end_some_of(user.id, 100) == 0


def test_a_session_of_an_epoch_to_come_is_not_live(store: Store, user: User) -> None:
    session = a_session(user, auth_epoch=1)
    assert not store.sessions.open(session)
    assert not is_live(store, session)


def test_the_session_that_the_user_kept_stays_live(
    store: Store, user: User, session: Session, change_user: ChangeUser
) -> None:
    other = a_session(user)
    store.sessions.open(other)
    change_user(user.id, auth_epoch=1, kept_session=session.id)
    assert is_live(store, session)
    assert not is_live(store, other)


def test_the_kept_session_still_expires_and_ends_with_its_user(
    store: Store, session: Session, change_user: ChangeUser
) -> None:
    change_user(session.user_id, auth_epoch=1, kept_session=session.id)
    assert store.sessions.principal(session.id, session.user_id, session.expires_at) is None
    change_user(session.user_id, status="disabled")
    assert not is_live(store, session)


def test_the_last_login_never_goes_back(store: Store, user: User) -> None:
    for opened_at in (NOW + MINUTE, NOW, NOW + 2 * MINUTE, NOW + MINUTE):
        store.sessions.open(a_session(user, created_at=opened_at))
    found = store.users.credentials_by_username("ada")
    assert found is not None
    assert found.user.last_login_at == NOW + 2 * MINUTE


def test_a_login_changes_nobody_else(store: Store, user: User) -> None:
    later = a_user(username="eve")
    store.users.add(Account(later, HASH))
    store.sessions.open(a_session(later))
    found = store.users.credentials_by_username("ada")
    assert found is not None
    assert found.user == user


@pytest.mark.parametrize("status", ["disabled", "invited", "deleted"])
def test_a_login_leaves_nothing_behind_for_a_user_who_is_not_active(
    store: Store, user: User, change_user: ChangeUser, status: Status
) -> None:
    change_user(user.id, status=status)
    late = a_session(user)
    assert not store.sessions.open(late, [an_event(user.id, "session.opened")], most=1)
    assert store.sessions.end_some_of(user.id, 100) == 0
    assert events_of(store, user.id) == []
    change_user(user.id, status="active")
    assert not is_live(store, late)
    found = store.users.account(user.id)
    assert found is not None
    assert found.user.last_login_at is None


def test_a_login_leaves_nothing_behind_for_a_user_who_is_gone(store: Store, user: User, session: Session) -> None:
    nobody = a_user(username="gone")
    assert not store.sessions.open(a_session(nobody), [an_event(nobody.id, "session.opened")])
    assert store.sessions.end_some_of(nobody.id, 100) == 0
    assert events_of(store, nobody.id) == []
    store.users.add(Account(nobody, HASH))
    assert store.sessions.of_user(nobody.id, NOW) == []
    assert store.sessions.of_user(user.id, NOW) == [session]


def test_users_have_as_many_sessions_as_they_open(store: Store, user: User, in_threads: InThreads) -> None:
    sessions = [a_session(user, created_at=NOW + number * A_MILLISECOND) for number in range(16)]
    in_threads(lambda number: store.sessions.open(sessions[number]))
    assert all(is_live(store, session) for session in sessions)
    found = store.users.credentials_by_username("ada")
    assert found is not None
    assert found.user.last_login_at == NOW + 15 * A_MILLISECOND


def test_a_purge_deletes_only_what_has_expired(store: Store, user: User) -> None:
    idle = a_session(user, idle_expires_at=NOW - MINUTE)
    just_idle = a_session(user, idle_expires_at=NOW)
    over = a_session(user, expires_at=NOW - MINUTE)
    going_on = a_session(user, idle_expires_at=NOW + A_MILLISECOND, expires_at=NOW + A_MILLISECOND)
    for session in (idle, just_idle, over, going_on):
        store.sessions.open(session)
    assert store.sessions.delete_expired(NOW, 10) == 3
    assert store.sessions.delete_expired(NOW, 10) == 0
    long_ago = NOW - DAY
    kept = [store.sessions.principal(each.id, user.id, long_ago) for each in (idle, just_idle, over, going_on)]
    assert [each is not None for each in kept] == [False, False, False, True]


def test_a_purge_deletes_no_more_than_its_limit(store: Store, user: User) -> None:
    for expires_at in (NOW + MINUTE, NOW + MINUTE, *[NOW - MINUTE] * 5):
        store.sessions.open(a_session(user, expires_at=expires_at))
    assert [store.sessions.delete_expired(NOW, 2) for _ in range(4)] == [2, 2, 1, 0]


def test_a_session_keeps_what_its_user_proved_last(store: Store) -> None:
    user = a_user()
    store.users.add(Account(user, HASH))
    former, proven, other = (
        a_session(user, **proof)
        for proof in ({}, {"authenticated_at": NOW, "amr": "pwd"}, {"authenticated_at": NOW, "amr": "pwd otp mfa"})
    )
    for session in (former, proven, other):
        store.sessions.open(session)
    assert former.authentication == Authentication(NOW, ("pwd",))

    assert store.sessions.reauthenticate(proven.id, at=NOW + MINUTE, amr="pwd otp mfa")

    changed = replace(proven, authenticated_at=NOW + MINUTE, amr="pwd otp mfa")
    assert store.sessions.of_user(user.id, NOW) == [former, changed, other]
    found = store.sessions.find_live(proven.id, NOW)
    assert found is not None
    assert found.session.authentication == Authentication(NOW + MINUTE, ("pwd", "otp", "mfa"))
    assert not store.sessions.reauthenticate(new_id(), at=NOW, amr="pwd")
