"""What every store promises about the sessions of clients."""

from collections.abc import Mapping

import pytest

from app.accounts.account import Account
from app.accounts.model import User
from app.platform.identifiers import new_id
from app.sessions.model import Session
from tests.contract.entities import HASH, MINUTE, NOW, a_session, a_user
from tests.contract.races import InThreads
from tests.stores import Store

CLIENT = "https://client.example/metadata.json"


def of_client(user: User, **fields: object) -> Session:
    return a_session(user, **{"client_id": CLIENT, "first_party": False, "scopes": "openid email", **fields})


def test_the_session_of_a_client_comes_back_as_it_was_opened(store: Store, ann: User) -> None:
    page = a_session(ann)
    assert store.sessions.open(page)
    whole = of_client(
        ann, first_party=True, resources="https://a.example https://b.example", parent_id=page.id, dpop_jkt="k" * 43
    )
    for session in (of_client(ann), whole):
        assert store.sessions.open(session)
        live = store.sessions.find_live(session.id, NOW)
        assert live is not None
        assert live.session == session
        principal = store.sessions.principal(session.id, ann.id, NOW)
        assert principal is not None
        assert (principal.client_id, principal.first_party) == (CLIENT, session.first_party)
        assert principal.scopes == ("openid", "email")
    principal = store.sessions.principal(page.id, ann.id, NOW)
    assert principal is not None
    assert (principal.client_id, principal.first_party, principal.scopes) == (None, False, ())


def test_no_session_is_opened_below_one_that_has_ended(store: Store, ann: User) -> None:
    page, child = a_session(ann), new_id()
    store.sessions.open(page)
    store.sessions.end(page.id, ann.id)
    assert not store.sessions.open(of_client(ann, id=child, parent_id=page.id))
    assert store.sessions.find_live(child, NOW) is None


def test_the_sessions_of_a_client_end_none_of_the_users_own(store: Store, ann: User) -> None:
    own, other = a_session(ann), of_client(ann, client_id="other")
    for session in (own, other):
        store.sessions.open(session, most=1)
    clients = [of_client(ann, last_used_at=NOW + number * MINUTE) for number in range(4)]
    for session in clients:
        store.sessions.open(session, most=2)
    left = {session.id for session in store.sessions.of_user(ann.id, NOW)}
    assert left == {own.id, other.id, *(session.id for session in clients[-2:])}
    store.sessions.open(a_session(ann), most=1)
    assert {session.id for session in store.sessions.of_user(ann.id, NOW)}.isdisjoint({own.id})
    assert len(store.sessions.of_user(ann.id, NOW)) == 4


@pytest.mark.parametrize("is_replaced", [False, True])
def test_of_an_end_and_an_opening_below_it_at_once_no_child_without_a_parent_is_left(
    store: Store, ann: User, in_threads: InThreads, *, is_replaced: bool
) -> None:
    """Also if it has an heir, which ends at the same moment."""
    for _ in range(4):
        page, heir = a_session(ann), a_session(ann)
        store.sessions.open(page)
        store.sessions.open(heir)

        def act(number: int, page: Session = page, heir: Session = heir) -> None:
            if number == 0:
                store.sessions.end(page.id, ann.id, heir_id=heir.id if is_replaced else None)
            elif number == 1:
                store.sessions.end(heir.id, ann.id)
            else:
                store.sessions.open(of_client(ann, parent_id=page.id))

        in_threads(act)
        assert [session for session in store.sessions.of_user(ann.id, NOW) if session.parent_id is not None] == []


def test_what_is_below_a_session_ends_with_it(store: Store, ann: User) -> None:
    page, other = a_session(ann), a_session(ann)
    below, beside, offline = (
        of_client(ann, parent_id=page.id),
        of_client(ann, parent_id=other.id, client_id="other"),
        of_client(ann),
    )
    for session in (page, other, below, beside, offline):
        assert store.sessions.open(session)
    assert not store.sessions.end(page.id, new_id())
    assert len(store.sessions.of_user(ann.id, NOW)) == 5
    before = store.users.account(ann.id)
    assert store.sessions.end(page.id, ann.id)
    after = store.users.account(ann.id)
    assert before is not None
    assert after is not None
    assert after.revision > before.revision
    assert {session.id for session in store.sessions.of_user(ann.id, NOW)} == {other.id, beside.id, offline.id}


