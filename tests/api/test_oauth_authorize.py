"""The authorization endpoint: what it redirects, what a page says, and when a user is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import jwt
import pytest

from app.oauth.grant_types import DEVICE_CODE
from app.oauth.requests.service import OWN_REQUEST, PUSHED_REQUEST
from app.platform.identifiers import new_id
from tests.api.browser import Browser
from tests.api.oauth_flow import (
    CALLBACK,
    CHALLENGE,
    FILES,
    FORM,
    MAIL,
    SECRET,
    STANDARD,
    OAuthClient,
    a_client,
    answer_of,
    claims,
    is_page,
    leads_to,
    name_resources,
)

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service, Start

OURS = "http://localhost:5000"


@pytest.fixture
def ours(service: Service) -> OAuthClient:
    """A client of the first party."""
    return a_client(service, first_party=True)


def sent(browser: Browser, client: OAuthClient, **parameters: Any) -> Reply:
    """The reply to this browser, which comes with the request."""
    return browser.get("/oauth/authorize", query=urlencode(client.request(**parameters), doseq=True))


def told(reply: Reply) -> dict[str, str]:
    """What the client is told at its redirect URI."""
    assert reply.status_code == 303, reply.text
    assert reply.headers["Location"].startswith(CALLBACK)
    found = answer_of(reply.headers["Location"])
    assert found.pop("iss") == OURS
    return found


def test_a_first_party_gets_its_code_at_once_with_state_and_issuer(browser: Browser, ours: OAuthClient) -> None:
    found = told(sent(browser, ours))
    assert found.keys() == {"code", "state"}
    assert found["state"] == "st"
    assert ours.redeem(found["code"]).status_code == 200


def test_a_code_says_when_and_how_its_user_logged_in(browser: Browser, ours: OAuthClient, service: Service) -> None:
    at = int(service.clock().timestamp())
    service.clock.advance(100)
    identity = claims(ours.redeem(told(sent(browser, ours, nonce="n-0S6_WzA2Mj"))["code"]).json["id_token"])
    assert (identity["auth_time"], identity["nonce"], identity["amr"]) == (at, "n-0S6_WzA2Mj", ["pwd"])


@pytest.mark.parametrize(
    "uri",
    [
        *("https://evil.example/cb", CALLBACK + "/", CALLBACK + "?a=1", CALLBACK + "#a", CALLBACK.upper()),
        *("http://app.example/cb", "https://app.example:443/cb", "https://app.example@evil.example/cb", "/cb"),
        *("https://app.example\\@evil.example/cb", "javascript:alert(1)", 'https://app.example/cb"<é>', "\udc80"),
        *("http://127.0.0.1@evil.example/cb", "http://127.0.0.1:80/cb2", "http://127.0.0.1:80:80/cb", "http://[::1"),
        *("http://localhost:80/cb", "http://127.0.0.1:0/cb", "http://127.0.0.1:99999/cb", "http://127.0.0.1:/cb"),
        *("http://127.0.0.1:8080#/cb", "http://127.0.0.2/cb", "https://127.0.0.1/cb", "http://127.0.0.1:٣/cb"),
        *(
            "com.example.app:/cb/",
            "com.example.app:/CB",
            "http://[::1]:80/cb?x",
            "http://127.0.0.1:8080@evil.example/cb",
        ),
    ],
)
def test_a_redirect_uri_that_is_not_registered_never_redirects(service: Service, browser: Browser, uri: str) -> None:
    uris = (CALLBACK, "http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb")
    app = a_client(service, redirect_uris=uris)
    query = urlencode(app.request(redirect_uri=uri), errors="surrogateescape")
    assert is_page(browser.get("/oauth/authorize", query=query))


@pytest.mark.parametrize(
    "uri", ["http://127.0.0.1:49152/cb", "http://127.0.0.1/cb", "http://[::1]:1/cb", "com.example.app:/cb", CALLBACK]
)
def test_a_registered_redirect_uri_gets_the_answer_on_loopback_at_any_port(
    service: Service, browser: Browser, uri: str
) -> None:
    uris = (CALLBACK, "http://127.0.0.1:3000/cb", "http://[::1]/cb", "com.example.app:/cb")
    app = a_client(service, redirect_uris=uris, first_party=True)
    reply = sent(browser, app, redirect_uri=uri)
    assert reply.headers["Location"].startswith(f"{uri}?code=")


def test_the_query_of_a_redirect_uri_is_kept(service: Service, browser: Browser) -> None:
    app = a_client(service, redirect_uris=("https://app.example/cb?x=1",), first_party=True)
    reply = sent(browser, app, redirect_uri="https://app.example/cb?x=1", state='"é&=#')
    found = answer_of(reply.headers["Location"])
    assert (found["x"], found["state"]) == ("1", '"é&=#')


def test_who_is_not_known_is_told_on_a_page(service: Service, browser: Browser, app: OAuthClient) -> None:
    robot = a_client(service, kind="service")
    two = a_client(service, redirect_uris=(CALLBACK, CALLBACK + "2"))
    assert is_page(sent(browser, two, redirect_uri=None))
    for client_id in (None, new_id(), 'no"é', "x" * 3000, "https://evil.example/client.json"):
        assert is_page(sent(browser, app, client_id=client_id))
    assert is_page(sent(browser, robot))
    for query in ("", "client_id=a&client_id=b", "%ff=%ff", "client_id=%00", "=", "a=1&" * 200):
        assert is_page(browser.get("/oauth/authorize", query=query))


@pytest.mark.parametrize(
    ("error", "parameters"),
    [
        ("invalid_request", {"code_challenge": None, "code_challenge_method": None}),
        ("invalid_request", {"code_challenge_method": "plain"}),
        ("invalid_request", {"code_challenge_method": None}),
        ("invalid_request", {"code_challenge": "short"}),
        ("invalid_request", {"code_challenge": CHALLENGE[:-1] + "="}),
        ("invalid_request", {"response_type": None}),
        ("unsupported_response_type", {"response_type": "token"}),
        ("unsupported_response_type", {"response_type": "code id_token"}),
        ("unsupported_response_type", {"response_type": 'c"é'}),
        ("invalid_request", {"response_mode": "fragment"}),
        ("invalid_request", {"prompt": "none login"}),
        ("invalid_request", {"prompt": "nonsense"}),
        ("invalid_request", {"max_age": "-1"}),
        ("invalid_request", {"max_age": "1e3"}),
        ("invalid_request", {"max_age": "9" * 20}),
        ("invalid_request", {"nonce": "n" * 2001}),
        ("invalid_scope", {"scope": "openid admin"}),
        ("invalid_scope", {"scope": 'openid "é'}),
        ("invalid_scope", {"scope": "mail:read", "resource": FILES}),
        ("invalid_target", {"resource": "https://evil.example"}),
        ("invalid_target", {"resource": [FILES, "not a uri#"]}),
        ("invalid_target", {"resource": [f"https://{number}.example" for number in range(9)]}),
        ("request_not_supported", {"request": "eyJhbGciOiJub25lIn0.e30."}),
        ("registration_not_supported", {"registration": "{}"}),
    ],
)
def test_what_is_wrong_behind_a_right_redirect_uri_is_told_to_the_client(
    browser: Browser, app: OAuthClient, error: str, parameters: dict[str, Any]
) -> None:
    found = told(sent(browser, app, **parameters))
    assert (found["error"], found["state"]) == (error, "st")
    assert found["error_description"].isascii()


@pytest.mark.parametrize(
    ("may", "resource", "given"),
    [
        (STANDARD, MAIL, set(STANDARD)),
        ((*STANDARD, "files:read", "mail:read"), FILES, {*STANDARD, "files:read"}),
        ((*STANDARD, "files:read", "mail:read"), None, {*STANDARD, "files:read", "mail:read"}),
        (None, FILES, {*STANDARD, "files:read"}),
    ],
)
def test_who_asks_for_all_that_discovery_lists_gets_what_there_is_of_this_resource_for_this_client(
    service: Service, may: tuple[str, ...] | None, resource: str | None, given: set[str]
) -> None:
    name_resources(service)
    app = a_client(service, scopes=may)
    listed = service.get("/.well-known/oauth-authorization-server").json["scopes_supported"]
    assert set(app.tokens(service.register(), scope=" ".join(listed), resource=resource)["scope"].split()) == given
    found = told(sent(Browser(service), app, scope=" ".join([*listed, "admin"]), resource=resource))
    assert found["error"] == "invalid_scope"


def test_a_confidential_client_needs_a_challenge_too(service: Service, browser: Browser) -> None:
    web = a_client(service, kind="confidential")
    found = told(sent(browser, web, code_challenge=None, code_challenge_method=None))
    assert found["error"] == "invalid_request"


@pytest.mark.parametrize("name", ["state", "login_hint", "ui_locales", "acr_values", "unknown", "nonce"])
@pytest.mark.parametrize("value", ['"\\é', "\u0001", "🂡", "' or 1=1 --", "<script>", "%00"])
def test_no_value_is_a_fault(browser: Browser, ours: OAuthClient, name: str, value: str) -> None:
    assert "code" in told(sent(browser, ours, **{name: value}))


def test_whoever_is_not_logged_in_is_led_to_the_login_and_a_silent_request_fails(
    service: Service, app: OAuthClient
) -> None:
    nobody = Browser(service)
    assert leads_to(sent(nobody, app)) == "/login"
    assert told(sent(nobody, app, prompt="none"))["error"] == "login_required"


def test_consent_is_asked_for_and_a_silent_request_fails_without_it(
    browser: Browser, ann: Account, app: OAuthClient
) -> None:
    assert leads_to(sent(browser, app)) == "/consent"
    assert told(sent(browser, app, prompt="none"))["error"] == "consent_required"
    app.code(ann, scope="openid email")
    assert "code" in told(sent(browser, app, prompt="none", scope="openid"))
    assert leads_to(sent(browser, app, scope="openid profile")) == "/consent"
    assert leads_to(sent(browser, app, scope="openid", prompt="consent")) == "/consent"
    assert leads_to(sent(browser, app, scope="openid", resource=FILES)) == "/consent"


def test_an_app_on_the_device_is_allowed_each_time(service: Service, browser: Browser, ann: Account) -> None:
    for uri in ("http://127.0.0.1/cb", "com.example.app:/cb"):
        app = a_client(service, redirect_uris=(uri,))
        app.code(ann, redirect_uri=uri)
        assert leads_to(sent(browser, app, redirect_uri=uri)) == "/consent"


def test_prompt_and_max_age_demand_a_recent_login(
    service: Service, browser: Browser, ann: Account, ours: OAuthClient
) -> None:
    service.clock.advance(100)
    for demand in ({"prompt": "login"}, {"prompt": "select_account"}, {"max_age": "0"}, {"max_age": "99"}):
        assert leads_to(sent(browser, ours, **demand)) == "/login"
    assert "code" in told(sent(browser, ours, max_age="100"))
    assert told(sent(browser, ours, max_age="99", prompt="none"))["error"] == "login_required"
    # It is kept, so a login after it is enough, however long that takes.
    kept = sent(browser, ours, prompt="login").headers["Location"]
    request = answer_of(kept)["request"]
    service.clock.advance(5)
    assert browser.log_in(ann.email, ann.password).status_code == 303
    service.clock.advance(5)
    query = urlencode({"client_id": ours.id, "request_uri": f"{OWN_REQUEST}{request}"})
    assert "code" in told(browser.get("/oauth/authorize", query=query))
    assert is_page(browser.get("/oauth/authorize", query=query))


def test_two_factors_are_demanded_where_the_request_or_the_client_does(
    service: Service, browser: Browser, ours: OAuthClient
) -> None:
    aal2 = "urn:latchkey:aal2"
    assert told(sent(browser, ours, acr_values=aal2))["error"] == "unmet_authentication_requirements"
    for values in ("urn:latchkey:aal1", "phr", f"urn:latchkey:aal1 {aal2}"):
        assert "code" in told(sent(browser, ours, acr_values=values))
    strict = a_client(service, first_party=True, require_second_factor=True)
    assert leads_to(sent(browser, strict)) == "/login/enrol"
    assert told(sent(browser, strict, prompt="none"))["error"] == "unmet_authentication_requirements"


def test_a_post_from_another_site_is_kept_and_comes_back_with_a_get(browser: Browser, ours: OAuthClient) -> None:
    body = urlencode(ours.request()).encode()
    headers = {"Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
    reply = browser.service.send("POST", "/oauth/authorize", body=body, content_type=FORM, headers=headers)
    assert leads_to(reply) == "/oauth/authorize"
    back = urlsplit(reply.headers["Location"])
    assert "code" in told(browser.get(back.path, query=back.query, **{"Sec-Fetch-Site": "cross-site"}))
    wrong = urlencode(ours.request(response_type="token")).encode()
    reply = browser.service.send("POST", "/oauth/authorize", body=wrong, content_type=FORM, headers=headers)
    assert told(reply)["error"] == "unsupported_response_type"


def test_a_bearer_token_is_no_login_at_this_endpoint(ann: Account, ours: OAuthClient) -> None:
    reply = ours.authorize({"Authorization": f"Bearer {ann.token}", "Cookie": f"latchkey-page={ann.refresh_token}"})
    assert leads_to(reply) == "/login"


def test_whoever_logs_out_gives_no_code(service: Service, browser: Browser, ann: Account, ours: OAuthClient) -> None:
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    assert leads_to(sent(browser, ours)) == "/login"


def test_a_kept_request_is_answered_once_however_many_browsers_bring_it(
    service: Service, browser: Browser, ours: OAuthClient, ann: Account
) -> None:
    service.clock.advance(1)
    request = answer_of(sent(browser, ours, prompt="login").headers["Location"])["request"]
    query = urlencode({"client_id": ours.id, "request_uri": f"{OWN_REQUEST}{request}"})
    assert leads_to(browser.get("/oauth/authorize", query=query)) == "/login"
    browser.log_in(ann.email, ann.password)
    replies = service.at_once(lambda _: browser.get("/oauth/authorize", query=query))
    assert sum("code=" in reply.headers.get("Location", "") for reply in replies) == 1
    assert sum(is_page(reply) for reply in replies) == 15


def test_a_kept_request_is_that_of_its_client_and_not_a_pushed_one(
    service: Service, browser: Browser, ours: OAuthClient
) -> None:
    service.clock.advance(1)
    request = answer_of(sent(browser, ours, prompt="login").headers["Location"])["request"]
    another = urlencode({"client_id": new_id(), "request_uri": f"{OWN_REQUEST}{request}"})
    assert is_page(browser.get("/oauth/authorize", query=another))
    as_pushed = urlencode({"client_id": ours.id, "request_uri": f"{PUSHED_REQUEST}{request}"})
    assert is_page(browser.get("/oauth/authorize", query=as_pushed))


def pushed(client: OAuthClient, **parameters: Any) -> Reply:
    body = urlencode(client.request(**parameters) | ({"client_secret": SECRET} if client.client.has_secrets else {}))
    return client.service.send("POST", "/oauth/par", body=body.encode(), content_type=FORM)


def test_a_pushed_request_is_used_by_one_browser(service: Service, browser: Browser) -> None:
    app = a_client(service, kind="confidential", first_party=True)
    reply = pushed(app)
    assert (reply.status_code, reply.json.keys(), reply.json["expires_in"]) == (201, {"request_uri", "expires_in"}, 90)
    query = urlencode({"client_id": app.id, "request_uri": reply.json["request_uri"]})
    replies = service.at_once(lambda _: browser.get("/oauth/authorize", query=query))
    assert sum("code=" in reply.headers.get("Location", "") for reply in replies) == 1
    assert sum(is_page(reply) for reply in replies) == 15


def test_a_pushed_request_waits_90_seconds_for_its_browser_and_then_as_long_as_others(
    service: Service, browser: Browser, ann: Account
) -> None:
    app = a_client(service, kind="confidential", first_party=True)
    late = urlencode({"client_id": app.id, "request_uri": pushed(app).json["request_uri"]})
    service.clock.advance(90)
    assert is_page(browser.get("/oauth/authorize", query=late))
    nobody = Browser(service)
    in_time = urlencode({"client_id": app.id, "request_uri": pushed(app).json["request_uri"]})
    request = answer_of(nobody.get("/oauth/authorize", query=in_time).headers["Location"])["request"]
    service.clock.advance(600)
    assert nobody.log_in(ann.email, ann.password).status_code == 303
    query = urlencode({"client_id": app.id, "request_uri": f"{OWN_REQUEST}{request}"})
    assert "code" in told(nobody.get("/oauth/authorize", query=query))


def test_only_the_client_itself_pushes_and_is_told_what_is_wrong(service: Service) -> None:
    app = a_client(service, kind="confidential")
    for status, error, parameters in (
        (401, "invalid_client", {"client_secret": "wrong"}),
        (401, "invalid_client", {"client_id": new_id()}),
        (400, "invalid_request", {"redirect_uri": "https://evil.example"}),
        (400, "invalid_request", {"request_uri": f"{PUSHED_REQUEST}x"}),
        (400, "invalid_scope", {"scope": "admin"}),
        (400, "unsupported_response_type", {"response_type": "token"}),
    ):
        body = urlencode({"client_secret": SECRET} | app.request(**parameters)).encode()
        reply = service.send("POST", "/oauth/par", body=body, content_type=FORM)
        assert (reply.status_code, reply.json["error"]) == (status, error), parameters


def test_discovery_describes_what_is_served(service: Service) -> None:
    name_resources(service)
    found = service.get("/.well-known/openid-configuration")
    assert found.json == service.get("/.well-known/oauth-authorization-server").json
    assert (found.headers["Access-Control-Allow-Origin"], found.headers["Cache-Control"]) == (
        "*",
        "public, max-age=300",
    )
    document = found.json
    assert document["issuer"] == OURS
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert document["client_id_metadata_document_supported"] is False
    assert "none" in document["token_endpoint_auth_methods_supported"]
    assert {"openid", "files:read"} <= set(document["scopes_supported"])
    assert document["jwks_uri"] == f"{OURS}/.well-known/jwks.json"
    rules = {rule.rule for rule in service.app.url_map.iter_rules()}
    for name, url in document.items():
        if name.endswith("_endpoint") or name == "jwks_uri":
            assert url.removeprefix(OURS) in rules, name
    assert {"authorization_endpoint", "token_endpoint", "userinfo_endpoint"} <= document.keys()
    assert {"authorization_code", "refresh_token", "client_credentials"} <= set(document["grant_types_supported"])
    for path in ("openid-configuration", "oauth-authorization-server", "oauth-protected-resource"):
        assert service.get(f"/.well-known/{path}/elsewhere").status_code == 404
    resource = service.get("/.well-known/oauth-protected-resource").json
    assert (resource["resource"], resource["authorization_servers"]) == (OURS, [OURS])


def test_without_pages_there_are_no_codes_and_without_oauth_there_is_nothing(start: Start) -> None:
    bare = start(PAGES="off")
    document = bare.get("/.well-known/openid-configuration").json
    assert "authorization_endpoint" not in document
    assert not {"authorization_code", DEVICE_CODE} & set(document["grant_types_supported"])
    assert bare.get("/oauth/authorize").status_code == 404
    off = start(OAUTH="off")
    for path in ("/.well-known/openid-configuration", "/oauth/authorize", "/oauth/userinfo", "/oauth/token"):
        assert off.get(path).status_code == 404
    admin = off.administrator()
    assert off.post("/admin/clients/explain", {"url": "x"}, token=admin.token).status_code == 404


def test_discovery_under_a_path_is_where_rfc_8414_has_it(start: Start) -> None:
    below = start(PUBLIC_URL="https://example.com/auth", ALLOWED_HOSTS="localhost,example.com")
    for path in ("/.well-known/oauth-authorization-server/auth", "/.well-known/openid-configuration"):
        assert below.get(path).json["issuer"] == "https://example.com/auth"
    assert below.get("/.well-known/oauth-protected-resource/auth").json["resource"] == "https://example.com/auth"
    assert below.get("/.well-known/oauth-authorization-server/other").status_code == 404


def hint_of(client: OAuthClient, account: Account) -> str:
    """An ID token that the client got for this user."""
    return str(client.tokens(account, scope="openid")["id_token"])


def test_with_an_id_token_as_hint_only_its_user_answers(
    service: Service, browser: Browser, ann: Account, ours: OAuthClient
) -> None:
    own, other = hint_of(ours, ann), hint_of(ours, service.register())
    service.clock.advance(3600)  # it may have expired
    silent = told(sent(browser, ours, prompt="none", id_token_hint=own))
    assert claims(ours.redeem(silent["code"]).json["id_token"])["sub"] == ann.id
    assert "code" in told(sent(browser, ours, id_token_hint=own))
    for prompt in ("none", None):
        assert told(sent(browser, ours, prompt=prompt, id_token_hint=other))["error"] == "login_required"


def test_a_hint_is_kept_while_its_user_logs_in(service: Service, ann: Account, ours: OAuthClient) -> None:
    bob = service.register()
    for account, answer in ((ann, "code"), (bob, "error")):
        browser = Browser(service)
        kept = sent(browser, ours, id_token_hint=hint_of(ours, ann))
        assert leads_to(kept) == "/login"
        assert browser.log_in(account.email, account.password).status_code == 303
        request = answer_of(kept.headers["Location"])["request"]
        query = urlencode({"client_id": ours.id, "request_uri": f"{OWN_REQUEST}{request}"})
        assert answer in told(browser.get("/oauth/authorize", query=query))


@pytest.mark.parametrize("kind", ["words", "cut", "none", "access token", "of another client", "long"])
def test_a_hint_that_is_no_id_token_of_the_client_is_refused(
    service: Service, browser: Browser, ann: Account, ours: OAuthClient, kind: str
) -> None:
    own = hint_of(ours, ann)
    hints = {
        "words": 'é"\udc80'.encode("utf-8", "replace").decode(),
        "cut": own[:-4],
        "none": jwt.encode(claims(own), "", algorithm="none", headers={"kid": jwt.get_unverified_header(own)["kid"]}),
        "access token": ours.tokens(ann)["access_token"],
        "of another client": hint_of(a_client(service), ann),
        "long": "a." * 3000,
    }
    assert told(sent(browser, ours, id_token_hint=hints[kind]))["error"] == "invalid_request"


def test_a_request_that_lies_elsewhere_is_refused_where_its_redirect_uri_is_right(
    browser: Browser, ours: OAuthClient
) -> None:
    elsewhere = {"request_uri": "https://app.example/request.jwt"}
    found = told(sent(browser, ours, **elsewhere))
    assert (found["error"], found["state"]) == ("request_uri_not_supported", "st")
    assert is_page(sent(browser, ours, redirect_uri="https://evil.example/cb", **elsewhere))
    assert is_page(sent(browser, ours, client_id=new_id(), **elsewhere))
