"""What ends with a client, or with what it may do, on every store."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from app.accounts.principal import Principal
from app.oauth.clients.model import Client
from app.oauth.clients.permissions import TRUST, WRITE
from app.oauth.clients.service import ClientService
from app.oauth.consents.model import Consent
from app.platform.errors import Forbidden, NotFound, SessionEnded
from app.platform.identifiers import new_id
from tests.contract.entities import NOW, a_session

if TYPE_CHECKING:
    from app.accounts.model import User
    from app.roles.authority import Authority
    from app.sessions.model import Session
    from tests.contract.races import InThreads
    from tests.stores import Store


class Held:
    """An Authority that says what a test says."""

    def __init__(self, *permissions: str) -> None:
        self.permissions = frozenset(permissions)
        self.ended = False

    def held_by(self, caller: object) -> frozenset[str]:
        del caller
        if self.ended:
            raise SessionEnded
        return self.permissions


class Recorded:
    """An Audit that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, str]]] = []

    def record(self, user_id: str, action: str, device: object = None, **details: str) -> None:
        del user_id, device
        self.told.append((action, details))


@pytest.fixture
def by(ann: User) -> Principal:
    return Principal(ann, new_id(), NOW, NOW)


def service_of(store: Store, authority: Authority | Held, audit: Any = None) -> ClientService:
    return ClientService(
        store.clients,
        None,  # type: ignore[arg-type]
        authority,
        audit or Recorded(),  # type: ignore[arg-type]
        None,  # type: ignore[arg-type]
        lambda: NOW,
        sessions_end=store.sessions.end_some_of_client,
        consents_end=store.consents.remove_some_of_client,
        documents=store.client_documents,
        audience="https://auth.example",
    )


def a_client(store: Store, **fields: object) -> Client:
    client = replace(
        Client(
            id=new_id(),
            name="Shop",
            kind="confidential",
            created_at=NOW,
            scopes=("openid", "email"),
            resources=("https://a/", "https://b/"),
        ),
        **fields,  # type: ignore[arg-type]
    )
    store.clients.add(client)
    return client


def opened(store: Store, user: User, client: Client | None) -> Session:
    of_client = {} if client is None else {"client_id": client.id, "first_party": False, "scopes": "openid"}
    session = a_session(user, **of_client)
    assert store.sessions.open(session)
    return session


def live(store: Store, *sessions: Session) -> list[bool]:
    return [store.sessions.find_live(session.id, NOW) is not None for session in sessions]


def test_with_a_client_its_sessions_and_consents_end_and_no_others(store: Store, ann: User, by: Principal) -> None:
    client, other = a_client(store), a_client(store)
    sessions = [opened(store, ann, each) for each in (client, client, other, None)]
    for each in (client, other):
        consent = Consent(new_id(), ann.id, each.id, each.name, ("openid",), (), NOW)
        store.consents.allow(consent, sessions[3].id, most=9)
    service_of(store, Held(WRITE)).delete(client.id, by, None)
    assert live(store, *sessions) == [False, False, True, True]
    assert [consent.client_id for consent in store.consents.of_user(ann.id)] == [other.id]


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"scopes": ("openid",)}, True),
        ({"resources": ("https://a/",)}, True),
        ({"resources": ()}, True),
        ({"first_party": False}, True),
        ({"scopes": ("email", "openid", "profile")}, False),
        ({"resources": None}, False),
        ({"name": "Another", "redirect_uris": ("https://c/",)}, False),
    ],
)
def test_the_sessions_of_a_client_end_if_it_may_do_less(
    store: Store, ann: User, by: Principal, changes: dict[str, object], *, ends: bool
) -> None:
    client, audit = a_client(store, first_party=True), Recorded()
    sessions = [opened(store, ann, each) for each in (client, None)]
    service = replace(service_of(store, Held(WRITE, TRUST), audit), catalogue=Everything())  # type: ignore[arg-type]
    service.change(client.id, changes, by, None)
    assert live(store, *sessions) == [not ends, True]
    [(action, details)] = audit.told
    assert (action, details.get("sessions_ended")) == ("client.changed", "1" if ends else None)


class Everything:
    """A catalogue that has all scopes and resources of these tests."""

    scopes = resources = dict.fromkeys(("openid", "email", "profile", "https://a/", "https://b/"), "")

    def load(self) -> Everything:
        return self


def test_a_list_where_there_was_none_is_less(store: Store, ann: User, by: Principal) -> None:
    client = a_client(store, scopes=None, resources=None)
    session = opened(store, ann, client)
    service = replace(service_of(store, Held(WRITE)), catalogue=Everything())  # type: ignore[arg-type]
    service.change(client.id, {"resources": ("https://a/", "https://b/")}, by, None)
    assert live(store, session) == [False]


def test_who_may_not_any_more_writes_nothing(store: Store, by: Principal) -> None:
    client, authority = a_client(store), Held(WRITE)
    service = service_of(store, authority)
    service.add_secret(client.id, None, by, None)
    secret = service.find(client.id).secrets[0].id
    authority.permissions = frozenset()
    for act in (
        lambda: service.change(client.id, {"name": "x"}, by, None),
        lambda: service.add_secret(client.id, None, by, None),
        lambda: service.delete_secret(client.id, secret, by, None),
        lambda: service.delete(client.id, by, None),
    ):
        authority.ended = False
        with pytest.raises(Forbidden):
            act()
        authority.ended = True
        with pytest.raises(SessionEnded):
            act()
    assert service.find(client.id).revision == 1


def test_a_client_that_becomes_of_the_first_party_at_once_is_out_of_reach(store: Store, by: Principal) -> None:
    client = a_client(store)
    held = Held(WRITE)

    class Meanwhile(Held):
        def held_by(self, caller: object) -> frozenset[str]:
            if self.ended:
                self.ended = False
                store.clients.save(replace(client, first_party=True, revision=1))
            return held.held_by(caller)

    authority = Meanwhile()
    authority.ended = True
    with pytest.raises(Forbidden):
        service_of(store, authority).change(client.id, {"redirect_uris": ("https://evil/",)}, by, None)
    found = store.clients.find(client.id)
    assert found is not None
    assert (found.first_party, found.redirect_uris) == (True, ())


def test_of_a_deletion_and_changes_at_once_the_client_does_not_come_back(
    store: Store, by: Principal, in_threads: InThreads
) -> None:
    for _ in range(4):
        client = a_client(store)
        service = service_of(store, Held(WRITE))

        def act(number: int, client: Client = client, service: ClientService = service) -> None:
            try:
                if number % 4 == 0:
                    service.delete(client.id, by, None)
                else:
                    service.change(client.id, {"name": str(number)}, by, None)
            except NotFound:
                pass

        in_threads(act)
        assert store.clients.find(client.id) is None
