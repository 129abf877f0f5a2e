"""Logout that a client asks for (OpenID Connect RP-Initiated Logout 1.0)."""

from __future__ import annotations

import re
from html import unescape
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import jwt
import pytest

from app.oauth.clients.model import Clients
from app.platform.errors import SessionEnded
from app.platform.identifiers import new_id
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.page_sessions import PageSessions
from app.sessions.service import SessionService
from tests.api.oauth_flow import FORM, OAuthClient, a_client, claims

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from tests.api.service import Account, Reply, Service

BACK = "https://app.example/bye?x=1"


@pytest.fixture
def app(service: Service) -> OAuthClient:
    return a_client(service, post_logout_redirect_uris=(BACK,))


class Browser:
    """A browser in which somebody is logged in on our own pages."""

    def __init__(self, service: Service, account: Account) -> None:
        self.service = service
        reply = self._form("/login", login=account.email, password=account.password)
        self.cookie = re.search(r"latchkey-page=([^;]+)", str(reply.headers.getlist("Set-Cookie")))[1]  # type: ignore[index]

    @property
    def principal(self) -> Principal:
        return self.service.wired.get(PageSessions).authenticate(self.cookie)

    @property
    def is_logged_in(self) -> bool:
        return self.service.wired.get(PageSessions).visitor(self.cookie) is not None

    def get(self, **parameters: str) -> Reply:
        return self.service.get("/oauth/logout", query=urlencode(parameters), headers=self._headers())

    def confirm(self, page: Reply) -> Reply:
        """Press the button of the page that asks."""
        assert page.status_code == 200, page.text
        fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
        return self._form("/oauth/logout/confirm", **{name: unescape(text) for name, text in fields.items()})

    def _headers(self) -> dict[str, str]:
        return {"Accept": "text/html", "Cookie": f"latchkey-page={self.cookie}", "Sec-Fetch-Site": "cross-site"}

    def _form(self, path: str, **fields: str) -> Reply:
        public_url = self.service.wired.settings.server.public_url
        headers = {"Accept": "text/html", "Origin": public_url}
        if path != "/login":
            headers["Cookie"] = f"latchkey-page={self.cookie}"
        return self.service.send("POST", path, body=urlencode(fields).encode(), content_type=FORM, headers=headers)


def tokens(browser: Browser, app: OAuthClient, scope: str = "openid") -> dict[str, Any]:
    code = app.code(None, browser.principal, scope=scope)  # type: ignore[arg-type]
    found: dict[str, Any] = app.redeem(code).json
    assert "id_token" in found, found
    return found


def is_live(service: Service, told: dict[str, Any]) -> bool:
    try:
        service.wired.get(AccessTokenAuthenticator).authenticate(told["access_token"])
    except SessionEnded:
        return False
    return True


def posted(service: Service, **parameters: str) -> Reply:
    """A page of the client posts the form: no cookie of ours comes with it."""
    body = urlencode(parameters).encode()
    headers = {"Accept": "text/html", "Origin": "https://app.example", "Sec-Fetch-Site": "cross-site"}
    return service.send("POST", "/oauth/logout", body=body, content_type=FORM, headers=headers)


def test_an_id_token_ends_the_login_and_leads_back_with_the_state(service: Service, app: OAuthClient) -> None:
    browser = Browser(service, service.register())
    user = browser.principal.user
    below, offline = tokens(browser, app), tokens(browser, app, "openid offline_access")
    service.clock.advance(3600)
    reply = browser.get(id_token_hint=below["id_token"], post_logout_redirect_uri=BACK, state="a b&c")
    assert (reply.status_code, reply.headers["Location"]) == (303, f"{BACK}&state=a+b%26c")
    assert "latchkey-page=;" in reply.headers["Set-Cookie"]
    assert not browser.is_logged_in
    left = [session.id for session in service.wired.get(SessionService).list_of(user)]
    assert claims(below["id_token"])["sid"] not in left
    assert claims(offline["id_token"])["sid"] in left, "a session with a refresh token of its own goes on"


def test_a_client_that_posts_without_the_cookie_ends_the_login_of_its_session(
    service: Service, app: OAuthClient
) -> None:
    browser = Browser(service, service.register())
    hint = tokens(browser, app)["id_token"]
    reply = posted(service, id_token_hint=hint, post_logout_redirect_uri=BACK, client_id=app.id)
    assert (reply.status_code, reply.headers["Location"]) == (303, BACK)
    assert not browser.is_logged_in


def test_a_post_that_does_not_tell_which_login_is_meant_comes_back_with_the_cookie(
    service: Service, app: OAuthClient
) -> None:
    browser = Browser(service, service.register())
    hint = tokens(browser, app, "openid offline_access")["id_token"]
    reply = posted(service, id_token_hint=hint, post_logout_redirect_uri=BACK)
    assert reply.status_code == 303
    assert reply.headers["Location"].partition("?")[0].endswith("/oauth/logout")
    assert browser.is_logged_in
    assert browser.get(id_token_hint=hint).status_code == 303
    assert not browser.is_logged_in


