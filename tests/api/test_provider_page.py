"""To a provider from the page of the login and back, as a browser without script meets it."""

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode, urlsplit

import pytest

from app.social.service import CODE_LIVES
from tests.api.browser import FORM, ORIGIN, Browser
from tests.api.providers import COOKIE, Files
from tests.api.service import PASSWORD, Reply, Service, Start, new_names
from tests.api.test_consent_page import App, answer, follow, give, path_of
from tests.api.test_enrol_page import app_of, code_of
from tests.api.test_pages import heading, hidden
from tests.api.test_social_login import verified
from tests.servers.openid import Provider

pytestmark = pytest.mark.usefixtures("upstream_as_usual")


@pytest.fixture(scope="module")
def settings(files: Files) -> dict[str, Any]:
    trusted = files.provider("acme", name="Acme & <b>Sons</b>", trust_email=True)
    return {
        "EGRESS_ALLOW": "127.0.0.1",
        "PROVIDERS_FILE": files.of(trusted, {**trusted, "id": "other", "name": "Other"}),
    }


@pytest.fixture(scope="module")
def service(start: Start, settings: dict[str, Any]) -> Service:
    return start(**settings)


@pytest.fixture
def browser(service: Service) -> Browser:
    return Browser(service)


def go(browser: Browser, **more: str) -> str:
    """The address of the provider to which the page leads."""
    page = browser.post("/login/provider", **{"provider": "acme"} | more)
    assert page.status_code == 200, page.text
    (url,) = re.findall(r'http-equiv="refresh" content="0; url=([^"]+)"', page.text)
    assert f'href="{url}"' in page.text
    return unescape(url)


def back(browser: Browser, sent: dict[str, str], provider: str = "acme") -> Reply:
    """What a browser gets that the provider sends back, behind our callback."""
    reply = browser.get(f"/auth/providers/{provider}/callback", query=urlencode(sent))
    if reply.status_code != 303:
        return reply
    path, query = path_of(reply)
    assert path.endswith("/login/provider")
    return browser.get("/login/provider", query=query)


def visit(browser: Browser, upstream: Provider, user: dict[str, Any], **more: str) -> Reply:
    return back(browser, upstream.log_in(go(browser, **more), **user))


@pytest.fixture
def user() -> dict[str, Any]:
    """Somebody whom the provider knows, and who was never here."""
    email, sub = new_names()
    return {"sub": sub, "email": email, "email_verified": True}


def test_from_an_application_to_a_provider_and_back_with_a_code(
    browser: Browser, upstream: Provider, user: dict[str, Any]
) -> None:
    notes = App(browser.service)
    login = follow(browser, notes.send(browser))
    assert "Log in with <bdi>Acme &amp; &lt;b&gt;Sons&lt;/b&gt;</bdi>" in login.text
    assert "Log in with <bdi>Other</bdi>" in login.text
    consent = follow(browser, visit(browser, upstream, user, request=hidden(login)["request"]))
    assert heading(consent) == "Allow Notes & more?"
    assert browser.name == user["email"]
    assert "code" in answer(give(browser, consent))


@pytest.mark.parametrize(("to", "leads"), [("/account/passkeys", "/account/passkeys"), ("//evil.example", "/login")])
def test_the_way_on_is_kept_and_is_one_of_our_pages(
    browser: Browser, upstream: Provider, user: dict[str, Any], to: str, leads: str
) -> None:
    reply = visit(browser, upstream, user, to=to)
    path, query = path_of(reply)
    assert path == "/login"
    assert path_of(browser.get("/login", query=query))[0] == leads


def test_a_provider_that_is_not_there_shows_the_login_again(browser: Browser) -> None:
    reply = browser.post("/login/provider", provider="nobody", to="/device")
    assert (reply.status_code, heading(reply)) == (404, "Log in")
    assert hidden(reply) == {"to": "/device"}
    assert browser.post("/login/provider").status_code == 422


