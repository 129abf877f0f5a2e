"""Revocation and introspection: what a client may do to a token, and know of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from app.oauth import controller
from app.oauth.clients.model import Clients
from app.platform.identifiers import new_id
from tests.api.oauth_flow import (
    FILES,
    FORM,
    MAIL,
    SECRET,
    OAuthClient,
    a_client,
    basic,
    claims,
    name_resources,
)

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service

INACTIVE = {"active": False}


def sent(client: OAuthClient, path: str, headers: dict[str, str] | None = None, **parameters: Any) -> Reply:
    usual = {"client_id": client.id}
    if client.client.has_secrets and not headers:
        usual["client_secret"] = SECRET
    given = {name: value for name, value in (usual | parameters).items() if value is not None}
    return client.service.send("POST", path, body=urlencode(given).encode(), content_type=FORM, headers=headers)


def revoke(client: OAuthClient, token: str, **parameters: Any) -> None:
    reply = sent(client, "/oauth/revoke", token=token, **parameters)
    assert (reply.status_code, reply.json) == (200, {})


def introspected(client: OAuthClient, token: str, **parameters: Any) -> dict[str, Any]:
    reply = sent(client, "/oauth/introspect", token=token, **parameters)
    assert reply.status_code == 200, reply.text
    assert reply.headers["Cache-Control"] == "no-store"
    told: dict[str, Any] = reply.json
    return told


def is_live(service: Service, tokens: dict[str, Any]) -> bool:
    return service.get("/oauth/userinfo", token=tokens["access_token"]).status_code == 200


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
@pytest.mark.parametrize("hint", [None, "access_token", "refresh_token", 'of "another" kind'])
def test_a_client_revokes_a_token_and_with_it_all_of_its_session(
    service: Service, web: OAuthClient, ann: Account, name: str, hint: str | None
) -> None:
    tokens, other = web.tokens(ann), web.tokens(ann)
    revoke(web, tokens[name], token_type_hint=hint)
    assert not is_live(service, tokens)
    assert web.refresh(tokens["refresh_token"]).json["error"] == "invalid_grant"
    assert is_live(service, other)
    (event,) = (
        each
        for each in service.get("/auth/events", token=ann.token).json["data"]["events"]
        if each["action"] == "session.ended"
    )
    assert event["details"] == {"session_id": claims(tokens["access_token"])["sid"], "client_id": web.id}
    revoke(web, tokens[name])


def test_a_refresh_token_that_was_exchanged_still_revokes_its_session(
    service: Service, web: OAuthClient, ann: Account
) -> None:
    tokens = web.tokens(ann)
    renewed = web.refresh(tokens["refresh_token"]).json
    revoke(web, tokens["refresh_token"])
    assert not is_live(service, renewed)


def test_a_public_client_revokes_its_tokens_by_its_name_alone(service: Service, web: OAuthClient, ann: Account) -> None:
    app = a_client(service)
    tokens, others = app.tokens(ann), web.tokens(ann)
    revoke(app, others["access_token"])
    revoke(app, tokens["access_token"])
    assert (is_live(service, tokens), is_live(service, others)) == (False, True)


def test_a_client_ends_no_session_of_another_nor_a_login(service: Service, web: OAuthClient, ann: Account) -> None:
    tokens, other = web.tokens(ann), a_client(service, kind="confidential")
    login = service.login(ann.username).json["data"]
    for token in (
        *(tokens[name] for name in ("access_token", "refresh_token", "id_token")),
        "",
        "a.b.c",
        "🂡",
        "x" * 9000,
    ):
        revoke(other, token or "nothing")
    for client in (web, a_client(service, first_party=True)):
        for name in ("access_token", "refresh_token"):
            revoke(client, login[name])
    revoke(web, tokens["id_token"])
    assert is_live(service, tokens)
    assert web.refresh(tokens["refresh_token"]).status_code == 200
    assert service.get("/auth/me", token=login["access_token"]).status_code == 200
    assert service.post("/auth/refresh", {"refresh_token": login["refresh_token"]}).status_code == 200


@pytest.mark.parametrize("path", ["/oauth/revoke", "/oauth/introspect"])
def test_whoever_asks_has_to_be_a_client_and_to_send_a_token(service: Service, web: OAuthClient, path: str) -> None:
    for wrong in ({"client_secret": "wrong"}, {"client_secret": None}, {"client_id": new_id()}, {"client_id": None}):
        reply = sent(web, path, token="x", **wrong)
        assert (reply.status_code, reply.json["error"]) == (401, "invalid_client"), wrong
        assert "WWW-Authenticate" not in reply.headers
    by_header = sent(web, path, basic(web.id, "wrong"), token="x")
    assert by_header.status_code == 401
    assert by_header.headers["WWW-Authenticate"].startswith("Basic ")
    assert sent(web, path, basic(web.id, SECRET), token="x").status_code == 200
    missing = sent(web, path)
    assert (missing.status_code, missing.json["error"]) == (400, "invalid_request")
    for body in (b"{}", b"token=%ff", b"token=a&token=a", b"\xff\xfe", b"token[$ne]=1", b"a=1&" * 200):
        reply = service.send("POST", path, body=body, content_type=FORM)
        assert reply.status_code in {400, 401}
        assert reply.json.keys() == {"error", "error_description"}
    reply = service.post(path, {"token": "x"})
    assert (reply.status_code, reply.json["error"]) == (400, "invalid_request")


def test_a_client_is_told_what_its_tokens_say(service: Service, web: OAuthClient, ann: Account) -> None:
    tokens = web.tokens(ann, scope="openid email offline_access")
    token = claims(tokens["access_token"])
    told = introspected(web, tokens["access_token"], token_type_hint="refresh_token")
    assert told == {
        "active": True, "token_type": "Bearer", "client_id": web.id, "scope": "openid email offline_access",
        "sub": ann.id, "aud": token["aud"], "iss": token["iss"], "exp": token["exp"], "iat": token["iat"],
        "jti": token["jti"], "sid": token["sid"], "auth_time": token["auth_time"], "amr": ["pwd"],
        "acr": "urn:latchkey:aal1",
    }  # fmt: skip
    told = introspected(web, tokens["refresh_token"])
    now = int(service.clock().timestamp())
    assert told.pop("exp") > now
    assert told == {
        "active": True, "client_id": web.id, "scope": "openid email offline_access", "sub": ann.id,
        "iss": token["iss"], "iat": now, "sid": token["sid"],
    }  # fmt: skip


@pytest.mark.parametrize("end", ["logout of all", "end in the list", "disabling", "revocation"])
def test_of_a_token_that_is_not_accepted_any_more_nothing_is_told(
    service: Service, web: OAuthClient, ann: Account, end: str
) -> None:
    tokens = web.tokens(ann)
    match end:
        case "logout of all":
            service.post("/auth/logout", {"scope": "all"}, token=ann.token)
        case "end in the list":
            service.send("DELETE", f"/auth/sessions/{claims(tokens['access_token'])['sid']}", token=ann.token)
        case "disabling":
            service.post(f"/admin/users/{ann.id}/disable", {}, token=service.administrator().token)
        case "revocation":
            revoke(web, tokens["refresh_token"])
    assert introspected(web, tokens["access_token"]) == INACTIVE
    assert introspected(web, tokens["refresh_token"]) == INACTIVE


def test_of_what_has_expired_was_exchanged_or_is_no_token_nothing_is_told(
    service: Service, web: OAuthClient, ann: Account
) -> None:
    tokens = web.tokens(ann)
    renewed = web.refresh(tokens["refresh_token"]).json
    login = service.login(ann.username).json["data"]
    for text in (tokens["refresh_token"], tokens["id_token"], login["refresh_token"], "x", "a.b.c", "🂡", "x" * 9000):
        assert introspected(web, text) == INACTIVE
    assert introspected(web, tokens["access_token"])["active"]
    service.clock.advance(3600)
    assert introspected(web, tokens["access_token"]) == INACTIVE
    assert introspected(web, renewed["refresh_token"])["active"]


def test_a_resource_server_is_told_of_the_tokens_that_are_for_it_alone(
    service: Service, web: OAuthClient, ann: Account
) -> None:
    files = a_client(service, kind="service", resources=(FILES,))
    mail = a_client(service, kind="service", resources=(MAIL,))
    any_of_them = a_client(service, kind="service")
    tokens = web.tokens(ann, resource=[FILES, MAIL], scope="openid offline_access")
    for_files = web.refresh(tokens["refresh_token"], resource=FILES).json
    assert introspected(files, tokens["access_token"])["aud"] == [FILES, MAIL]
    assert introspected(files, for_files["access_token"])["sub"] == ann.id
    assert introspected(mail, tokens["access_token"])["active"]
    assert introspected(mail, for_files["access_token"]) == INACTIVE
    assert introspected(any_of_them, tokens["access_token"]) == INACTIVE
    assert introspected(files, for_files["refresh_token"]) == INACTIVE
    may_ask = a_client(service, kind="confidential", resources=(FILES, MAIL))
    assert introspected(may_ask, tokens["access_token"]) == INACTIVE
    login = service.login(ann.username).json["data"]
    for client in (web, files, any_of_them):
        assert introspected(client, login["access_token"]) == INACTIVE
    gateway = a_client(service, kind="service", resources=(service.wired.settings.tokens.jwt_audience,))
    assert introspected(gateway, login["access_token"])["active"]


def test_a_public_client_is_told_nothing(service: Service, ann: Account) -> None:
    app = a_client(service)
    tokens = app.tokens(ann)
    reply = sent(app, "/oauth/introspect", token=tokens["access_token"])
    assert (reply.status_code, reply.json["error"]) == (401, "invalid_client")


def test_the_token_of_a_client_that_acts_for_itself_is_told_of_until_it_is_revoked(
    service: Service, web: OAuthClient
) -> None:
    robot = a_client(service, kind="service", resources=(FILES,))
    first, second = (
        robot.token(grant_type="client_credentials", resource=FILES).json["access_token"] for _ in range(2)
    )
    told = introspected(robot, first)
    assert (told["active"], told["sub"], told["client_id"], told["aud"]) == (True, robot.id, robot.id, FILES)
    assert "sid" not in told
    revoke(web, first)
    assert introspected(robot, first)["active"]
    revoke(robot, first)
    revoke(robot, first)
    assert introspected(robot, first) == INACTIVE
    assert introspected(robot, second)["active"]
    other = a_client(service, kind="service", resources=(FILES,))
    assert introspected(other, second)["active"]
    service.wired.get(Clients).remove(robot.id)
    assert introspected(other, second) == INACTIVE


@pytest.mark.parametrize("less", [{"scopes": ()}, {"resources": (MAIL,)}], ids=["scope", "resource"])
def test_of_what_a_client_that_acts_for_itself_may_not_have_any_more_nothing_is_told(
    service: Service, less: dict[str, Any]
) -> None:
    name_resources(service)
    robot = a_client(service, kind="service", scopes=("files:read",), resources=(FILES, MAIL))
    own = robot.token(grant_type="client_credentials").json["access_token"]
    asked = {"resource": FILES, "scope": "files:read"}
    token = robot.token(None, grant_type="client_credentials", **asked).json["access_token"]
    assert introspected(robot, token)["active"] is True
    clients = service.wired.get(Clients)
    assert clients.save(replace(robot.client, revision=robot.client.revision + 1, **less))
    assert introspected(robot, token) == INACTIVE
    assert introspected(robot, own)["active"] is True


def test_pages_of_registered_origins_may_revoke_and_none_may_introspect() -> None:
    assert (controller.revoke.origins, controller.introspect.origins) == ("registered", None)
