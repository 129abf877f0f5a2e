"""What the profiles Basic OP, Config OP and Logout OP of the OpenID Foundation ask for, where no other test shows it.

docs/oauth.md has the list of their modules, each with its test.
"""

from __future__ import annotations

import json
import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

import jwt
import pytest

from app.oauth.logout.backchannel import BackchannelLogout
from app.oauth.logout.teller import Teller
from app.oauth.requests.service import OWN_REQUEST
from app.outbox.service import Outbox
from tests.api.oauth_flow import CALLBACK, FORM, SECRET, OAuthClient, a_client, answer_of, basic, claims
from tests.servers.receiving import Receiver, receiving

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.browser import Browser
    from tests.api.service import Account, Reply, Service, Start

BACK = "https://app.example/bye"
OURS = "http://localhost:5000/logout"
"""Our own page, which says that nobody is logged in."""


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    return start(JWT_ALGORITHM="RS256", EGRESS_ALLOW="127.0.0.1")


@pytest.fixture
def app(service: Service) -> OAuthClient:
    """A client with a secret, of the first party: so nobody is asked to consent."""
    return a_client(service, kind="confidential", first_party=True, post_logout_redirect_uris=(BACK,))


def asked(browser: Browser, client: OAuthClient, **parameters: Any) -> Reply:
    return browser.get("/oauth/authorize", query=urlencode(client.request(**parameters)))


def given(client: OAuthClient, reply: Reply) -> dict[str, Any]:
    """The token response for the code of this answer."""
    assert reply.status_code == 303, reply.text
    assert reply.headers["Location"].startswith(f"{CALLBACK}?"), reply.headers["Location"]
    tokens = client.redeem(answer_of(reply.headers["Location"])["code"], basic(client.id, SECRET), client_id=None)
    assert tokens.status_code == 200, tokens.text
    found: dict[str, Any] = tokens.json
    return found


def signed_in(browser: Browser, client: OAuthClient, **parameters: Any) -> dict[str, Any]:
    """The claims of the ID token that a request leads to at once."""
    return claims(given(client, asked(browser, client, **parameters))["id_token"])


def test_the_documents_and_the_keys_are_what_config_op_looks_at(start: Start) -> None:
    service = start(PUBLIC_URL="https://auth.example.com", ALLOWED_HOSTS="localhost", JWT_ALGORITHM="RS256")
    reply = service.get("/.well-known/openid-configuration")
    document = reply.json
    assert (reply.status_code, reply.mimetype) == (200, "application/json")
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert document["response_types_supported"] == ["code"]
    assert document["subject_types_supported"] == ["public"]
    assert "openid" in document["scopes_supported"]
    assert {"sub", "iss", "auth_time", "acr", "email", "preferred_username"} <= set(document["claims_supported"])
    assert (document["backchannel_logout_supported"], document["backchannel_logout_session_supported"]) == (True, True)
    for name in ("claims_parameter_supported", "request_parameter_supported", "request_uri_parameter_supported"):
        assert document[name] is False
    urls = [value for name, value in document.items() if name.endswith("_endpoint") or name in {"jwks_uri", "issuer"}]
    assert len(urls) >= 8
    assert all(url.startswith("https://auth.example.com") for url in urls)
    for key in service.get("/.well-known/jwks.json").json["keys"]:
        assert key.keys() == {"kty", "use", "alg", "kid", "n", "e"}, "no part of it is private"


def test_an_id_token_is_signed_with_a_key_that_is_published(
    service: Service, browser: Browser, app: OAuthClient
) -> None:
    token = given(app, asked(browser, app))["id_token"]
    header = jwt.get_unverified_header(token)
    assert header["alg"] == "RS256"
    key = jwt.PyJWKSet.from_dict(service.get("/.well-known/jwks.json").json)[header["kid"]]
    options: Any = {"verify_exp": False, "verify_iat": False}  # the clock of the service is another
    assert jwt.decode(token, key, ["RS256"], audience=app.id, options=options)["nonce"] == "n"


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_client_proves_itself_in_the_header_or_in_the_body(browser: Browser, app: OAuthClient, method: str) -> None:
    code = answer_of(asked(browser, app).headers["Location"])["code"]
    by_header = basic(app.id, SECRET) if method == "client_secret_basic" else None
    reply = app.redeem(code, by_header, client_id=None if by_header else app.id)
    assert reply.status_code == 200, reply.text


def test_a_request_without_a_nonce_gives_an_id_token_without_one(browser: Browser, app: OAuthClient) -> None:
    assert "nonce" not in signed_in(browser, app, nonce=None)