def test_a_provider_that_is_down_is_told_and_the_request_is_kept(
    browser: Browser, upstream: Provider, user: dict[str, Any], start: Start, settings: dict[str, Any]
) -> None:
    url, asked = go(browser, to="/account/passkeys"), upstream.log_in
    sent = asked(url, **user)
    upstream.is_down = True
    reply = back(browser, sent)
    assert (reply.status_code, heading(reply)) == (503, "Log in")
    assert "The provider does not answer at the moment." in reply.text
    assert hidden(reply) == {"to": "/account/passkeys"}
    fresh = Browser(start(on=browser.service, **settings))  # which has not read what the provider says of itself
    down = fresh.post("/login/provider", provider="acme", to="/account/passkeys")
    assert (down.status_code, heading(down)) == (503, "Log in")
    assert hidden(down) == {"to": "/account/passkeys"}


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("access_denied", "You did not log in at the provider."),
        ("server_error", "The provider did not confirm who you are."),
        ("<script>", "The provider did not confirm who you are."),
    ],
)
def test_who_does_not_log_in_there_is_back_at_the_login(browser: Browser, error: str, said: str) -> None:
    state = re.findall(r"[?&]state=([^&]+)", go(browser, to="/device"))[0]
    reply = back(browser, {"state": state, "error": error})
    assert (reply.status_code, heading(reply), hidden(reply)) == (403, "Log in", {"to": "/device"})
    assert said in reply.text
    assert "<script>" not in reply.text


def code_for(browser: Browser, upstream: Provider, user: dict[str, Any]) -> str:
    """The query with which a browser comes from our callback."""
    sent = upstream.log_in(go(browser), **user)
    return urlsplit(browser.get("/auth/providers/acme/callback", query=urlencode(sent)).headers["Location"]).query


def test_a_link_logs_nobody_in_as_somebody_else(
    browser: Browser, service: Service, upstream: Provider, user: dict[str, Any]
) -> None:
    query = code_for(browser, upstream, user)
    victim = Browser(service)
    go(victim)
    for other in (Browser(service), victim):
        reply = other.get("/login/provider", query=query)
        assert (reply.status_code, heading(reply)) == (422, "Log in")
        assert "latchkey-page" not in other.cookies


def test_a_code_is_good_once_and_for_two_minutes(browser: Browser, upstream: Provider, user: dict[str, Any]) -> None:
    query = code_for(browser, upstream, user)
    assert browser.get("/login/provider", query=query).status_code == 303
    again = browser.get("/login/provider", query=query)
    assert (again.status_code, "Begin it again" in again.text) == (422, True)
    assert browser.name == user["email"], "who is logged in stays so"
    query = code_for(browser, upstream, user)
    browser.service.clock.advance(CODE_LIVES.total_seconds() + 1)
    assert browser.get("/login/provider", query=query).status_code == 422


@pytest.mark.parametrize(
    "query", ["", "code=", "code=x", "code=x&code=y", "code=%00", "code=" + "x" * 5000, "error=", "a"]
)
def test_any_other_address_logs_nobody_in(browser: Browser, query: str) -> None:
    reply = browser.get("/login/provider", query=query)
    assert reply.status_code in {303, 400, 403, 422}
    assert "latchkey-page" not in browser.cookies


def test_the_second_factor_of_the_account_is_asked_for_behind_the_provider(
    browser: Browser, service: Service, upstream: Provider, user: dict[str, Any]
) -> None:
    visit(browser, upstream, user)
    shown = browser.post("/login/enrol", ask="totp")
    app = app_of(shown)
    assert browser.post("/login/enrol", code=code_of(browser, app)).status_code == 200
    browser.post("/logout")
    notes = App(service)
    login = follow(browser, notes.send(browser))
    step = visit(browser, upstream, user, request=hidden(login)["request"])
    assert (step.status_code, heading(step)) == (200, "One more step")
    assert browser.name is None
    done = browser.post("/login/factor", **hidden(step), code=code_of(browser, app))
    assert heading(follow(browser, done)) == "Allow Notes & more?"


