"""Clients that register themselves with an initial access token (RFC 7591)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from app.oauth.registry import ClientRegistry
from app.platform.errors import Unavailable
from app.platform.identifiers import digest_of_token
from tests.contract.races import THREADS
from tests.stores import events_of

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service, Start

REDIRECT = "https://shop.example/cb"
DAY = 24 * 3600


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    return start(RATE_LIMITS="off")


def token(service: Service, admin: Account, **more: Any) -> str:
    reply = service.post("/admin/registration-tokens", more, token=admin.token)
    assert reply.status_code == 201, reply.text
    return str(reply.json["data"]["token"])


def register(service: Service, token: str | None, **more: Any) -> Reply:
    body = {"redirect_uris": [REDIRECT], **more}
    given = {name: found for name, found in body.items() if found is not ...}
    return service.post("/oauth/register", given, token=token)


def error_of(reply: Reply) -> tuple[int, str]:
    body = reply.json
    assert body.keys() == {"error", "error_description"}
    return reply.status_code, body["error"]


def test_a_client_registers_itself_as_it_describes_itself(service: Service, admin: Account) -> None:
    reply = register(
        service, token(service, admin), client_name="Editor", token_endpoint_auth_method="none",
        grant_types=["authorization_code", "refresh_token", "implicit"], response_types=["code"],
        redirect_uris=["http://127.0.0.1/cb"], scope="files:read", software_id="x", logo_uri=7, jwks=5,
        first_party=True, require_second_factor="x", resources=["https://x.example/"],
    )  # fmt: skip
    assert reply.status_code == 201
    assert reply.json == {
        "client_id": reply.json["client_id"],
        "client_id_issued_at": int(service.clock().timestamp()),
        "client_name": "Editor",
        "redirect_uris": ["http://127.0.0.1/cb"],
        "post_logout_redirect_uris": [],
        "token_endpoint_auth_method": "none",
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "dpop_bound_access_tokens": False,
    }
    client = service.wired.get(ClientRegistry).find(reply.json["client_id"])
    assert client is not None
    assert (client.kind, client.first_party, client.scopes, client.resources) == ("public", False, None, None)
    shown = service.get(f"/admin/clients/{client.id}", token=admin.token).json["data"]["client"]
    assert (shown["registered"], shown["created_by"], shown["scopes"]) == (True, None, None)


def test_a_client_that_does_not_say_otherwise_gets_a_secret(service: Service, admin: Account) -> None:
    reply = register(service, token(service, admin))
    assert (reply.json["token_endpoint_auth_method"], reply.json["client_secret_expires_at"]) == (
        "client_secret_basic",
        0,
    )
    client = service.wired.get(ClientRegistry).find(reply.json["client_id"])
    assert client is not None
    assert client.kind == "confidential"
    assert client.accepts(reply.json["client_secret"], service.clock())
    assert reply.headers["Cache-Control"] == "no-store"


def test_a_token_registers_as_many_clients_as_it_has_uses(service: Service, admin: Account) -> None:
    reply = service.post("/admin/registration-tokens", {"uses": 2, "expires_in_days": 7}, token=admin.token)
    data = reply.json["data"]
    assert data.keys() == {"token", "expires_at", "uses"}
    assert data["uses"] == 2
    statuses = [register(service, data["token"]).status_code for _ in range(3)]
    assert statuses == [201, 201, 401]
    events = [(event.action, event.details.get("token")) for event in events_of(service.store, admin.id)]
    assert ("registration_token.created", digest_of_token(data["token"])[:8]) in events


def test_of_all_that_use_a_token_at_once_one_registers_a_client(service: Service, admin: Account) -> None:
    once = token(service, admin)
    before = len(service.get("/admin/clients", query="limit=200", token=admin.token).json["data"]["clients"])
    statuses = service.at_once(lambda _: register(service, once).status_code)
    assert sorted(statuses) == [201] + [401] * (THREADS - 1)
    after = len(service.get("/admin/clients", query="limit=200", token=admin.token).json["data"]["clients"])
    assert after == before + 1


def test_no_token_and_a_wrong_one_are_refused_with_a_challenge(service: Service, admin: Account) -> None:
    for wrong in (None, "x", "lkrt_" + "a" * 43, admin.token):
        reply = register(service, wrong)
        assert error_of(reply) == (401, "invalid_token")
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_an_expired_token_registers_nothing(start: Start) -> None:
    service = start()
    once = token(service, service.administrator(), expires_in_days=1)
    service.clock.advance(DAY)
    assert error_of(register(service, once)) == (401, "invalid_token")


@pytest.mark.parametrize(
    ("described", "error"),
    [
        ({"redirect_uris": ...}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["http://shop.example/cb"]}, "invalid_redirect_uri"),
        ({"redirect_uris": [1]}, "invalid_redirect_uri"),
        ({"redirect_uris": {"$ne": 1}}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"], "client_name": ""}, "invalid_client_metadata"),
        ({"client_name": {"$gt": ""}}, "invalid_client_metadata"),
        ({"client_name": "a" * 101}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": 1}, "invalid_client_metadata"),
        ({"grant_types": ["password"]}, "invalid_client_metadata"),
        ({"grant_types": [[]]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"post_logout_redirect_uris": ["com.example:/x"]}, "invalid_client_metadata"),
    ],
)
def test_what_no_client_may_say_of_itself_is_refused_by_name_and_costs_no_use(
    service: Service, admin: Account, described: dict[str, Any], error: str
) -> None:
    once = token(service, admin)
    reply = register(service, once, **described)
    assert error_of(reply) == (400, error)
    assert all(name in reply.json["error_description"] for name in described)
    assert register(service, once).status_code == 201


def test_a_device_needs_no_redirect_uri(service: Service, admin: Account) -> None:
    device = ["urn:ietf:params:oauth:grant-type:device_code"]
    reply = register(service, token(service, admin), grant_types=device, redirect_uris=...)
    assert (reply.status_code, reply.json["grant_types"]) == (201, device)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b'{"a":1,"a":2}', b"\xff", b'{"client_name":"\\ud800"}'])
def test_a_body_that_cannot_be_read_is_told_in_the_shape_of_the_rfc(
    service: Service, admin: Account, body: bytes
) -> None:
    reply = service.send("POST", "/oauth/register", body=body, content_type="application/json", token=admin.token)
    assert error_of(reply)[0] in {400, 401}
    form = service.send("POST", "/oauth/register", body=b"a=b", content_type="application/x-www-form-urlencoded")
    assert error_of(form) == (415, "invalid_client_metadata")


def test_while_the_store_is_away_nothing_is_registered(
    service: Service, admin: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = token(service, admin)
    clients = service.wired.get(ClientRegistry).clients

    def away(*_: object) -> None:
        raise Unavailable

    with monkeypatch.context() as broken:
        broken.setattr(type(clients), "add", away)
        reply = register(service, once)
    assert error_of(reply) == (503, "temporarily_unavailable")
    assert error_of(register(service, once)) == (401, "invalid_token")  # the use went first


@pytest.mark.parametrize(
    "more", [{"uses": 0}, {"uses": "1"}, {"expires_in_days": 0}, {"expires_in_days": 366}, {"x": 1}]
)
def test_a_token_with_other_bounds_is_refused(service: Service, admin: Account, more: dict[str, Any]) -> None:
    reply = service.post("/admin/registration-tokens", more, token=admin.token)
    assert [error["field"] for error in reply.json["errors"]] == list(more)


def test_a_client_that_asks_for_it_is_held_to_bound_tokens(service: Service, admin: Account) -> None:
    reply = register(service, token(service, admin), dpop_bound_access_tokens=True)
    assert reply.json["dpop_bound_access_tokens"] is True
    client = service.wired.get(ClientRegistry).find(reply.json["client_id"])
    assert client is not None
    assert client.dpop_bound_access_tokens