def forged(hint: str) -> dict[str, str]:
    """Hints that prove nothing."""
    said, header = claims(hint), jwt.get_unverified_header(hint)
    none = jwt.encode(said, "", algorithm="none", headers={"kid": header["kid"]})
    return {
        "none": none,
        "cut": hint[:-4],
        "secret": jwt.encode(said, "k" * 32, algorithm="HS256", headers=header | {"alg": "HS256"}),
        "words": "\xff ..",
        "long": "a." * 9000,
        "header": f"e30.{hint.partition('.')[2]}",
    }


@pytest.mark.parametrize(
    "kind", ["absent", "none", "cut", "secret", "words", "long", "header", "access token", "another"]
)
def test_without_an_id_token_of_the_user_they_are_asked_and_may_go_back(
    service: Service, app: OAuthClient, kind: str
) -> None:
    browser = Browser(service, service.register())
    told = tokens(browser, app)
    bad = forged(told["id_token"]) | {"access token": told["access_token"]}
    if kind == "another":
        bad[kind] = tokens(Browser(service, service.register()), app)["id_token"]
    sent = {} if kind == "absent" else {"id_token_hint": bad[kind]}
    page = browser.get(client_id=app.id, post_logout_redirect_uri=BACK, state="s", **sent)
    assert "An app" in page.text
    assert "form-action 'self' https://app.example" in page.headers["Content-Security-Policy"]
    assert browser.is_logged_in
    assert is_live(service, told)
    reply = browser.confirm(page)
    assert (reply.status_code, reply.headers["Location"]) == (303, f"{BACK}&state=s")
    assert not browser.is_logged_in
    assert not is_live(service, told)


@pytest.mark.parametrize(
    "uri",
    ["https://evil.example/", f"{BACK}&y=2", BACK.upper(), BACK + "#f", "//app.example", "javascript:alert(1)", " "],
)
def test_nobody_is_led_to_an_address_that_is_not_registered(service: Service, app: OAuthClient, uri: str) -> None:
    browser = Browser(service, service.register())
    hint = tokens(browser, app)["id_token"]
    page = browser.get(client_id=app.id, post_logout_redirect_uri=uri)
    assert "app.example" not in page.headers["Content-Security-Policy"]
    assert browser.confirm(page).headers["Location"].endswith("/logout")
    again = Browser(service, service.register())
    hint = tokens(again, app)["id_token"]
    reply = again.get(id_token_hint=hint, post_logout_redirect_uri=uri)
    assert reply.headers["Location"].endswith("/logout")
    assert not again.is_logged_in


def test_an_id_token_of_another_client_is_refused_on_a_page(service: Service, app: OAuthClient) -> None:
    browser = Browser(service, service.register())
    hint = tokens(browser, app)["id_token"]
    for reply in (
        browser.get(id_token_hint=hint, client_id=new_id(), post_logout_redirect_uri=BACK),
        posted(service, id_token_hint=hint, client_id=new_id(), post_logout_redirect_uri=BACK),
    ):
        assert (reply.status_code, reply.mimetype) == (400, "text/html")
        assert "Location" not in reply.headers
    assert browser.is_logged_in


def test_a_client_that_is_gone_gets_nobody_back(service: Service, app: OAuthClient) -> None:
    browser = Browser(service, service.register())
    hint = tokens(browser, app)["id_token"]
    service.wired.get(Clients).remove(app.id)
    reply = browser.get(id_token_hint=hint, post_logout_redirect_uri=BACK)
    assert reply.headers["Location"].endswith("/logout")
    assert not browser.is_logged_in


def test_where_nobody_is_logged_in_there_is_nothing_to_ask(service: Service, app: OAuthClient) -> None:
    query = urlencode({"client_id": app.id, "post_logout_redirect_uri": BACK})
    reply = service.get("/oauth/logout", query=query, headers={"Accept": "text/html"})
    assert (reply.status_code, reply.headers["Location"]) == (303, BACK)


@pytest.mark.parametrize("query", ["state=%FF", "client_id=a&client_id=b", "state=%00", "client_id=%00"])
def test_what_cannot_be_read_is_a_page_that_says_so(service: Service, query: str) -> None:
    reply = service.get("/oauth/logout", query=query, headers={"Accept": "text/html"})
    assert reply.status_code in {303, 400}
    reply = service.send("POST", "/oauth/logout", body=query.encode(), content_type=FORM)
    assert reply.status_code in {303, 400}


def test_another_page_cannot_press_the_button(service: Service) -> None:
    browser = Browser(service, service.register())
    headers = {"Origin": "https://evil.example", "Cookie": f"latchkey-page={browser.cookie}"}
    reply = service.send("POST", "/oauth/logout/confirm", body=b"", content_type=FORM, headers=headers)
    assert reply.status_code == 403
    assert browser.is_logged_in
