"""The pages of clients are known by the origins of their redirect URIs, for ten seconds at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.oauth.client_origins import KEPT_SECONDS, ClientOrigins
from app.oauth.clients.model import Client, Clients
from app.platform.clock import now
from app.platform.errors import Unavailable
from app.platform.identifiers import new_id
from tests.unit.ticking import Ticking

if TYPE_CHECKING:
    from tests.unit.instance import Instance

PAGE = "https://app.example"


@pytest.fixture
def clients(instance: Instance) -> Clients:
    return instance.wired.get(Clients)


def a_client(*redirect_uris: str) -> Client:
    return Client(id=new_id(), name="An app", kind="public", created_at=now(), redirect_uris=redirect_uris)


@pytest.mark.parametrize(
    ("redirect_uri", "origin"),
    [
        ("https://app.example/cb", PAGE),
        ("https://app.example:443/cb", PAGE),
        ("https://App.example/cb", PAGE),
        ("https://app.example:8443/cb", "https://app.example:8443"),
        ("http://localhost:3000/cb", "http://localhost:3000"),
    ],
)
def test_an_origin_is_known_as_browsers_send_it(clients: Clients, redirect_uri: str, origin: str) -> None:
    clients.add(a_client(redirect_uri))
    assert ClientOrigins(clients).includes(origin)


@pytest.mark.parametrize("origin", ["null", "", "https://app.example/", "https://other.example", "http://app.example"])
def test_no_other_origin_is(clients: Clients, origin: str) -> None:
    clients.add(a_client("https://app.example/cb", "com.example.app:/cb"))
    assert not ClientOrigins(clients).includes(origin)


def test_what_is_read_is_kept_for_a_while(clients: Clients) -> None:
    clock = Ticking()
    origins, client = ClientOrigins(clients, clock), a_client(f"{PAGE}/cb")
    clients.add(client)
    assert origins.includes(PAGE)
    clients.remove(client.id)
    clock.seconds = KEPT_SECONDS - 1
    assert origins.includes(PAGE)
    clock.seconds = KEPT_SECONDS
    assert not origins.includes(PAGE)


def test_a_new_client_waits_two_seconds_for_its_pages_whatever_others_are_known(clients: Clients) -> None:
    clock = Ticking()
    origins = ClientOrigins(clients, clock)
    clients.add(a_client("https://other.example/cb"))
    assert not origins.includes(PAGE)
    clients.add(a_client(f"{PAGE}/cb"))
    clock.seconds = 1
    assert origins.includes("https://other.example")
    assert not origins.includes(PAGE)
    clock.seconds = 2
    assert origins.includes(PAGE)


def test_while_the_store_is_away_no_origin_is_known_and_it_is_asked_again_soon() -> None:
    class Away:
        """A store that answers from the second question on."""

        asked = 0

        def origins(self) -> frozenset[str]:
            self.asked += 1
            if self.asked == 1:
                raise Unavailable
            return frozenset({PAGE})

    store: Any = Away()
    clock = Ticking()
    origins = ClientOrigins(store, clock)
    assert not origins.includes(PAGE)
    assert not origins.includes(PAGE)
    assert store.asked == 1
    clock.seconds = 1
    assert origins.includes(PAGE)
