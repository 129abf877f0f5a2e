"""The token endpoint: codes, refresh tokens, and clients that act for themselves."""

from __future__ import annotations

import base64
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
import pytest

from app.oauth.clients.model import Clients
from app.oauth.consents.service import ConsentService
from app.platform.identifiers import new_id
from tests.api.oauth_flow import (
    CALLBACK,
    FILES,
    FORM,
    HERE,
    MAIL,
    SECRET,
    VERIFIER,
    OAuthClient,
    a_client,
    basic,
    claims,
    name_resources,
    principal_of,
    refused,
    stored,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.api.service import Account, Service


def is_live(service: Service, token: str) -> bool:
    return service.get("/oauth/userinfo", token=token).status_code == 200


def test_a_code_gives_the_tokens_that_the_contract_names(service: Service, app: OAuthClient, ann: Account) -> None:
    reply = app.redeem(app.code(ann, scope="openid profile email offline_access"))
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "no-store"
    found = reply.json
    assert found.keys() == {"access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"}
    assert (found["token_type"], found["scope"]) == ("Bearer", "openid profile email offline_access")
    access, identity = claims(found["access_token"]), claims(found["id_token"])
    own = service.wired.settings.server.public_url
    assert (access["client_id"], access["aud"], access["sub"]) == (app.id, own, ann.id)
    assert identity == {
        "iss": own, "sub": ann.id, "aud": app.id, "iat": access["iat"], "exp": access["exp"],
        "auth_time": access["auth_time"], "amr": ["pwd"], "acr": "urn:latchkey:aal1", "sid": access["sid"],
        "nonce": "n", "at_hash": identity["at_hash"], "preferred_username": ann.username, "email": ann.email,
        "email_verified": False,
    }  # fmt: skip
    keys = service.get("/.well-known/jwks.json").json["keys"]
    header = jwt.get_unverified_header(found["id_token"])
    key = jwt.PyJWK(next(each for each in keys if each["kid"] == header["kid"]))
    jwt.decode(found["id_token"], key, ["ES256"], audience=app.id, options={"verify_exp": False, "verify_iat": False})
    assert service.get("/auth/me", token=found["id_token"]).json["code"] == "invalid_token"


def test_the_hash_of_the_access_token_is_that_of_the_specification(app: OAuthClient, ann: Account) -> None:
    found = app.tokens(ann)
    half = sha256(found["access_token"].encode()).digest()[:16]
    assert claims(found["id_token"])["at_hash"] == base64.urlsafe_b64encode(half).rstrip(b"=").decode()


def test_without_openid_there_is_no_id_token_and_without_offline_access_no_refresh_token(
    app: OAuthClient, ann: Account
) -> None:
    found = app.tokens(ann, scope="profile")
    assert found.keys() == {"access_token", "token_type", "expires_in", "scope"}


def test_the_second_use_of_a_code_fails_and_ends_what_the_first_opened(
    service: Service, app: OAuthClient, ann: Account
) -> None:
    code = app.code(ann)
    first = app.redeem(code).json
    assert is_live(service, first["access_token"])
    refused(app.redeem(code), "invalid_grant")
    assert not is_live(service, first["access_token"])
    refused(app.refresh(first["refresh_token"]), "invalid_grant")
    assert service.get("/auth/me", token=ann.token).status_code == 200


def test_of_16_uses_of_one_code_at_once_at_most_one_gives_tokens_and_they_are_dead(
    service: Service, app: OAuthClient, ann: Account
) -> None:
    for _ in range(4):
        code = app.code(ann)
        replies = service.at_once(lambda _, code=code: app.redeem(code))  # type: ignore[misc]
        won = [reply.json for reply in replies if reply.status_code == 200]
        assert len(won) == 1
        assert {reply.json["error"] for reply in replies if reply.status_code != 200} == {"invalid_grant"}
        assert not any(is_live(service, found["access_token"]) for found in won)


def test_a_second_use_before_the_session_is_opened_ends_it_too(
    service: Service, app: OAuthClient, ann: Account
) -> None:
    code = app.code(ann)
    late: list[None] = []

    def use_again() -> None:
        """Between the write that spends the code and the one that opens the session, which reads the clock first."""
        if not late and stored(service, code).used_at is not None:
            late.append(None)
            refused(app.redeem(code), "invalid_grant")

    service.clock.at_each_call = use_again
    try:
        reply = app.redeem(code)
    finally:
        service.clock.at_each_call = lambda: None
    assert late
    assert reply.status_code == 200, reply.text
    assert not is_live(service, reply.json["access_token"])
    assert len(service.get("/auth/sessions", token=ann.token).json["data"]["sessions"]) == 1


def test_a_code_is_dead_when_its_time_is_over(service: Service, app: OAuthClient, ann: Account) -> None:
    code = app.code(ann)
    assert (stored(service, code).expires_at - service.clock()).total_seconds() == 60
    service.clock.advance(60)
    refused(app.redeem(code), "invalid_grant")


def test_a_code_belongs_to_its_client_and_is_not_spent_by_another(
    app: OAuthClient, web: OAuthClient, ann: Account
) -> None:
    code = app.code(ann)
    refused(web.redeem(code), "invalid_grant")
    refused(web.redeem(code, basic(web.id, SECRET), client_id=None), "invalid_grant")
    assert app.redeem(code).status_code == 200


def test_a_wrong_verifier_spends_the_code_and_a_missing_one_is_told(app: OAuthClient, ann: Account) -> None:
    code = app.code(ann)
    for verifier in (None, "", "short", "v" * 129, "ü" * 43):
        refused(app.redeem(code, code_verifier=verifier), "invalid_request")
    refused(app.redeem(code, code_verifier="x" * 43), "invalid_grant")
    refused(app.redeem(code), "invalid_grant")


def test_the_redirect_uri_is_compared_where_it_is_sent(app: OAuthClient, ann: Account) -> None:
    refused(app.redeem(app.code(ann), redirect_uri=CALLBACK + "/"), "invalid_grant")
    assert app.redeem(app.code(ann), redirect_uri=None).status_code == 200
    assert app.redeem(app.code(ann, redirect_uri=None)).status_code == 200


def test_what_ends_the_login_before_the_code_is_redeemed_voids_the_code(service: Service, app: OAuthClient) -> None:
    ends: dict[str, Callable[[Account], Any]] = {
        "logout": lambda account: service.post("/auth/logout", {}, token=account.token),
        "logout of all": lambda account: service.post("/auth/logout", {"scope": "all"}, token=account.token),
        "new password": lambda account: service.post(
            "/auth/password",
            {"current_password": account.password, "new_password": "another good long password"},
            token=account.token,
        ),
        "deletion": lambda account: service.send(
            "DELETE", "/auth/me", json={"password": account.password}, token=account.token
        ),
        "no consent": lambda account: service.wired.get(ConsentService).revoke(
            principal_of(service, account), app.id, HERE
        ),
    }
    for scope in ("openid", "openid offline_access"):
        for name, end in ends.items():
            account = service.register()
            code = app.code(account, scope=scope)
            reply = end(account)
            assert reply is None or reply.status_code < 300, (name, reply.text)
            refused(app.redeem(code), "invalid_grant")


def test_a_client_that_is_deleted_gets_nothing_for_its_code(service: Service, ann: Account) -> None:
    app = a_client(service)
    code = app.code(ann)
    assert service.wired.get(Clients).remove(app.id)
    refused(app.redeem(code), "invalid_client", 401)


def test_the_resource_is_the_audience_and_is_kept_through_refresh(app: OAuthClient, ann: Account) -> None:
    found = app.tokens(ann, resource=[FILES, MAIL], scope="openid offline_access files:read")
    assert claims(found["access_token"])["aud"] == [FILES, MAIL]
    narrow = app.refresh(found["refresh_token"], resource=MAIL, scope="openid").json
    assert (claims(narrow["access_token"])["aud"], narrow["scope"]) == (MAIL, "openid")
    whole = app.refresh(narrow["refresh_token"]).json
    assert (claims(whole["access_token"])["aud"], whole["scope"]) == ([FILES, MAIL], found["scope"])
    assert "nonce" not in claims(whole["id_token"])


@pytest.mark.parametrize("sent", [MAIL, f"{MAIL}/", "HTTPS://Mail.example:443"])
def test_a_resource_is_recognized_as_url_libraries_write_it_and_the_token_names_it_as_it_is_registered(
    app: OAuthClient, ann: Account, sent: str
) -> None:
    found = app.redeem(app.code(ann, resource=sent), resource=sent).json
    assert claims(found["access_token"])["aud"] == MAIL
    assert claims(app.refresh(found["refresh_token"], resource=sent).json["access_token"])["aud"] == MAIL
    refused(app.refresh(found["refresh_token"], resource=f"{sent.removesuffix('/')}/x"), "invalid_target")


def test_a_token_request_narrows_its_own_access_token_alone(app: OAuthClient, ann: Account) -> None:
    found = app.redeem(app.code(ann, resource=[FILES, MAIL]), resource=FILES).json
    assert claims(found["access_token"])["aud"] == FILES
    assert claims(app.refresh(found["refresh_token"]).json["access_token"])["aud"] == [FILES, MAIL]
    refused(app.redeem(app.code(ann, resource=FILES), resource=MAIL), "invalid_target")


def test_a_refresh_never_widens_and_belongs_to_its_client(app: OAuthClient, web: OAuthClient, ann: Account) -> None:
    found = app.tokens(ann)
    refused(app.refresh(found["refresh_token"], scope="openid email"), "invalid_scope")
    refused(app.refresh(found["refresh_token"], resource=FILES), "invalid_target")
    refused(web.refresh(found["refresh_token"]), "invalid_grant")
    refused(app.refresh(ann.refresh_token), "invalid_grant")
    refused(app.refresh("é\udcff".encode("utf-8", "surrogateescape").decode("latin-1")), "invalid_grant")
    refused(app.token(grant_type="refresh_token"), "invalid_request")
    assert app.refresh(found["refresh_token"]).status_code == 200


def test_a_reused_refresh_token_ends_the_session_behind_the_grace(
    service: Service, app: OAuthClient, ann: Account
) -> None:
    found = app.tokens(ann)
    renewed = app.refresh(found["refresh_token"]).json
    again = app.refresh(found["refresh_token"]).json
    assert again["refresh_token"] == renewed["refresh_token"]
    service.clock.advance(31)
    refused(app.refresh(found["refresh_token"]), "invalid_grant")
    refused(app.refresh(renewed["refresh_token"]), "invalid_grant")


def test_userinfo_tells_what_the_scopes_of_the_token_let_it(service: Service, app: OAuthClient, ann: Account) -> None:
    def told(**parameters: Any) -> set[str]:
        reply = service.get("/oauth/userinfo", token=app.tokens(ann, **parameters)["access_token"])
        assert reply.status_code == 200
        return set(reply.json)

    assert told(scope="openid") == {"sub"}
    assert told(scope="openid email") == {"sub", "email", "email_verified"}
    assert told(scope="openid profile") == {"sub", "preferred_username"}
    found = app.tokens(ann, scope="openid email offline_access")
    narrow = app.refresh(found["refresh_token"], scope="openid").json["access_token"]
    posted = service.send("POST", "/oauth/userinfo", token=narrow, body=b"", content_type=FORM)
    assert posted.json == {"sub": ann.id}


def test_userinfo_refuses_what_is_no_token_for_it(service: Service, app: OAuthClient, ann: Account) -> None:
    without = service.get("/oauth/userinfo", token=app.tokens(ann, scope="email")["access_token"])
    refused(without, "insufficient_scope", 403)
    elsewhere = service.get("/oauth/userinfo", token=app.tokens(ann, resource=FILES)["access_token"])
    refused(elsewhere, "invalid_token", 401)
    assert 'error="invalid_token"' in elsewhere.headers["WWW-Authenticate"]
    nobody = service.get("/oauth/userinfo")
    refused(nobody, "invalid_token", 401)
    assert nobody.headers["WWW-Authenticate"].startswith("Bearer")
    both = app.tokens(ann, resource=[FILES, service.wired.settings.tokens.jwt_audience])
    assert is_live(service, both["access_token"])


def test_a_service_gets_a_token_for_itself_which_our_own_api_refuses(service: Service) -> None:
    name_resources(service)
    robot = a_client(service, kind="service")
    reply = robot.token(grant_type="client_credentials", scope="files:read", resource=FILES)
    assert reply.json.keys() == {"access_token", "token_type", "expires_in", "scope"}
    found = claims(reply.json["access_token"])
    assert (found["sub"], found["client_id"], found["aud"], found["scope"]) == (robot.id, robot.id, FILES, "files:read")
    assert found.keys() == {"iss", "sub", "aud", "client_id", "iat", "exp", "jti", "scope"}
    own = robot.token(grant_type="client_credentials").json["access_token"]
    assert service.get("/auth/me", token=own).json["code"] == "invalid_token"
    refused(robot.token(grant_type="client_credentials", scope="mail:read", resource=FILES), "invalid_scope")
    refused(robot.token(grant_type="client_credentials", resource="https://evil.example"), "invalid_target")
    refused(robot.token(grant_type="authorization_code", code="x", code_verifier=VERIFIER), "unauthorized_client")


def test_each_kind_of_client_has_its_grants(app: OAuthClient, web: OAuthClient) -> None:
    refused(app.token(grant_type="client_credentials"), "invalid_client", 401)
    assert web.token(grant_type="client_credentials").status_code == 200
    for grant in ("password", "implicit", "", '"é', "urn:ietf:params:oauth:grant-type:saml2-bearer"):
        refused(app.token(grant_type=grant), "unsupported_grant_type" if grant else "invalid_request")
    refused(app.token(grant_type="password", username="a", password="b"), "unsupported_grant_type")


@pytest.mark.parametrize("repeated", [True, False], ids=["in the body too", "in the header alone"])
def test_a_public_client_may_name_itself_by_basic_with_an_empty_password(
    service: Service, ann: Account, *, repeated: bool
) -> None:
    """As golang.org/x/oauth2 and requests-oauthlib do: the first remembers what was accepted, and repeats it."""
    app = a_client(service)
    named = {"client_id": app.id} if repeated else {"client_id": None}
    reply = app.redeem(app.code(ann), basic(app.id, ""), **named)
    assert reply.status_code == 200, reply.text
    again = app.token(basic(app.id, ""), grant_type="refresh_token", refresh_token=reply.json["refresh_token"], **named)
    assert again.status_code == 200, again.text


def test_basic_with_a_password_is_never_passed_over_for_the_name_in_the_body(service: Service, ann: Account) -> None:
    app, other = a_client(service), a_client(service)
    web = a_client(service, kind="confidential")
    code = app.code(ann)
    for header in (basic(app.id, "wrong"), basic(other.id, ""), basic("", ""), {"Authorization": "Basic !"}):
        refused(app.redeem(code, header), "invalid_client", 401)
    refused(web.token(basic(web.id, ""), grant_type="client_credentials"), "invalid_client", 401)
    tokens = app.redeem(code)
    assert tokens.status_code == 200
    body = urlencode({"token": tokens.json["access_token"]}).encode()
    for path, status in (("/oauth/introspect", 401), ("/oauth/revoke", 200)):
        reply = service.send("POST", path, body=body, content_type=FORM, headers=basic(app.id, ""))
        assert reply.status_code == status, path


def test_a_client_that_does_not_authenticate_gets_401_and_a_challenge_where_it_used_basic(
    app: OAuthClient, web: OAuthClient
) -> None:
    by_header = web.token(basic(web.id, "wrong"), grant_type="client_credentials")
    refused(by_header, "invalid_client", 401)
    assert by_header.headers["WWW-Authenticate"].startswith("Basic ")
    by_body = web.token(grant_type="client_credentials", client_secret="wrong")
    refused(by_body, "invalid_client", 401)
    assert "WWW-Authenticate" not in by_body.headers
    refused(web.token(grant_type="client_credentials", client_secret=None), "invalid_client", 401)
    refused(web.token(basic(web.id, SECRET), grant_type="client_credentials", client_secret=SECRET), "invalid_request")
    refused(web.token(basic(web.id, SECRET), grant_type="client_credentials", client_id=app.id), "invalid_client", 401)
    refused(app.redeem("x", client_secret=SECRET), "invalid_client", 401)
    refused(app.redeem("x", client_id=new_id()), "invalid_client", 401)
    refused(app.redeem("x", client_id=None), "invalid_client", 401)
    assert web.token(basic(web.id, SECRET), grant_type="client_credentials", client_id=None).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        *("Basic", "Basic !!!", "Basic \xff", "Bearer x", "\x00", "Basic a b c"),
        *(
            "Basic " + base64.b64encode(each).decode()
            for each in (b"\xff\xfe:\xff", b"nocolon", b":", b"a:\x00", b"\x00:", "é:".encode(), b"")
        ),
    ],
)
def test_no_authorization_header_is_a_fault(web: OAuthClient, header: str) -> None:
    refused(
        web.token({"Authorization": header}, grant_type="client_credentials", client_id=None), "invalid_client", 401
    )


