"""What every store promises about consents."""

from dataclasses import replace

import pytest

from app.accounts.account import Account
from app.accounts.model import User
from app.audit.model import AuditEvent
from app.oauth.consents.model import Consent, Consents
from app.platform.identifiers import new_id
from tests.contract.entities import DAY, HASH, MINUTE, NOW, a_consent, a_session, a_user
from tests.contract.races import THREADS, InThreads
from tests.stores import Store

CLIENT = "https://client.example/metadata.json"
FILES, MAIL = "https://files.example/", "https://mail.example/"
MOST = 100


@pytest.fixture
def ann(store: Store) -> User:
    """A user with a session, which has the identifier of the user."""
    user = a_user(username="ann")
    store.users.add(Account(user, HASH))
    store.sessions.open(a_session(user, id=user.id))
    return user


@pytest.fixture
def consents(store: Store) -> Consents:
    return store.repository(Consents)


def an_event(user: User) -> AuditEvent:
    return AuditEvent(new_id(), user.id, "grant.allowed", NOW, None, None, NOW + DAY)


def allow(consents: Consents, consent: Consent, *events: AuditEvent, most: int = MOST) -> str:
    """Allow it in the session of its user."""
    return consents.allow(consent, consent.user_id, events, most=most)


def events_of(store: Store, user: User) -> list[AuditEvent]:
    return store.events.page_of(user.id, before=None, limit=100)


def delete(store: Store, user: User) -> None:
    account = store.users.account(user.id)
    assert account is not None
    assert store.users.save(account.deleted(roles=(), claimed_until=NOW, now=NOW))


def erase(store: Store, user: User) -> None:
    store.sessions.end_some_of(user.id, 1000)
    store.repository(Consents).remove_some_of(user.id, 1000)


def test_a_consent_comes_back_as_it_was_given_with_its_event(store: Store, consents: Consents, ann: User) -> None:
    plain = a_consent(ann, client_id=new_id(), resources=(), last_used_at=None)
    whole, event = a_consent(ann), an_event(ann)
    assert allow(consents, plain) == "kept"
    assert allow(consents, whole, event) == "kept"
    assert consents.find(ann.id, plain.client_id) == plain
    assert consents.find(ann.id, CLIENT) == whole
    assert consents.of_user(ann.id) == [plain, whole]
    assert events_of(store, ann) == [event]
    assert consents.find(new_id(), CLIENT) is None


def test_a_second_consent_adds_to_the_first(consents: Consents, ann: User) -> None:
    first = a_consent(ann)
    allow(consents, first)
    later = NOW + MINUTE
    again = {"client_name": "Files, é 🧮", "scopes": ("openid", "profile"), "resources": (MAIL,), "last_used_at": later}
    second = a_consent(ann, **again)
    assert allow(consents, second) == "kept"
    both = replace(
        first,
        client_name="Files, é 🧮",
        scopes=("openid", "email", "profile"),
        resources=(FILES, MAIL),
        last_used_at=later,
        revision=1,
    )
    assert consents.of_user(ann.id) == [both]


@pytest.mark.parametrize("there", [(), ("openid", "email")], ids=["first", "second"])
def test_a_consent_of_a_session_that_has_ended_leaves_all_as_it_was(
    store: Store, consents: Consents, ann: User, there: tuple[str, ...]
) -> None:
    if there:
        allow(consents, a_consent(ann, scopes=there))
    store.sessions.end(ann.id, ann.id)
    assert allow(consents, a_consent(ann, scopes=("profile",)), an_event(ann)) == "ended"
    assert [consent.scopes for consent in consents.of_user(ann.id)] == ([there] if there else [])
    assert events_of(store, ann) == []


def test_a_consent_in_the_session_of_another_is_not_kept(store: Store, consents: Consents, ann: User) -> None:
    bob = a_user()
    store.users.add(Account(bob, HASH))
    assert allow(consents, a_consent(bob)) == "ended"
    assert consents.allow(a_consent(bob), ann.id, most=MOST) == "ended"
    assert consents.of_user(bob.id) == []


