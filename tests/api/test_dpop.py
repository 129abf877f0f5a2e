"""Tokens that are bound to a key of their client (DPoP, RFC 9449): how they are got, and what they are worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from app.oauth.assertions import TYPE
from tests.api.browser import Browser
from tests.api.oauth_flow import (
    FILES,
    FORM,
    MAIL,
    SECRET,
    VERIFIER,
    OAuthClient,
    a_client,
    answer_of,
    claims,
    name_resources,
    refused,
    stored,
)
from tests.api.service import PASSWORD
from tests.api.test_client_assertions import ALL_KEYS, signed
from tests.api.test_client_assertions import sent as sent_by
from tests.api.test_device_flow import GRANT, Tv, answer
from tests.contract.races import THREADS
from tests.proofs import Key

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service, Start

USERINFO = "/oauth/userinfo"


@pytest.fixture
def key() -> Key:
    return Key.new()


def proof_for(service: Service, key: Key, method: str, path: str, token: str | None = None, **changed: Any) -> str:
    url = f"{service.wired.settings.server.public_url}{path}"
    return key.proof(method, url, service.clock(), token, **changed)


def with_proof(service: Service, key: Key, path: str = "/oauth/token", **changed: Any) -> dict[str, str]:
    return {"DPoP": proof_for(service, key, "POST", path, **changed)}


def bound(app: OAuthClient, account: Account, key: Key, **parameters: Any) -> dict[str, Any]:
    """The tokens that a login gives a client that sends a proof."""
    secret = {"client_secret": SECRET} if app.client.has_secrets else {}
    reply = app.redeem(app.code(account, **parameters), with_proof(app.service, key), **secret)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json
    return found


def presented(  # noqa: PLR0917 - a request has as many
    service: Service,
    key: Key,
    token: str,
    method: str = "GET",
    path: str = USERINFO,
    json: object = None,
    **changed: Any,
) -> Reply:
    """A request with a token that is bound to a key, and its proof."""
    proof = proof_for(service, key, method, path, token, **changed)
    return service.send(method, path, json=json, headers={"Authorization": f"DPoP {token}", "DPoP": proof})


def challenged(reply: Reply, error: str) -> None:
    assert reply.status_code == 401, reply.text
    challenge = reply.headers["WWW-Authenticate"]
    assert challenge.startswith(f'DPoP error="{error}"'), challenge
    assert challenge.endswith('algs="ES256 EdDSA PS256 RS256"'), challenge


def test_a_proof_makes_a_token_that_is_bound_to_its_key(service: Service, app: OAuthClient, ann: Account) -> None:
    key = Key.new()
    found = bound(app, ann, key)
    assert found["token_type"] == "DPoP"
    assert claims(found["access_token"])["cnf"] == {"jkt": key.thumbprint}
    assert "cnf" not in claims(found["id_token"])
    for method in ("GET", "POST"):
        reply = presented(service, key, found["access_token"], method)
        assert (reply.status_code, reply.json["sub"]) == (200, ann.id)


def test_without_a_proof_all_stays_as_it_was(service: Service, app: OAuthClient, ann: Account) -> None:
    found = app.tokens(ann)
    assert found["token_type"] == "Bearer"
    assert "cnf" not in claims(found["access_token"])
    assert service.get(USERINFO, token=found["access_token"]).status_code == 200
    assert stored(service, app.code(ann)).dpop_jkt is None


@pytest.mark.parametrize("first_party", [False, True])
def test_a_bound_token_is_worth_nothing_as_a_bearer_token(
    service: Service,
    ann: Account,
    key: Key,
    first_party: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    app = a_client(service, first_party=first_party)
    token = bound(app, ann, key)["access_token"]
    for path in (USERINFO, "/auth/me", "/auth/verify", "/auth/sessions"):
        for headers in (
            {"Authorization": f"Bearer {token}"},
            {"x-access-token": token},
            {"Authorization": f"Bearer {token}", "DPoP": proof_for(service, key, "GET", path, token)},
            {"x-access-token": token, "DPoP": proof_for(service, key, "GET", path, token)},
        ):
            challenged(service.get(path, headers=headers), "invalid_token")


def test_a_token_that_is_not_bound_is_refused_with_a_proof(
    service: Service, app: OAuthClient, ann: Account, key: Key
) -> None:
    administrator = service.administrator()
    made = service.post("/auth/api-keys", {"name": "k", "permissions": []}, token=administrator.token)
    for token in (ann.token, app.tokens(ann)["access_token"], made.json["data"]["key"], "lk_x", "x"):
        challenged(presented(service, key, token), "invalid_token")


def test_the_token_of_a_first_party_acts_as_a_login_s_with_a_proof(service: Service, ann: Account, key: Key) -> None:
    token = bound(a_client(service, first_party=True), ann, key)["access_token"]
    assert presented(service, key, token, path="/auth/me").status_code == 200
    assert presented(service, key, token, path="/auth/verify").status_code == 200
    assert presented(service, key, token, "PATCH", "/auth/me", json={"name": "Ann"}).status_code == 200
    challenged(presented(service, key, token, path="/auth/me", htm="POST"), "invalid_dpop_proof")


def test_a_third_party_reaches_no_account_with_a_proof_either(
    service: Service, app: OAuthClient, ann: Account, key: Key
) -> None:
    assert presented(service, key, bound(app, ann, key)["access_token"], path="/auth/me").status_code == 403


@pytest.mark.parametrize(
    "changed",
    [
        {"htm": "POST"}, {"htu": "https://evil.example/oauth/userinfo"}, {"ath": None}, {"ath": "x"}, {"jti": None},
        {"iat": 1}, {"header": {"typ": "JWT"}}, {"header": {"jwk": None}},
    ],
)  # fmt: skip
def test_each_claim_of_a_proof_counts(
    service: Service, app: OAuthClient, ann: Account, key: Key, changed: dict[str, Any]
) -> None:
    challenged(presented(service, key, bound(app, ann, key)["access_token"], **changed), "invalid_dpop_proof")


def test_a_proof_by_another_key_is_refused(service: Service, app: OAuthClient, ann: Account, key: Key) -> None:
    challenged(presented(service, Key.new(), bound(app, ann, key)["access_token"]), "invalid_dpop_proof")


@pytest.mark.parametrize("proof", [{}, {"DPoP": ""}, {"DPoP": "x"}, {"DPoP": "a.b.c"}])
def test_a_bound_token_needs_a_proof(
    service: Service, app: OAuthClient, ann: Account, key: Key, proof: dict[str, str]
) -> None:
    token = bound(app, ann, key)["access_token"]
    challenged(service.get(USERINFO, headers={"Authorization": f"DPoP {token}", **proof}), "invalid_dpop_proof")


def test_two_proofs_are_none(service: Service, app: OAuthClient, ann: Account, key: Key) -> None:
    token = bound(app, ann, key)["access_token"]
    two = ",".join(proof_for(service, key, "GET", USERINFO, token) for _ in range(2))
    challenged(service.get(USERINFO, headers={"Authorization": f"DPoP {token}", "DPoP": two}), "invalid_dpop_proof")


def test_a_proof_serves_once_however_many_send_it(service: Service, app: OAuthClient, ann: Account, key: Key) -> None:
    token = bound(app, ann, key)["access_token"]
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof_for(service, key, "GET", USERINFO, token)}
    replies = service.at_once(lambda _: service.get(USERINFO, headers=headers))
    assert sorted(reply.status_code for reply in replies) == [200] + [401] * (THREADS - 1)
    challenged(service.get(USERINFO, headers=headers), "invalid_dpop_proof")


def test_a_proof_of_a_refused_request_is_not_kept(service: Service, app: OAuthClient, ann: Account, key: Key) -> None:
    token = bound(app, ann, key)["access_token"]
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof_for(service, key, "GET", USERINFO, token)}
    assert app.service.post("/auth/logout", {"scope": "all"}, token=ann.token).status_code == 200
    for _ in range(2):
        challenged(service.get(USERINFO, headers=headers), "invalid_token")


def test_a_proof_at_the_token_endpoint_serves_once(service: Service, app: OAuthClient, ann: Account, key: Key) -> None:
    headers, codes = with_proof(service, key), [app.code(ann) for _ in range(THREADS)]
    replies = service.at_once(lambda number: app.redeem(codes[number], headers))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * (THREADS - 1)
    assert {reply.json["error"] for reply in replies if reply.status_code == 400} == {"invalid_dpop_proof"}


@pytest.mark.parametrize(
    "changed",
    [
        {"htm": "GET"},
        {"htu": "https://evil.example/oauth/token"},
        {"jti": 1},
        {"iat": None},
        {"header": {"alg": "none"}},
    ],
)
def test_a_bad_proof_spends_no_code(
    service: Service, app: OAuthClient, ann: Account, key: Key, changed: dict[str, Any]
) -> None:
    code = app.code(ann)
    headers = with_proof(service, key, **changed) if "header" not in changed else {"DPoP": "e30.e30."}
    refused(app.redeem(code, headers), "invalid_dpop_proof")
    assert app.redeem(code, with_proof(service, key)).status_code == 200


def test_a_public_client_refreshes_with_its_key_alone(
    service: Service, app: OAuthClient, ann: Account, key: Key
) -> None:
    found = bound(app, ann, key)
    sent = {"grant_type": "refresh_token", "refresh_token": found["refresh_token"]}
    refused(app.token(**sent), "invalid_grant")
    refused(app.token(with_proof(service, Key.new()), **sent), "invalid_grant")
    reply = app.token(with_proof(service, key), **sent)
    assert (reply.status_code, reply.json["token_type"]) == (200, "DPoP")
    assert presented(service, key, reply.json["access_token"]).status_code == 200
    # A thief without the key ends nothing with the former token either.
    service.clock.advance(3600)
    refused(app.token(with_proof(service, Key.new()), **sent), "invalid_grant")
    more = app.token(with_proof(service, key), **sent | {"refresh_token": reply.json["refresh_token"]})
    assert more.status_code == 200


def test_a_client_that_authenticates_itself_may_change_its_key(service: Service, ann: Account, key: Key) -> None:
    web, other = a_client(service, kind="confidential"), Key.new()
    found = bound(web, ann, key)
    sent = {"grant_type": "refresh_token", "refresh_token": found["refresh_token"], "client_secret": SECRET}
    reply = web.token(with_proof(service, other), **sent)
    assert claims(reply.json["access_token"])["cnf"] == {"jkt": other.thumbprint}
    assert presented(service, other, reply.json["access_token"]).status_code == 200
    challenged(presented(service, key, reply.json["access_token"]), "invalid_dpop_proof")


def test_a_refresh_with_a_proof_binds_the_next_access_token(
    service: Service, app: OAuthClient, ann: Account, key: Key
) -> None:
    sent = {"grant_type": "refresh_token", "refresh_token": app.tokens(ann)["refresh_token"]}
    reply = app.token(with_proof(service, key), **sent)
    assert reply.json["token_type"] == "DPoP"
    challenged(service.get(USERINFO, token=reply.json["access_token"]), "invalid_token")


def test_a_code_is_bound_to_the_key_that_the_request_names(
    service: Service, app: OAuthClient, ann: Account, key: Key
) -> None:
    def code() -> str:
        return app.code(ann, dpop_jkt=key.thumbprint)

    assert stored(service, code()).dpop_jkt == key.thumbprint
    refused(app.redeem(code()), "invalid_grant")
    refused(app.redeem(code(), with_proof(service, Key.new())), "invalid_grant")
    assert app.redeem(code(), with_proof(service, key)).json["token_type"] == "DPoP"


@pytest.mark.parametrize("jkt", ["x", "A" * 42, "A" * 44, "!" * 43, "é" * 43])
def test_a_key_that_is_none_is_told_to_the_client(app: OAuthClient, jkt: str) -> None:
    reply = app.authorize(dpop_jkt=jkt)
    assert answer_of(reply.headers["Location"])["error"] == "invalid_request"


def pushed(app: OAuthClient, headers: dict[str, str], **parameters: Any) -> Reply:
    body = urlencode(app.request(**parameters)).encode()
    return app.service.send("POST", "/oauth/par", body=body, content_type=FORM, headers=headers)


def test_a_pushed_request_with_a_proof_binds_its_code(service: Service, ann: Account, key: Key) -> None:
    app = a_client(service, first_party=True)
    headers = with_proof(service, key, "/oauth/par")
    reply = pushed(app, headers)
    assert reply.status_code == 201, reply.text
    browser = Browser(service)
    browser.log_in(ann.email, ann.password)
    query = urlencode({"client_id": app.id, "request_uri": reply.json["request_uri"]})
    code = answer_of(browser.get("/oauth/authorize", query=query).headers["Location"])["code"]
    assert stored(service, code).dpop_jkt == key.thumbprint
    refused(pushed(app, headers), "invalid_dpop_proof")
    refused(pushed(app, with_proof(service, key)), "invalid_dpop_proof")
    both = with_proof(service, key, "/oauth/par")
    refused(pushed(app, both, dpop_jkt=Key.new().thumbprint), "invalid_dpop_proof")
    assert pushed(app, with_proof(service, key, "/oauth/par"), dpop_jkt=key.thumbprint).status_code == 201


def test_a_client_for_itself_gets_a_bound_token_and_introspection_says_so(service: Service, key: Key) -> None:
    robot = a_client(service, kind="service", scopes=())
    reply = robot.token(with_proof(service, key), grant_type="client_credentials", client_secret=SECRET)
    assert reply.json["token_type"] == "DPoP"
    token = reply.json["access_token"]
    assert claims(token)["cnf"] == {"jkt": key.thumbprint}
    body = urlencode({"token": token, "client_id": robot.id, "client_secret": SECRET}).encode()
    told = service.send("POST", "/oauth/introspect", body=body, content_type=FORM).json
    assert (told["active"], told["token_type"], told["cnf"]) == (True, "DPoP", {"jkt": key.thumbprint})


def test_a_client_that_signs_proves_the_key_of_its_tokens_too(service: Service, key: Key) -> None:
    robot = a_client(service, kind="service", scopes=(), secrets=(), jwks=ALL_KEYS, dpop_bound_access_tokens=True)
    refused(sent_by(robot, signed(robot)), "invalid_dpop_proof")
    reply = sent_by(robot, signed(robot), headers=with_proof(service, key))
    assert reply.json["token_type"] == "DPoP", reply.text
    assert claims(reply.json["access_token"])["cnf"] == {"jkt": key.thumbprint}


def test_introspection_tells_what_a_refresh_token_is_bound_to(service: Service, ann: Account, key: Key) -> None:
    web, app = a_client(service, kind="confidential"), a_client(service)
    found = bound(web, ann, key)
    body = {"client_id": web.id, "client_secret": SECRET}

    def told(token: str) -> Any:
        sent = urlencode({**body, "token": token}).encode()
        return service.send("POST", "/oauth/introspect", body=sent, content_type=FORM).json

    assert told(found["access_token"])["cnf"] == {"jkt": key.thumbprint}
    assert "cnf" not in told(found["refresh_token"])  # the client authenticates itself
    assert told(bound(app, ann, key)["refresh_token"]) == {"active": False}  # another client's


def test_a_device_binds_its_tokens(service: Service, ann: Account, key: Key) -> None:
    tv = Tv(a_client(service, redirect_uris=(), first_party=True))
    tv.ask()
    browser = Browser(service)
    browser.log_in(ann.email, ann.password)
    answer(browser, tv)
    service.clock.advance(6)
    sent = {"grant_type": GRANT, "device_code": tv.codes["device_code"]}
    reply = tv.client.token(with_proof(service, key), **sent)
    assert reply.json["token_type"] == "DPoP", reply.text
    assert presented(service, key, reply.json["access_token"]).status_code == 200
    refused(tv.client.refresh(reply.json["refresh_token"]), "invalid_grant")


def test_a_client_may_be_held_to_bound_tokens(service: Service, ann: Account, key: Key) -> None:
    app = a_client(service, dpop_bound_access_tokens=True)
    code = app.code(ann)
    refused(app.redeem(code), "invalid_dpop_proof")
    found = app.redeem(code, with_proof(service, key)).json
    refused(app.refresh(found["refresh_token"]), "invalid_dpop_proof")
    assert pushed(app, {}).status_code == 201
    robot = a_client(service, kind="service", scopes=(), dpop_bound_access_tokens=True)
    refused(robot.token(grant_type="client_credentials"), "invalid_dpop_proof")


def test_who_does_not_authenticate_is_told_that_first(service: Service, key: Key) -> None:
    robot = a_client(service, kind="service", scopes=())
    headers = with_proof(service, key)
    for _ in range(2):  # and so uses nothing up
        refused(robot.token(headers, grant_type="client_credentials", client_secret="wrong"), "invalid_client", 401)
    assert robot.token(headers, grant_type="client_credentials", client_secret=SECRET).status_code == 200


def test_a_token_renewed_by_a_step_up_stays_bound(service: Service, ann: Account, key: Key) -> None:
    token = bound(a_client(service, first_party=True), ann, key)["access_token"]
    reply = presented(service, key, token, "POST", "/auth/reauthenticate", json={"password": PASSWORD})
    assert reply.status_code == 200, reply.text
    assert claims(reply.json["data"]["access_token"])["cnf"] == {"jkt": key.thumbprint}


def test_an_impersonation_begun_with_a_bound_token_is_bound_too(start: Start, key: Key) -> None:
    service = start(IMPERSONATION="on")
    administrator, ann = service.administrator(), service.register()
    token = bound(a_client(service, first_party=True), administrator, key)["access_token"]
    path = f"/admin/users/{ann.id}/impersonate"
    reply = presented(service, key, token, "POST", path, json={"reason": "They asked."})
    assert reply.status_code == 200, reply.text
    acting = reply.json["data"]["access_token"]
    challenged(service.get("/auth/me", token=acting), "invalid_token")
    assert presented(service, key, acting, path="/auth/me").json["data"]["user"]["id"] == ann.id


def test_a_deleted_session_takes_its_bound_token_along(
    service: Service, app: OAuthClient, ann: Account, key: Key
) -> None:
    token = bound(app, ann, key)["access_token"]
    body = urlencode({"token": token, "client_id": app.id}).encode()
    assert service.send("POST", "/oauth/revoke", body=body, content_type=FORM).status_code == 200
    challenged(presented(service, key, token), "invalid_token")


def test_a_bound_token_is_exchanged_with_a_proof_of_its_key_alone(service: Service, ann: Account, key: Key) -> None:
    name_resources(service)
    app = a_client(service)
    files = a_client(service, kind="service", resources=(FILES, MAIL), scopes=("files:read",), token_exchange=True)
    token = bound(app, ann, key, resource=FILES, scope="openid files:read")["access_token"]
    sent = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": token, "resource": MAIL,
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token", "client_secret": SECRET,
    }  # fmt: skip
    other = Key.new()
    refused(files.token(**sent), "invalid_request")
    refused(files.token(with_proof(service, other), **sent), "invalid_request")
    assert claims(files.token(with_proof(service, key), **sent).json["access_token"])["cnf"] == {"jkt": key.thumbprint}
    free = app.redeem(app.code(ann, resource=FILES, scope="openid files:read")).json["access_token"]
    reply = files.token(with_proof(service, other), **sent | {"subject_token": free})
    assert reply.json["token_type"] == "DPoP"
    assert claims(reply.json["access_token"])["cnf"] == {"jkt": other.thumbprint}
    assert files.token(**sent | {"subject_token": free}).json["token_type"] == "Bearer"


def test_a_bound_token_is_explained(service: Service, app: OAuthClient, ann: Account, key: Key) -> None:
    token = bound(app, ann, key)["access_token"]
    told = service.post("/auth/explain", {"token": token}).json["data"]
    assert told["accepted"] is True
    assert "bound to a key" in told["detail"]


@pytest.mark.parametrize("document", ["openid-configuration", "oauth-authorization-server", "oauth-protected-resource"])
def test_the_metadata_names_the_algorithms(service: Service, document: str) -> None:
    found = service.get(f"/.well-known/{document}").json
    assert found["dpop_signing_alg_values_supported"] == ["ES256", "EdDSA", "PS256", "RS256"]


def test_nobody_writes_a_proof_to_the_log(
    service: Service, app: OAuthClient, ann: Account, key: Key, capsys: pytest.CaptureFixture[str]
) -> None:
    headers = with_proof(service, key)
    app.redeem(app.code(ann), headers)
    app.redeem(app.code(ann), headers)
    assert headers["DPoP"] not in "".join(capsys.readouterr())


def test_explaining_says_where_a_proof_is_needed(service: Service, app: OAuthClient, ann: Account, key: Key) -> None:
    administrator = service.administrator()

    def explained(client: OAuthClient | None, **sent: str) -> str:
        asked = {"token_request": sent if client is None else {"client_id": client.id, **sent}}
        told = service.post("/admin/clients/explain", asked, token=administrator.token).json["data"]
        assert told["accepted"] is True, told
        return str(told["detail"])

    code = {"grant_type": "authorization_code", "code_verifier": VERIFIER}
    refresh = {"grant_type": "refresh_token", "refresh_token": bound(app, ann, key)["refresh_token"]}
    held = a_client(service, dpop_bound_access_tokens=True)
    assert "in the header DPoP" not in explained(app, **code, code=app.code(ann))
    assert "in the header DPoP" in explained(app, **code, code=app.code(ann, dpop_jkt=key.thumbprint))
    assert "in the header DPoP" in explained(held, **code, code=held.code(ann))
    assert "in the header DPoP" in explained(app, **refresh)
    app.token(with_proof(service, key), **refresh)
    assert "in the header DPoP" in explained(app, **refresh)  # within the grace
    robot = a_client(service, kind="service", scopes=(), secrets=(), jwks=ALL_KEYS, dpop_bound_access_tokens=True)
    signing = {"client_assertion": signed(robot), "client_assertion_type": TYPE}
    assert "in the header DPoP" in explained(None, grant_type="client_credentials", **signing)