@pytest.mark.parametrize("scope", ["openid email", "email openid", "email  openid profile"])
def test_scopes_come_in_any_order(browser: Browser, app: OAuthClient, ann: Account, scope: str) -> None:
    found = given(app, asked(browser, app, scope=scope))
    assert claims(found["id_token"])["email"] == ann.email
    assert found["scope"].split() == scope.split()


@pytest.mark.parametrize("scope", ["openid address", "openid phone", "openid profile email address phone"])
def test_scopes_that_there_are_not_are_refused_and_not_in_discovery(
    service: Service, browser: Browser, app: OAuthClient, scope: str
) -> None:
    assert answer_of(asked(browser, app, scope=scope).headers["Location"])["error"] == "invalid_scope"
    known = service.get("/.well-known/openid-configuration").json["scopes_supported"]
    assert not {"address", "phone"} & set(known)


@pytest.mark.parametrize(
    "parameters",
    [
        {"display": "page"}, {"display": "popup"}, {"ui_locales": "se en"}, {"claims_locales": "se"},
        {"login_hint": "somebody@example.com"}, {"extra": "foobar"}, {"acr_values": "1 2"},
        {"claims": json.dumps({"userinfo": {"name": {"essential": True}}})},
    ],
    ids=lambda parameters: next(iter(parameters)),
)  # fmt: skip
def test_what_need_not_be_followed_is_no_error(
    browser: Browser, app: OAuthClient, ann: Account, parameters: dict[str, str]
) -> None:
    assert signed_in(browser, app, **parameters)["sub"] == ann.id


def test_the_levels_of_discovery_may_be_asked_for_and_are_told(
    service: Service, browser: Browser, app: OAuthClient
) -> None:
    levels = service.get("/.well-known/openid-configuration").json["acr_values_supported"]
    assert signed_in(browser, app, acr_values=" ".join(levels))["acr"] in levels


def test_a_silent_request_gives_the_same_user_and_time(service: Service, browser: Browser, app: OAuthClient) -> None:
    first = signed_in(browser, app)
    service.clock.advance(20)
    for parameters in ({"prompt": "none"}, {"max_age": "10000"}):
        again = signed_in(browser, app, **parameters)
        assert (again["sub"], again["auth_time"]) == (first["sub"], first["auth_time"])
        assert again["iat"] > first["iat"]


def test_an_app_on_the_device_gets_nothing_silently_though_its_user_allowed_it_before(
    service: Service, browser: Browser, ann: Account
) -> None:
    uri = "http://localhost:3000/cb"
    page = a_client(service, redirect_uris=(uri,))
    page.code(ann, redirect_uri=uri)
    reply = asked(browser, page, redirect_uri=uri, prompt="none")
    assert answer_of(reply.headers["Location"])["error"] == "consent_required"


@pytest.mark.parametrize("parameters", [{"prompt": "login"}, {"max_age": "1"}], ids=["prompt", "max_age"])
def test_a_new_login_is_demanded_and_has_a_later_time(
    service: Service, browser: Browser, app: OAuthClient, ann: Account, parameters: dict[str, str]
) -> None:
    first = signed_in(browser, app)
    service.clock.advance(2)
    request = answer_of(asked(browser, app, **parameters).headers["Location"])["request"]
    assert browser.log_in(ann.email, ann.password).status_code == 303
    kept = urlencode({"client_id": app.id, "request_uri": f"{OWN_REQUEST}{request}"})
    again = claims(given(app, browser.get("/oauth/authorize", query=kept))["id_token"])
    assert again["auth_time"] >= first["auth_time"] + 2
    assert again["sub"] == first["sub"]


def test_a_code_that_is_used_again_after_30_seconds_ends_what_it_gave(
    service: Service, browser: Browser, app: OAuthClient
) -> None:
    code = answer_of(asked(browser, app).headers["Location"])["code"]
    first = app.redeem(code).json
    service.clock.advance(30)
    assert app.redeem(code).json["error"] == "invalid_grant"
    assert service.get("/oauth/userinfo", token=first["access_token"]).status_code == 401


def test_userinfo_takes_the_token_in_the_header_alone(
    service: Service, browser: Browser, app: OAuthClient, ann: Account
) -> None:
    token = given(app, asked(browser, app, scope="openid email"))["access_token"]
    for method, body in (("GET", None), ("POST", b"")):
        reply = service.send(method, "/oauth/userinfo", token=token, body=body, content_type=FORM if body else None)
        assert reply.json == {"sub": ann.id, "email": ann.email, "email_verified": False}
    in_body = urlencode({"access_token": token}).encode()
    assert service.send("POST", "/oauth/userinfo", body=in_body, content_type=FORM).status_code == 401