@pytest.mark.parametrize(
    "body",
    [
        b"", b"{}", b"grant_type", b"grant_type=%ff", b"grant_type=a&grant_type=a", b"\xff\xfe", b"=", b"&&&",
        b"grant_type=authorization_code&code=%00", b"grant_type=%22%C3%A9&client_id=%22", b"a=1&" * 200,
        b"grant_type=authorization_code&client_id=a&client_id=b", b"grant_type[$ne]=1&client_id[$gt]=",
    ],
)  # fmt: skip
def test_garbage_is_told_in_the_shape_of_the_rfc(service: Service, body: bytes) -> None:
    reply = service.send("POST", "/oauth/token", body=body, content_type=FORM)
    assert reply.status_code in {400, 401}
    assert reply.json.keys() == {"error", "error_description"}


@pytest.mark.parametrize("name", ["code", "refresh_token", "redirect_uri", "scope", "resource", "client_id"])
@pytest.mark.parametrize("value", ['"\\é', "x" * 5000, "\u0001", "%00", "🂡", '{"$ne": 1}', "' or 1=1 --"])
def test_no_value_of_a_parameter_is_a_fault(app: OAuthClient, name: str, value: str) -> None:
    for grant in ("authorization_code", "refresh_token", "client_credentials"):
        sent = {"grant_type": grant, "code": "c", "refresh_token": "r", "code_verifier": VERIFIER} | {name: value}
        reply = app.token(None, **sent)
        assert reply.status_code in {400, 401}, reply.text
        assert reply.json.keys() == {"error", "error_description"}


def test_json_is_no_form(service: Service) -> None:
    reply = service.post("/oauth/token", {"grant_type": "client_credentials"})
    assert (reply.status_code, reply.json["error"]) == (400, "invalid_request")