def test_what_is_below_a_session_goes_on_below_its_heir_unless_that_has_ended(store: Store, ann: User) -> None:
    page, heir, gone, other = (a_session(ann) for _ in range(4))
    below, beside = of_client(ann, parent_id=page.id), of_client(ann, parent_id=other.id)
    for session in (page, heir, gone, other, below, beside):
        assert store.sessions.open(session)
    assert store.sessions.end(page.id, ann.id, heir_id=heir.id)
    found = {session.id: session.parent_id for session in store.sessions.of_user(ann.id, NOW)}
    assert (page.id in found, found[below.id], found[beside.id]) == (False, heir.id, other.id)
    assert store.sessions.end(gone.id, ann.id)
    assert store.sessions.end(heir.id, ann.id, heir_id=gone.id)
    assert {session.id for session in store.sessions.of_user(ann.id, NOW)} == {other.id, beside.id}


def test_what_is_below_a_surplus_session_ends_with_it(store: Store, ann: User) -> None:
    page = a_session(ann, last_used_at=NOW - MINUTE)
    store.sessions.open(page)
    below = of_client(ann, parent_id=page.id)
    store.sessions.open(below)
    last = a_session(ann)
    store.sessions.open(last, most=1)
    assert [session.id for session in store.sessions.of_user(ann.id, NOW)] == [last.id]


def test_the_sessions_of_clients_are_found_live_or_not(store: Store, ann: User) -> None:
    dead = of_client(ann, expires_at=NOW - MINUTE)
    live = of_client(ann)
    for session in (dead, live, a_session(ann)):
        store.sessions.open(session)
    assert sorted(session.id for session in store.sessions.of_clients(ann.id)) == sorted([dead.id, live.id])
    assert store.sessions.of_clients(new_id()) == []


def test_all_sessions_of_a_grant_end_and_no_others(store: Store, ann: User) -> None:
    bob = a_user(username="bob")
    store.users.add(Account(bob, HASH))
    own, other, bobs = a_session(ann), of_client(ann, client_id="other"), of_client(bob)
    for session in (own, other, bobs, of_client(ann), of_client(ann)):
        store.sessions.open(session)
    before = store.users.account(ann.id)
    assert store.sessions.end_of_grant(ann.id, CLIENT) == 2
    assert store.sessions.end_of_grant(ann.id, CLIENT) == 0
    after = store.users.account(ann.id)
    assert before is not None
    assert after is not None
    assert after.revision > before.revision
    assert {session.id for session in store.sessions.of_user(ann.id, NOW)} == {own.id, other.id}
    assert [session.id for session in store.sessions.of_user(bob.id, NOW)] == [bobs.id]


def test_all_sessions_of_a_client_end_in_pieces(store: Store, ann: User) -> None:
    bob = a_user(username="bob")
    store.users.add(Account(bob, HASH))
    other = of_client(ann, client_id="other")
    theirs = [of_client(bob), of_client(ann), of_client(ann)]
    for session in (other, *theirs):
        store.sessions.open(session)
    before = store.users.account(bob.id)
    told = dict[str, str]()

    def tell(ending: Mapping[str, str]) -> None:
        assert all(store.sessions.find_live(session_id, NOW) for session_id in ending)
        told.update(ending)

    assert [store.sessions.end_some_of_client(CLIENT, 2, tell) for _ in range(3)] == [2, 1, 0]
    assert told == {session.id: session.user_id for session in theirs}
    after = store.users.account(bob.id)
    assert before is not None
    assert after is not None
    assert after.revision > before.revision
    assert [session.id for session in store.sessions.of_user(ann.id, NOW)] == [other.id]
    assert store.sessions.of_user(bob.id, NOW) == []