def test_a_request_object_is_refused_by_its_name(browser: Browser, app: OAuthClient) -> None:
    unsigned = jwt.encode(app.request(state="other"), "", algorithm="none")
    found = answer_of(asked(browser, app, request=unsigned).headers["Location"])
    assert (found["error"], found["state"]) == ("request_not_supported", "st")


def out(browser: Browser, **parameters: str) -> Reply:
    return browser.get("/oauth/logout", query=urlencode(parameters))


def led_to(reply: Reply, path: str) -> str:
    """Where the reply to a request for this path leads the browser."""
    assert reply.status_code == 303, reply.text
    return urljoin(f"http://localhost:5000{path}", reply.headers["Location"])


def confirmed(browser: Browser, page: Reply) -> Reply:
    """The reply to the button of the page that asks."""
    assert (page.status_code, page.mimetype) == (200, "text/html"), page.text
    assert "Log out?" in page.text
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    return browser.post("/oauth/logout/confirm", **{name: unescape(text) for name, text in fields.items()})


@pytest.mark.parametrize(
    ("parameters", "leads_to"),
    [
        ({"post_logout_redirect_uri": BACK, "state": "s"}, f"{BACK}?state=s"),
        ({"post_logout_redirect_uri": BACK}, BACK),
        ({}, OURS),
        ({"state": "s"}, OURS),
        ({"post_logout_redirect_uri": f"{BACK}?foo=bar"}, OURS),
        ({"post_logout_redirect_uri": f"{BACK}-unregistered"}, OURS),
    ],
    ids=["all", "no state", "no uri", "state alone", "query added", "unregistered"],
)
def test_an_id_token_ends_the_login_at_once(
    browser: Browser, app: OAuthClient, parameters: dict[str, str], leads_to: str
) -> None:
    hint = given(app, asked(browser, app, scope="openid"))["id_token"]
    reply = out(browser, id_token_hint=hint, **parameters)
    assert led_to(reply, "/oauth/logout") == leads_to
    assert answer_of(asked(browser, app, prompt="none").headers["Location"])["error"] == "login_required"


@pytest.mark.parametrize("kind", ["no parameters", "state alone", "no hint", "unsigned hint", "another signature"])
def test_without_a_good_id_token_the_user_is_asked_and_stays_here(
    browser: Browser, app: OAuthClient, kind: str
) -> None:
    hint = given(app, asked(browser, app, scope="openid"))["id_token"]
    sent: dict[str, dict[str, str]] = {
        "no parameters": {},
        "state alone": {"state": "s"},
        "no hint": {"post_logout_redirect_uri": BACK, "state": "s"},
        "unsigned hint": {
            "post_logout_redirect_uri": BACK,
            "id_token_hint": jwt.encode(claims(hint), "", algorithm="none"),
        },
        "another signature": {
            "post_logout_redirect_uri": BACK,
            "id_token_hint": f"{hint.rpartition('.')[0]}.{'A' * 342}",
        },
    }
    page = out(browser, **sent[kind])
    assert "code" in answer_of(asked(browser, app, prompt="none").headers["Location"]), "nothing has ended yet"
    assert led_to(confirmed(browser, page), "/oauth/logout/confirm") == OURS
    assert answer_of(asked(browser, app, prompt="none").headers["Location"])["error"] == "login_required"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


def test_a_client_hears_of_the_logout_that_another_asked_for(
    service: Service, browser: Browser, app: OAuthClient, receiver: Receiver
) -> None:
    listening = a_client(service, kind="confidential", first_party=True, backchannel_logout_uri=receiver.url)
    service.clock.advance(11)  # until every worker knows that somebody listens
    heard = signed_in(browser, listening, scope="openid")
    hint = given(app, asked(browser, app, scope="openid"))["id_token"]
    assert out(browser, id_token_hint=hint).status_code == 303
    service.wired.get(Outbox).deliver_due()
    teller = Teller(service.wired.get(BackchannelLogout))
    teller.begin_due()
    assert teller.wait(20)
    (posted,) = receiver.posted
    token = posted.body.removeprefix("logout_token=")
    assert jwt.get_unverified_header(token)["typ"] == "logout+jwt"
    assert (claims(token)["sid"], claims(token)["aud"]) == (heard["sid"], listening.id)