def test_a_factor_that_is_required_is_added_behind_the_provider(
    start: Start, service: Service, settings: dict[str, Any], upstream: Provider, user: dict[str, Any]
) -> None:
    strict = Browser(start(on=service, REQUIRE_SECOND_FACTOR="all", **settings))
    page = visit(strict, upstream, user, to="/account/passkeys")
    assert heading(page) == "Add a second factor"
    assert hidden(page)["to"] == "/account/passkeys"
    assert heading(strict.post("/login/enrol", **hidden(page), ask="totp")) == "Connect an authenticator app"


def test_an_address_alone_links_nobody_and_the_page_says_what_to_do(
    browser: Browser, service: Service, upstream: Provider, user: dict[str, Any]
) -> None:
    ann = verified(service)
    reply = visit(browser, upstream, {**user, "email": ann.email}, to="/device")
    assert (reply.status_code, heading(reply), hidden(reply)) == (409, "Log in", {"to": "/device"})
    assert "log in here as you do otherwise" in reply.text
    assert "latchkey-page" not in browser.cookies


def test_whoever_comes_back_as_somebody_else_leaves_no_session_behind(
    browser: Browser, service: Service, upstream: Provider, user: dict[str, Any]
) -> None:
    ann = service.register()
    browser.log_in(ann.email, PASSWORD)
    former = browser.cookies["latchkey-page"]
    visit(browser, upstream, user)
    assert browser.name == user["email"]
    browser.cookies["latchkey-page"] = former
    assert browser.name is None


def test_whoever_has_no_password_proves_again_at_the_provider(
    browser: Browser, service: Service, upstream: Provider, user: dict[str, Any]
) -> None:
    visit(browser, upstream, user)
    assert heading(browser.get("/login/enrol")) == "Add a second factor"
    own = App(service, first_party=True)
    service.clock.advance(3600)
    proof = follow(browser, own.send(browser, prompt="login"))
    assert heading(proof) == "Confirm that it is you"
    assert "Log in with <bdi>Other</bdi>" in proof.text
    assert "does not know" not in proof.text
    request = re.findall(r'name="request" value="([^"]+)"', proof.text)[0]
    assert "code" in answer(follow(browser, visit(browser, upstream, user, request=request)))


def test_where_accounts_are_hidden_the_page_says_the_same_of_an_address_with_and_without_one(
    start: Start, service: Service, settings: dict[str, Any], upstream: Provider
) -> None:
    hidden_there = start(on=service, HIDE_ACCOUNTS="on", **settings)
    known, seen = hidden_there.hidden_account(), []
    for number, email in enumerate((known.email, new_names()[0])):
        browser = Browser(hidden_there)
        reply = visit(browser, upstream, {"sub": f"{email}{number}", "email": email}, to="/device")
        seen.append((reply.status_code, reply.text, sorted(browser.cookies)))
    assert seen[0] == seen[1]


@pytest.mark.parametrize("origin", ["https://evil.example", "null", None])
def test_another_page_sends_nobody_to_a_provider(service: Service, origin: str | None) -> None:
    headers = {"Origin": origin} if origin else {}
    reply = service.send("POST", "/login/provider", body=b"provider=acme", content_type=FORM, headers=headers)
    assert reply.status_code == 403
    assert "Set-Cookie" not in reply.headers


def test_the_page_in_between_tells_the_provider_nothing_and_is_kept_nowhere(service: Service) -> None:
    reply = service.send(
        "POST", "/login/provider", body=b"provider=acme", content_type=FORM, headers={"Origin": ORIGIN}
    )
    assert (reply.headers["Cache-Control"], reply.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert 'name="referrer"' not in reply.text
    (cookie,) = reply.headers.getlist("Set-Cookie")
    assert cookie.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax"} <= {part.strip() for part in cookie.split(";")}


def test_without_providers_the_page_offers_none(start: Start, service: Service) -> None:
    alone = Browser(start(on=service))
    assert "/login/provider" not in alone.get("/login").text
    assert alone.post("/login/provider", provider="acme").status_code == 404
    assert alone.get("/login/provider", query="code=x").status_code == 422
