"""Token exchange (RFC 8693): a service that received a user's token gets one of its own for the next service."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from app.oauth.clients.model import Clients
from app.oauth.exchange import ACCESS_TOKEN, MOST_ACTORS
from app.platform.identifiers import new_id
from tests.api.oauth_flow import FILES, FORM, MAIL, SECRET, STANDARD, OAuthClient, a_client, claims, name_resources

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service, Start

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
JWT = "urn:ietf:params:oauth:token-type:jwt"
OURS = "http://localhost:5000"
"""The audience of our own API."""
INACTIVE = {"active": False}
ALL = (*STANDARD, "files:read", "mail:read")


@pytest.fixture
def ann(service: Service) -> Account:
    name_resources(service)
    return service.register()


@pytest.fixture
def app(service: Service) -> OAuthClient:
    """What the user sees; its tokens go to the files service."""
    return a_client(service, scopes=ALL)


@pytest.fixture
def files(service: Service) -> OAuthClient:
    """The files service, which calls the mail service for the user."""
    return a_client(service, kind="service", resources=(FILES, MAIL), scopes=ALL, token_exchange=True)


@pytest.fixture
def received(app: OAuthClient, ann: Account) -> str:
    """A token that the files service received."""
    token: str = app.tokens(ann, resource=FILES, scope="openid email files:read offline_access")["access_token"]
    return token


def exchange(client: OAuthClient, token: str | None, **more: Any) -> Reply:
    usual = {"grant_type": GRANT, "subject_token": token, "subject_token_type": ACCESS_TOKEN, "resource": MAIL}
    return client.token(**usual | more)


def exchanged(client: OAuthClient, token: str, **more: Any) -> str:
    reply = exchange(client, token, **more)
    assert reply.status_code == 200, reply.text
    access_token: str = reply.json["access_token"]
    return access_token


def error(reply: Reply) -> tuple[int, str]:
    assert reply.json.keys() == {"error", "error_description"}
    return reply.status_code, reply.json["error"]


def asked(client: OAuthClient, path: str, token: str) -> Reply:
    body = urlencode({"client_id": client.id, "client_secret": SECRET, "token": token}).encode()
    return client.service.send("POST", path, body=body, content_type=FORM)


def introspected(client: OAuthClient, token: str) -> dict[str, Any]:
    told: dict[str, Any] = asked(client, "/oauth/introspect", token).json
    return told


def saved(service: Service, client: OAuthClient, **changes: Any) -> None:
    found = service.wired.get(Clients).find(client.id)
    assert found is not None
    assert service.wired.get(Clients).save(replace(found, **changes, revision=found.revision + 1))


def test_a_service_exchanges_the_token_it_received_for_one_that_says_who_acts(
    service: Service, files: OAuthClient, ann: Account, received: str
) -> None:
    reply = exchange(files, received)
    assert reply.status_code == 200, reply.text
    assert reply.headers["Cache-Control"] == "no-store"
    token, had = claims(reply.json["access_token"]), claims(received)
    assert reply.json == {
        "access_token": reply.json["access_token"], "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer",
        "expires_in": token["exp"] - token["iat"], "scope": "openid email files:read",
    }  # fmt: skip
    assert token == {
        "iss": had["iss"], "sub": ann.id, "aud": MAIL, "client_id": files.id, "sid": had["sid"],
        "scope": "openid email files:read",
        "act": {"sub": files.id}, "iat": token["iat"], "exp": token["exp"], "jti": token["jti"], "roles": had["roles"],
        "auth_time": had["auth_time"], "amr": had["amr"], "acr": had["acr"],
    }  # fmt: skip
    assert token["jti"] != had["jti"]
    told = introspected(files, reply.json["access_token"])
    assert (told["active"], told["sub"], told["act"], told["client_id"]) == (True, ann.id, {"sub": files.id}, files.id)
    assert introspected(a_client(service, kind="service", resources=(MAIL,)), reply.json["access_token"])["active"]


def test_the_user_sees_the_exchange_among_their_events_once_an_hour(
    service: Service, app: OAuthClient, files: OAuthClient, ann: Account, received: str
) -> None:
    for _ in range(3):
        exchanged(files, received)
    exchanged(files, received, resource=FILES)

    def told() -> list[dict[str, str]]:
        events = service.get("/auth/events", token=ann.token).json["data"]["events"]
        details = [event["details"] for event in events if event["action"] == "token.exchanged"]
        return sorted(details, key=lambda found: str(found["resources"]))

    same = {"session_id": claims(received)["sid"], "client": files.id, "received_from": app.id}
    assert told() == [same | {"resources": FILES}, same | {"resources": MAIL}]


def test_no_exchanged_token_is_taken_by_our_own_api(
    service: Service, files: OAuthClient, ann: Account, received: str
) -> None:
    ours: tuple[dict[str, Any], ...] = (
        {"resource": OURS}, {"resource": [MAIL, OURS]}, {"resource": None, "audience": OURS},
        {"resource": "HTTP://Localhost:5000/"},
    )  # fmt: skip
    for more in ours:
        assert error(exchange(files, received, **more)) == (400, "invalid_target")
    token = exchanged(files, received)
    for path in ("/auth/me", "/oauth/userinfo", "/auth/sessions"):
        assert service.get(path, token=token).status_code == 401
    # Neither is that of an app of the first party, whose own token does what a login's does.
    own = a_client(service, first_party=True, scopes=ALL).tokens(ann, resource=[OURS, FILES])["access_token"]
    assert service.get("/auth/me", token=own).status_code == 200
    assert service.get("/auth/me", token=exchanged(files, own)).status_code == 401


def test_scope_only_becomes_less(
    service: Service, files: OAuthClient, app: OAuthClient, ann: Account, received: str
) -> None:
    assert claims(exchanged(files, received, resource=FILES))["scope"] == "openid email files:read"
    assert claims(exchanged(files, received, resource=FILES, scope="files:read"))["scope"] == "files:read"
    assert error(exchange(files, received, scope="mail:read")) == (400, "invalid_scope")  # the user gave none
    for_mail = app.tokens(ann, resource=MAIL, scope="openid files:read mail:read")["access_token"]
    assert claims(exchanged(files, for_mail, resource=FILES))["scope"] == "openid files:read"
    assert error(exchange(files, for_mail, resource=FILES, scope="mail:read")) == (400, "invalid_scope")
    assert error(exchange(files, received, scope="offline_access")) == (400, "invalid_scope")
    assert error(exchange(files, received, scope='no "such"')) == (400, "invalid_scope")
    saved(service, files, scopes=("email",))
    assert claims(exchanged(files, received))["scope"] == "email"
    saved(service, files, scopes=())
    reply = exchange(files, received)
    assert "scope" not in reply.json
    assert "scope" not in claims(reply.json["access_token"])
    assert error(exchange(files, received, scope="email")) == (400, "invalid_scope")


def test_the_token_lives_no_longer_than_that_it_was_given_for(
    service: Service, files: OAuthClient, received: str
) -> None:
    service.clock.advance(600)
    reply = exchange(files, received)
    token = claims(reply.json["access_token"])
    assert token["exp"] <= claims(received)["exp"]
    assert reply.json["expires_in"] == token["exp"] - token["iat"]
    service.clock.advance(claims(received)["exp"] - service.clock().timestamp() + 1)
    # It is still accepted, since clocks differ; but no token without a life is made of it.
    assert introspected(files, received)["active"]
    assert error(exchange(files, received)) == (400, "invalid_request")


def test_only_the_resources_of_the_client_can_be_asked_for(service: Service, files: OAuthClient, received: str) -> None:
    assert claims(exchanged(files, received, resource=None, audience=MAIL))["aud"] == MAIL
    assert claims(exchanged(files, received, resource=FILES, audience=MAIL))["aud"] == [FILES, MAIL]
    assert claims(exchanged(files, received, resource=MAIL, audience=MAIL))["aud"] == MAIL
    assert error(exchange(files, received, resource=None)) == (400, "invalid_request")
    for wrong in ("https://other.example/", files.id, 'a "b"', "é"):
        assert error(exchange(files, received, resource=wrong)) == (400, "invalid_target")
        assert error(exchange(files, received, resource=None, audience=wrong)) == (400, "invalid_target")
    saved(service, files, resources=(FILES,))
    assert error(exchange(files, received)) == (400, "invalid_target")


def test_only_a_token_that_the_client_is_the_audience_of_is_exchanged(
    service: Service, app: OAuthClient, ann: Account, received: str
) -> None:
    mail = a_client(service, kind="service", resources=(MAIL,), scopes=ALL, token_exchange=True)
    unlisted = a_client(service, kind="service", scopes=ALL, token_exchange=True)
    # What a client with users lists is what it may ask for: it is not these services.
    web = a_client(service, kind="confidential", resources=(FILES, MAIL), token_exchange=True)
    for other in (mail, unlisted, web):
        assert error(exchange(other, received)) == (400, "invalid_request")
    for ours in (ann.token, app.tokens(ann)["access_token"], app.tokens(ann, resource=MAIL)["access_token"]):
        assert error(exchange(web, ours)) == (400, "invalid_request")
    assert exchange(mail, app.tokens(ann, resource=MAIL)["access_token"]).status_code == 200


def test_a_client_only_narrows_the_tokens_that_are_its_own(service: Service, ann: Account) -> None:
    web = a_client(service, kind="confidential", scopes=ALL, token_exchange=True)
    both = web.tokens(ann, resource=[FILES, MAIL], scope="openid files:read")["access_token"]
    one = web.tokens(ann, resource=FILES, scope="openid files:read")["access_token"]
    assert claims(exchanged(web, both))["aud"] == MAIL
    # The user was not asked whether it may have the other.
    assert error(exchange(web, one)) == (400, "invalid_target")
    narrow = exchanged(web, both, resource=FILES)
    assert error(exchange(web, narrow)) == (400, "invalid_target")
    assert claims(exchanged(web, narrow, resource=FILES))["act"] == {"sub": web.id}


def test_what_is_no_access_token_of_a_user_is_not_exchanged(app: OAuthClient, files: OAuthClient, ann: Account) -> None:
    tokens = app.tokens(ann, resource=FILES)
    own = files.token(grant_type="client_credentials", resource=FILES).json["access_token"]
    texts = (tokens["refresh_token"], tokens["id_token"], own, "x", "a.b.c", "🂡", "x" * 9000, ann.token)
    for text in texts:
        assert error(exchange(files, text)) == (400, "invalid_request"), text
        assert error(exchange(files, text, subject_token_type=JWT)) == (400, "invalid_request"), text
    assert exchange(files, tokens["access_token"], subject_token_type=JWT).status_code == 200


def test_the_types_of_tokens_are_checked(files: OAuthClient, received: str) -> None:
    refresh = "urn:ietf:params:oauth:token-type:refresh_token"
    for wrong in (
        {"subject_token": None},
        {"subject_token_type": None},
        {"subject_token_type": refresh},
        {"requested_token_type": refresh},
        {"requested_token_type": JWT},
        {"actor_token_type": ACCESS_TOKEN},
        {"actor_token": received},
        {"actor_token": received, "actor_token_type": refresh},
        {"audience": [MAIL, FILES]},
        {"subject_token": [received, received]},
    ):
        assert error(exchange(files, received, **wrong)) == (400, "invalid_request"), wrong
    assert exchange(files, received, requested_token_type=ACCESS_TOKEN).status_code == 200


def test_the_actor_is_the_client_itself_and_nobody_else(
    service: Service, files: OAuthClient, ann: Account, received: str
) -> None:
    def with_actor(token: str) -> Reply:
        return exchange(files, received, actor_token=token, actor_token_type=ACCESS_TOKEN)

    other = a_client(service, kind="service", resources=(FILES,))
    own, theirs = (
        client.token(grant_type="client_credentials", resource=FILES).json["access_token"] for client in (files, other)
    )
    assert claims(with_actor(own).json["access_token"])["act"] == {"sub": files.id}
    for token in (theirs, received, exchanged(files, received), ann.token, "x"):
        assert error(with_actor(token)) == (400, "invalid_request")
    asked(files, "/oauth/revoke", own)
    assert error(with_actor(own)) == (400, "invalid_request")


def test_a_chain_of_clients_names_each_of_them_and_has_an_end(service: Service, received: str) -> None:
    chain = [
        a_client(service, kind="service", resources=(FILES,), scopes=ALL, token_exchange=True)
        for _ in range(MOST_ACTORS + 1)
    ]
    token, act = received, dict[str, Any]()
    for client in chain[:-1]:
        token = exchanged(client, token, resource=FILES)
        act = {"sub": client.id} | ({"act": act} if act else {})
        assert claims(token)["act"] == act
        assert introspected(client, token)["act"] == act
    assert error(exchange(chain[-1], token, resource=FILES)) == (400, "invalid_request")
    assert claims(exchanged(chain[-2], token, resource=FILES))["act"] == act  # its own, once more


def test_only_a_client_that_may_exchange_tokens_does(service: Service, files: OAuthClient, received: str) -> None:
    for client in (
        a_client(service, kind="service", resources=(FILES, MAIL)),
        a_client(service, kind="confidential"),
    ):
        assert error(exchange(client, received)) == (400, "unauthorized_client")
    # A public client cannot prove who acts, whatever is stored of it.
    assert error(exchange(a_client(service, token_exchange=True), received)) == (401, "invalid_client")
    assert error(exchange(files, received, client_secret="wrong")) == (401, "invalid_client")
    assert error(exchange(files, received, client_id=new_id())) == (401, "invalid_client")


def test_the_token_of_an_administrator_who_acts_for_a_user_is_not_exchanged(start: Start) -> None:
    service = start(IMPERSONATION="on")
    name_resources(service)
    admin, bob = service.administrator(), service.register()
    gateway = a_client(service, kind="service", resources=(OURS, MAIL), scopes=ALL, token_exchange=True)
    body = {"reason": "He called."}
    begun = service.post(f"/admin/users/{bob.id}/impersonate", body, token=admin.token).json["data"]
    assert introspected(gateway, begun["access_token"])["active"]
    assert error(exchange(gateway, begun["access_token"])) == (400, "invalid_request")
    token = claims(exchanged(gateway, bob.token))  # that of a login, for a service that stands for our own API
    assert (token["act"], token["aud"], "scope" in token) == ({"sub": gateway.id}, MAIL, False)


def end(service: Service, how: str, ann: Account, received: str) -> Reply:
    told, admin = claims(received), service.administrator()
    match how:
        case "end in the list":
            return service.send("DELETE", f"/auth/sessions/{told['sid']}", token=ann.token)
        case "logout of all":
            return service.post("/auth/logout", {"scope": "all"}, token=ann.token)
        case "consent revoked":
            return service.send("DELETE", f"/auth/grants/{told['client_id']}", token=ann.token)
        case "disabled":
            return service.post(f"/admin/users/{ann.id}/disable", {}, token=admin.token)
        case "first client deleted":
            return service.send("DELETE", f"/admin/clients/{told['client_id']}", token=admin.token)
        case _:
            path = f"/admin/clients/{told['client_id']}"
            return service.send("PATCH", path, json={"scopes": ["openid"]}, token=admin.token)


ENDS = ["end in the list", "logout of all", "consent revoked", "disabled", "first client deleted", "its scopes less"]


@pytest.mark.parametrize("how", ENDS)
def test_with_the_session_end_the_exchange_and_what_was_exchanged(
    service: Service, files: OAuthClient, ann: Account, received: str, how: str
) -> None:
    mail = a_client(service, kind="service", resources=(MAIL, FILES), scopes=ALL, token_exchange=True)
    first = exchanged(files, received)
    second = exchanged(mail, first, resource=FILES)
    assert introspected(files, second)["active"]
    assert end(service, how, ann, received).status_code == 200
    for token in (received, first, second):
        assert introspected(files, token) == INACTIVE
    assert error(exchange(files, received)) == (400, "invalid_request")
    assert error(exchange(mail, first, resource=FILES)) == (400, "invalid_request")


@pytest.mark.parametrize(
    "changes", [{"token_exchange": False}, {"resources": (FILES,)}, {"scopes": ("email",)}, None], ids=str
)
def test_a_client_that_may_do_less_or_is_gone_loses_what_it_exchanged(
    service: Service, files: OAuthClient, received: str, changes: dict[str, Any] | None
) -> None:
    mail = a_client(service, kind="service", resources=(MAIL, FILES), scopes=ALL, token_exchange=True)
    token = exchanged(files, received)
    further = exchanged(mail, token, resource=FILES)
    assert introspected(mail, further)["active"]
    if changes is None:
        assert service.wired.get(Clients).remove(files.id)
    else:
        saved(service, files, **changes)
    assert introspected(mail, token) == INACTIVE
    assert error(exchange(mail, token, resource=FILES)) == (400, "invalid_request")
    if changes is None or "token_exchange" in changes:  # by whose leave the next one acts
        assert introspected(mail, further) == INACTIVE
    assert introspected(mail, received)["active"]  # the session goes on


def test_a_client_revokes_what_it_exchanged_and_not_the_session_of_another(files: OAuthClient, received: str) -> None:
    token, other = exchanged(files, received), exchanged(files, received)
    asked(files, "/oauth/revoke", token)
    asked(files, "/oauth/revoke", received)  # it is another client's
    assert introspected(files, token) == INACTIVE
    assert introspected(files, other)["active"]
    assert introspected(files, received)["active"]


def test_why_an_exchange_would_be_refused_is_explained_and_nothing_is_written(
    service: Service, files: OAuthClient, ann: Account, received: str
) -> None:
    admin = service.administrator()

    def reason(client: OAuthClient = files, **more: Any) -> str | None:
        usual = {"grant_type": GRANT, "client_id": client.id, "client_secret": SECRET, "subject_token": received}
        request = usual | {"subject_token_type": ACCESS_TOKEN, "resource": MAIL} | more
        told = service.post("/admin/clients/explain", {"token_request": request}, token=admin.token).json["data"]
        found: str | None = told["reason"]
        return found

    assert reason() is None
    assert reason(subject_token="x") == "subject_token"
    assert reason(subject_token_type="x") == "subject_token_type"
    assert reason(resource="https://other.example/") == "resource"
    assert reason(resource=OURS) == "own_api"
    assert reason(scope="mail:read") == "scope"
    assert reason(actor_token=received, actor_token_type=ACCESS_TOKEN) == "actor_token"
    assert reason(a_client(service, kind="confidential")) == "token_exchange"
    assert reason(a_client(service), client_secret="") == "client_kind"
    events = service.get("/auth/events", token=ann.token).json["data"]["events"]
    assert "token.exchanged" not in {event["action"] for event in events}


def test_discovery_lists_the_grant(service: Service) -> None:
    assert GRANT in service.get("/.well-known/oauth-authorization-server").json["grant_types_supported"]


def test_who_may_let_a_client_exchange_tokens_is_who_may_trust_clients(service: Service) -> None:
    boss = service.administrator()
    role = {"name": f"r{new_id()[-8:]}", "permissions": ["clients:read", "clients:write"]}
    assert service.post("/admin/roles", role, token=boss.token).status_code == 201
    writer = service.register()
    given = {"roles": ["member", role["name"]]}
    assert service.send("PUT", f"/admin/users/{writer.id}/roles", json=given, token=boss.token).status_code == 200

    def create(by: Account, **more: Any) -> Reply:
        return service.post("/admin/clients", {"name": "Files", "kind": "service", **more}, token=by.token)

    plain = create(writer).json["data"]["client"]
    assert plain["token_exchange"] is False
    assert create(writer, token_exchange=True).json["code"] == "forbidden"
    path = f"/admin/clients/{plain['id']}"
    assert service.send("PATCH", path, json={"token_exchange": True}, token=writer.token).json["code"] == "forbidden"
    changed = service.send("PATCH", path, json={"token_exchange": True}, token=boss.token)
    assert changed.json["data"]["client"]["token_exchange"] is True
    # Whoever has its secret exchanges tokens.
    assert service.post(f"{path}/secrets", {}, token=writer.token).json["code"] == "forbidden"
    assert service.send("PATCH", path, json={"token_exchange": False}, token=writer.token).json["code"] == "forbidden"


def test_a_public_client_cannot_be_let_exchange_tokens(service: Service) -> None:
    admin = service.administrator()
    body: dict[str, Any] = {"name": "App", "kind": "public", "redirect_uris": []}
    wrong = service.post("/admin/clients", body | {"token_exchange": True}, token=admin.token)
    assert [(each["field"], each["code"]) for each in wrong.json["errors"]] == [("token_exchange", "public")]
    made = service.post("/admin/clients", body, token=admin.token).json["data"]["client"]
    wrong = service.send("PATCH", f"/admin/clients/{made['id']}", json={"token_exchange": True}, token=admin.token)
    assert [(each["field"], each["code"]) for each in wrong.json["errors"]] == [("token_exchange", "public")]