def test_a_user_has_no_more_than_so_many(store: Store, consents: Consents, ann: User) -> None:
    for client in ("a", "b"):
        assert allow(consents, a_consent(ann, client_id=client), most=2) == "kept"
    assert allow(consents, a_consent(ann, client_id="c"), an_event(ann), most=2) == "full"
    assert allow(consents, a_consent(ann, client_id="a", scopes=("profile",)), most=2) == "kept"
    assert [consent.client_id for consent in consents.of_user(ann.id)] == ["a", "b"]
    assert events_of(store, ann) == []


def test_the_use_of_a_consent_never_goes_back(consents: Consents, ann: User) -> None:
    allow(consents, a_consent(ann, client_id="another", last_used_at=None))
    assert not consents.touch(ann.id, CLIENT, NOW)
    allow(consents, a_consent(ann, last_used_at=None))
    for at in (NOW + MINUTE, NOW + 2 * MINUTE, NOW):
        assert consents.touch(ann.id, CLIENT, at)
    found = consents.find(ann.id, CLIENT)
    assert found is not None
    assert found.last_used_at == NOW + 2 * MINUTE
    other = consents.find(ann.id, "another")
    assert other is not None
    assert other.last_used_at is None


def test_a_consent_is_revoked_once_with_its_event(store: Store, consents: Consents, ann: User) -> None:
    other = a_consent(ann, client_id="another")
    for consent in (other, a_consent(ann)):
        allow(consents, consent)
    event = an_event(ann)
    assert consents.remove(ann.id, CLIENT, [event])
    assert not consents.remove(ann.id, CLIENT, [an_event(ann)])
    assert consents.of_user(ann.id) == [other]
    assert events_of(store, ann) == [event]


def test_the_end_of_a_consent_of_a_deleted_user_is_no_event(store: Store, consents: Consents, ann: User) -> None:
    allow(consents, a_consent(ann))
    delete(store, ann)
    assert not consents.remove(ann.id, CLIENT, [an_event(ann)])
    assert events_of(store, ann) == []


def test_consents_are_deleted_a_few_at_a_time(store: Store, consents: Consents, ann: User) -> None:
    for client in ("a", "b", "c"):
        allow(consents, a_consent(ann, client_id=client))
    assert [consents.remove_some_of(ann.id, 2) for _ in range(3)] == [2, 1, 0]
    for _ in range(3):
        user = a_user()
        store.users.add(Account(user, HASH))
        store.sessions.open(a_session(user, id=user.id))
        allow(consents, a_consent(user))
    allow(consents, a_consent(ann, client_id="a"))
    assert [consents.remove_some_of_client(CLIENT, 2) for _ in range(3)] == [2, 1, 0]
    assert len(consents.of_user(ann.id)) == 1


def test_of_all_that_are_given_at_once_nothing_is_lost(consents: Consents, ann: User, in_threads: InThreads) -> None:
    outcomes = in_threads(lambda number: allow(consents, a_consent(ann, scopes=(f"s{number}",))))
    assert outcomes == ["kept"] * THREADS
    (found,) = consents.of_user(ann.id)
    assert sorted(found.scopes) == sorted(f"s{number}" for number in range(THREADS))


def test_of_all_that_are_given_at_once_no_more_than_so_many_are_kept(
    consents: Consents, ann: User, in_threads: InThreads
) -> None:
    outcomes = in_threads(lambda number: allow(consents, a_consent(ann, client_id=f"c{number}"), most=5))
    assert len(consents.of_user(ann.id)) == outcomes.count("kept") <= 5


@pytest.mark.parametrize("end", ["session", "user"])
def test_a_consent_given_while_its_user_goes_leaves_nothing_behind(
    store: Store, consents: Consents, in_threads: InThreads, end: str
) -> None:
    for _ in range(4):
        user = a_user()
        store.users.add(Account(user, HASH))
        store.sessions.open(a_session(user, id=user.id))

        def act(number: int, user: User = user) -> str:
            if number:
                return allow(consents, a_consent(user, scopes=(f"s{number}",)), an_event(user))
            if end == "session":
                store.sessions.end(user.id, user.id)
            else:
                delete(store, user)
                erase(store, user)
            return "gone"

        outcomes = in_threads(act)
        left = [scope for consent in consents.of_user(user.id) for scope in consent.scopes]
        if end == "user":
            assert left == []
        else:
            kept = {f"s{number}" for number, outcome in enumerate(outcomes) if outcome == "kept"}
            assert kept <= set(left)
