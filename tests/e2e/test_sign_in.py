"""The pages to log in and to consent in Chromium: an application of another origin sends its user, and gets a code.

With `SCREENSHOTS=<folder>` in the environment each page is photographed there.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, Page, Route, expect

from app import config, wiring
from app.oauth.clients.model import Client, Clients
from app.platform.identifiers import new_id
from tests.e2e.browsing import PHONE, opened
from tests.e2e.clients import bearer, register
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.e2e.test_pages import SCHEMES, Shots, has_title
from tests.e2e.test_passkeys_page import CANCELS, WITHOUT_AUTOFILL, WITHOUT_PASSKEYS, Authenticator, log_in
from tests.servers.openid import Provider
from tests.servers.service import Service, service

pytestmark = pytest.mark.timeout(180)

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""RFC 7636 appendix B."""
LONG = "Donaudampfschifffahrtselektrizitätengesellschaft"
ODD = "<b>مُلاحَظات</b> & \u202emoc.elpmaxe\u202c " + "Notes" * 12
"""A name from right to left, with marks, and a word that no line holds."""


TWO_CLICKS = """selector => {
  const sent = [];
  const note = event => { sent.push(!event.defaultPrevented); event.preventDefault(); };
  window.addEventListener("submit", note);
  for (const _ of [1, 2]) document.querySelector(selector).click();
  window.removeEventListener("submit", note);
  window.dispatchEvent(new Event("pageshow"));  // as if its user had come back
  return sent;
}"""
"""Clicks a button twice; whether each click sends its form. The second would find its answer given already."""


class _Callback(BaseHTTPRequestHandler):
    """The application, which shows what it got."""

    def do_GET(self) -> None:
        body = b"<!doctype html><html lang=en><title>The application</title><link rel=icon href='data:,'><h1>Back</h1>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@dataclass
class Site:
    """The service, and an application of another origin that is its client."""

    server: Service
    settings: dict[str, str]
    app: str

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.port}"

    def client(self, **more: Any) -> str:
        """A new client; returns its identifier."""
        fields = {"name": "Notes", "kind": "confidential", "redirect_uris": (f"{self.app}/cb",)} | more
        wired = wiring.build(config.load(self.settings, dotenv=None), watched=False)
        try:
            made = Client(id=new_id(), created_at=datetime.now(UTC), **fields)
            wired.get(Clients).add(made)
        finally:
            wired.close()
        return made.id

    def asks(self, client_id: str, **more: str) -> str:
        """The address to which the application sends its user."""
        asked = {
            "client_id": client_id,
            "response_type": "code",
            "redirect_uri": f"{self.app}/cb",
            "scope": "openid email offline_access",
            "state": "s1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return f"{self.url}/oauth/authorize?{urlencode(asked | more)}"


@pytest.fixture(scope="module")
def application() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Callback)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, application: str, upstream: Provider) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("store")
    named = {"id": "acme", "name": "Acme", "issuer": upstream.url, "client_id": "latchkey", "client_secret": "s3cret"}
    file = folder / "providers.yaml"
    file.write_text(json.dumps({"providers": [named, {**named, "id": "long", "name": LONG}]}))  # JSON is YAML
    settings = in_testing(
        **on_sqlite(folder),
        WEB_CONCURRENCY="1",
        PRODUCT_NAME="Example Accounts",
        FACTOR_TRUST_DAYS="30",
        PROVIDERS_FILE=str(file),
        EGRESS_ALLOW="127.0.0.1",
    )
    with service(settings) as server:
        yield Site(server, settings, application)


@pytest.fixture(scope="module")
def strict_site(tmp_path_factory: pytest.TempPathFactory, application: str) -> Iterator[Site]:
    """A service that requires a second factor of everybody."""
    settings = in_testing(
        **on_sqlite(tmp_path_factory.mktemp("strict")), WEB_CONCURRENCY="1", REQUIRE_SECOND_FACTOR="all"
    )
    with service(settings) as server:
        yield Site(server, settings, application)


def fill(page: Page, name: str, password: str = PASSWORD) -> None:
    page.get_by_label("E-mail address or user name").fill(name)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in", exact=True).click()


def is_back(page: Page, site: Site) -> dict[str, str]:
    """What the application got."""
    has_title(page, "Back")
    assert page.url.startswith(f"{site.app}/cb?")
    return {name: value for name, (value,) in parse_qs(urlsplit(page.url).query).items()}


def with_an_app(site: Site, name: str) -> pyotp.TOTP:
    """Register a user with an authenticator app; their codes of steps that were not used."""
    token = register(site.server.base_url, name)
    base = site.server.base_url
    secret = httpx.post(f"{base}/auth/factors/totp", headers=bearer(token), timeout=20).json()["data"]["secret"]
    totp = pyotp.TOTP(secret)
    former = totp.at(datetime.now(UTC) - timedelta(seconds=30))  # so that the present one is not used up
    reply = httpx.post(f"{base}/auth/factors/totp/confirm", headers=bearer(token), json={"code": former}, timeout=20)
    assert reply.status_code == 200, reply.text
    return totp


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_ann_comes_from_an_application_logs_in_allows_it_and_goes_back(
    browser: Browser, site: Site, *, script: bool
) -> None:
    name = f"ann{script}".lower()
    register(site.server.base_url, name)
    client = site.client()
    with opened(browser, site.asks(client), also=[site.app], java_script_enabled=script) as page:
        if script:
            page.add_init_script(WITHOUT_AUTOFILL)
        has_title(page, "Log in")
        expect(page.get_by_role("main")).to_contain_text("You go on to Notes")
        fill(page, name)
        has_title(page, "Allow Notes?")
        expect(page.get_by_role("main")).to_contain_text("See your e-mail address.")
        expect(page.get_by_role("main")).to_contain_text("This answer goes to a program on this device.")
        if script:
            assert page.evaluate(TWO_CLICKS, "button[value=allow]") == [True, False]
        page.get_by_role("button", name="Allow").click()
        assert is_back(page, site)["state"] == "s1"
        page.goto(site.asks(client, prompt="consent"))
        page.get_by_role("button", name="Deny").click()
        assert is_back(page, site)["error"] == "access_denied"


def test_a_first_party_application_gets_its_code_at_the_end_of_the_login_and_then_silently(
    browser: Browser, site: Site
) -> None:
    """The redirect to the application is two hops behind the form: its policy has to allow that."""
    register(site.server.base_url, "bob")
    client = site.client(first_party=True)
    with opened(browser, site.asks(client), also=[site.app]) as page:
        fill(page, "bob")
        assert "code" in is_back(page, site)
        page.goto(site.asks(client, prompt="none"))
        assert "code" in is_back(page, site)
        page.goto(f"{site.url}/logout")
        page.get_by_role("button", name="Log out").click()
        has_title(page, "You are logged out")
        page.goto(site.asks(client, prompt="none"))
        assert is_back(page, site)["error"] == "login_required"


def test_a_code_of_the_app_is_the_second_step_and_a_trusted_device_needs_none(browser: Browser, site: Site) -> None:
    totp = with_an_app(site, "cal")
    client = site.client(first_party=True)
    with opened(browser, site.asks(client), also=[site.app], refusals=[401, 422]) as page:
        fill(page, "cal", "wrong horse battery")
        expect(page.get_by_role("alert").first).to_be_focused()
        expect(page.get_by_label("E-mail address or user name")).to_have_value("cal")
        fill(page, "cal")
        has_title(page, "One more step")
        assert "token" not in page.url
        page.get_by_label("Code", exact=True).fill("000000")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("main")).to_contain_text("Codes work once")
        page.get_by_label("Do not ask on this device").check()
        page.get_by_label("Code", exact=True).fill(totp.now())
        page.get_by_role("button", name="Continue").click()
        assert "code" in is_back(page, site)
        page.goto(f"{site.url}/logout")
        page.get_by_role("button", name="Log out").click()
        has_title(page, "You are logged out")
        page.goto(site.asks(client))
        fill(page, "cal")
        assert "code" in is_back(page, site)


def add_passkey(page: Page, site: Site, name: str) -> None:
    """Register a user, and give them a passkey on the page for that."""
    register(site.server.base_url, name)
    page.goto(f"{site.url}/account/passkeys")
    log_in(page, name)
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("button", name="I have saved them").click()
    page.get_by_role("button", name="Log out").click()


def test_a_passkey_logs_in_by_its_button_and_as_the_second_step_and_proves_again(browser: Browser, site: Site) -> None:
    client = site.client(first_party=True)
    with opened(browser, f"{site.url}/errors/not_found", also=[site.app], refusals=[403]) as page:
        authenticator = Authenticator(page)
        page.add_init_script(WITHOUT_AUTOFILL)
        add_passkey(page, site, "dan")
        assert len(authenticator.kept) == 1
        page.goto(site.asks(client))
        page.get_by_role("button", name="Log in with a passkey").click()
        assert "code" in is_back(page, site)

        page.goto(site.asks(client, prompt="login"))
        has_title(page, "Confirm that it is you")
        page.get_by_role("button", name="Use a passkey").click()
        assert "code" in is_back(page, site)

        page.goto(f"{site.url}/logout")
        page.get_by_role("button", name="Log out").click()
        has_title(page, "You are logged out")
        page.goto(site.asks(client))
        fill(page, "dan")
        has_title(page, "One more step")
        page.get_by_role("button", name="Use a passkey").click()
        assert "code" in is_back(page, site)


def test_the_field_of_the_name_offers_the_passkey(browser: Browser, site: Site) -> None:
    client = site.client(first_party=True)
    with opened(browser, f"{site.url}/errors/not_found", also=[site.app], refusals=[403]) as page:
        authenticator = Authenticator(page)
        page.goto(f"{site.url}/account/passkeys")
        page.evaluate(WITHOUT_AUTOFILL)
        register(site.server.base_url, "eve")
        log_in(page, "eve")
        page.get_by_role("button", name="Add a passkey").click()
        page.get_by_role("button", name="I have saved them").click()
        assert len(authenticator.kept) == 1
        page.goto(site.asks(client))  # and the virtual authenticator picks the passkey
        assert "code" in is_back(page, site)


def test_who_cancels_the_passkey_is_told_and_uses_the_password(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "fay")
    with opened(browser, f"{site.url}/errors/not_found") as page:
        page.add_init_script(f"{WITHOUT_AUTOFILL}; {CANCELS}")
        page.goto(f"{site.url}/login")
        page.get_by_role("button", name="Log in with a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("The passkey was not used")
        fill(page, "fay")
        has_title(page, "You are logged in")


def test_a_browser_without_passkeys_offers_none(browser: Browser, site: Site) -> None:
    with opened(browser, f"{site.url}/errors/not_found") as page:
        page.add_init_script(WITHOUT_PASSKEYS)
        page.goto(f"{site.url}/login")
        expect(page.get_by_role("button", name="Log in with a passkey")).to_be_hidden()


def test_the_keyboard_alone_logs_in_and_allows(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "gus")
    with opened(browser, f"{site.url}/errors/not_found", also=[site.app]) as page:
        page.add_init_script(WITHOUT_AUTOFILL)
        page.goto(site.asks(site.client()))
        page.get_by_label("E-mail address or user name").focus()
        page.keyboard.type("gus")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        has_title(page, "Allow Notes?")
        page.keyboard.press("Tab")
        allow = page.get_by_role("button", name="Allow")
        expect(allow).to_be_focused()
        expect(allow).to_have_css("outline-style", "solid")
        page.keyboard.press("Enter")
        assert "code" in is_back(page, site)


def test_no_script_of_the_pages_reads_the_cookies(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "hal")
    with opened(browser, f"{site.url}/login") as page:
        fill(page, "hal")
        has_title(page, "You are logged in")
        assert page.evaluate("[document.cookie, {...localStorage}, {...sessionStorage}]") == ["", {}, {}]
        cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
        assert set(cookies) == {"latchkey-page", "latchkey-device"}
        assert all(cookie["httpOnly"] and cookie["sameSite"] == "Lax" for cookie in cookies.values())


@pytest.mark.parametrize("script", [True, False], ids=["with script", "without script"])
def test_a_provider_logs_its_user_in_for_the_application_that_asked(
    browser: Browser, site: Site, upstream: Provider, *, script: bool
) -> None:
    upstream.user = {"sub": f"ann{script}", "name": "Ann"}
    also = [site.app, upstream.url]
    with opened(browser, site.asks(site.client()), also=also, java_script_enabled=script, refusals=[400]) as page:
        page.get_by_role("button", name="Log in with Acme").click()
        has_title(page, "Allow Notes?")
        page.get_by_role("button", name="Allow").click()
        assert is_back(page, site)["state"] == "s1"
        assert not any(ours in page.url for ours in ("acme", "provider"))
        page.go_back()  # to the consent that was given
        has_title(page, "Begin again in the application")


def join(site: Site, name: str) -> None:
    """Register a user where a second factor is required."""
    body = {"username": name, "password": PASSWORD}
    reply = httpx.post(f"{site.server.base_url}/auth/register", json=body, timeout=20)
    assert reply.json()["code"] == "second_factor_required", reply.text


def test_a_passkey_that_a_login_needs_is_made_on_the_way_to_the_application(
    browser: Browser, strict_site: Site
) -> None:
    join(strict_site, "ann")
    client = strict_site.client()
    with opened(browser, f"{strict_site.url}/errors/not_found", also=[strict_site.app]) as page:
        authenticator = Authenticator(page)
        page.add_init_script(WITHOUT_AUTOFILL)
        page.goto(strict_site.asks(client))
        fill(page, "ann")
        has_title(page, "Add a second factor")
        page.get_by_role("button", name="Use a passkey").click()
        has_title(page, "Save your recovery codes")
        assert len(authenticator.kept) == 1
        expect(page.get_by_role("main").get_by_role("listitem")).to_have_count(10)
        page.get_by_role("button", name="I have saved them").click()
        has_title(page, "One more step")
        page.get_by_role("button", name="Use a passkey").click()
        has_title(page, "Allow Notes?")
        page.get_by_role("button", name="Allow").click()
        assert "code" in is_back(page, strict_site)


def test_an_app_that_a_login_needs_is_added_without_script(browser: Browser, strict_site: Site) -> None:
    join(strict_site, "bob")
    asks = strict_site.asks(strict_site.client(first_party=True))
    with opened(browser, asks, also=[strict_site.app], java_script_enabled=False, refusals=[422]) as page:
        fill(page, "bob")
        expect(page.get_by_role("button", name="Use a passkey")).to_be_hidden()
        page.get_by_role("button", name="Use an authenticator app").click()
        has_title(page, "Connect an authenticator app")
        app = pyotp.TOTP(page.locator(".key").inner_text().replace(" ", ""))
        page.get_by_label("Code", exact=True).fill("000000")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("alert").first).to_contain_text("Enter the one that the app shows now.")
        page.get_by_label("Code", exact=True).fill(app.now())
        page.get_by_role("button", name="Continue").click()
        recovery = page.get_by_role("main").get_by_role("listitem").first.inner_text()
        page.get_by_role("button", name="I have saved them").click()
        page.get_by_label("Code", exact=True).fill(recovery)
        page.get_by_role("button", name="Continue").click()
        assert "code" in is_back(page, strict_site)


def test_who_cancels_the_new_passkey_is_told_and_takes_the_app(browser: Browser, strict_site: Site) -> None:
    join(strict_site, "cal")
    with opened(browser, f"{strict_site.url}/errors/not_found") as page:
        page.add_init_script(f"{WITHOUT_AUTOFILL}; {CANCELS}")
        page.goto(f"{strict_site.url}/login")
        fill(page, "cal")
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("The passkey was not used")
        expect(page.get_by_role("button", name="Make the passkey")).to_be_visible()
        page.get_by_role("button", name="Use an authenticator app").click()
        has_title(page, "Connect an authenticator app")


def test_whose_browser_keeps_no_cookies_is_told_so(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "jon")
    with opened(browser, f"{site.url}/errors/not_found", refusals=[400]) as page:
        page.add_init_script(WITHOUT_AUTOFILL)

        def without_cookies(route: Route) -> None:
            sent = route.request
            reply = httpx.request(sent.method, sent.url, content=sent.post_data, headers=sent.all_headers(), timeout=20)
            route.fulfill(status=reply.status_code, headers={"Location": reply.headers["location"]})

        page.context.route("**/login", without_cookies)
        page.goto(site.asks(site.client()))
        fill(page, "jon")
        has_title(page, "Your browser keeps no cookies")
        page.get_by_role("link", name="Log in again").click()
        has_title(page, "Log in")
        expect(page.get_by_role("main")).to_contain_text("You go on to Notes")


def test_the_page_behind_the_back_button_after_a_logout_does_nothing(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "kim")
    with opened(browser, site.asks(site.client()), also=[site.app]) as page:
        page.add_init_script(WITHOUT_AUTOFILL)
        fill(page, "kim")
        has_title(page, "Allow Notes?")
        tab = page.context.new_page()
        tab.goto(f"{site.url}/logout")
        tab.get_by_role("button", name="Log out").click()
        has_title(tab, "You are logged out")
        page.get_by_role("button", name="Allow").click()  # in the tab that was left open
        has_title(page, "Log in")
        fill(page, "kim")
        has_title(page, "Allow Notes?")
        page.goto(f"{site.url}/logout")
        page.get_by_role("button", name="Log out").click()
        has_title(page, "You are logged out")
        page.go_back()
        page.go_back()
        has_title(page, "Log in")  # the page of the consent was not kept


def test_the_answer_reaches_a_program_that_listens_on_this_device(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "lou")
    client = site.client(kind="public", redirect_uris=("http://127.0.0.1/cb",))
    with opened(browser, site.asks(client), also=[site.app]) as page:
        fill(page, "lou")
        has_title(page, "Allow Notes?")
        page.get_by_role("button", name="Allow").click()
        assert "code" in is_back(page, site)


def test_the_policy_of_the_form_lets_the_answer_go_to_an_app_on_this_device(browser: Browser, site: Site) -> None:
    """Chromium hands the scheme of an app to the system, where no app waits here; what it was to open is seen."""
    register(site.server.base_url, "mia")
    uri = "com.example.notes:/cb"
    client = site.client(kind="public", redirect_uris=(uri,))
    with browser.new_context() as context:
        page, told = context.new_page(), list[str]()
        page.on("console", lambda message: told.append(message.text))
        page.goto(site.asks(client, redirect_uri=uri))
        fill(page, "mia")
        has_title(page, "Allow Notes?")
        with page.expect_event("requestfailed", lambda request: request.url.startswith(f"{uri}?code=")):
            page.get_by_role("button", name="Allow").click()
        assert [text for text in told if "Content Security Policy" in text] == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_page_fits_on_a_phone_and_is_accessible(browser: Browser, site: Site, scheme: Any) -> None:
    totp = with_an_app(site, f"ida{scheme}")
    far = site.client(name="Weekly Reports of the Board", redirect_uris=("https://reports.example.com/cb",))
    shots = Shots(f"sign-in-{scheme}")
    how: dict[str, Any] = {"viewport": PHONE, "color_scheme": scheme}
    with opened(browser, f"{site.url}/errors/not_found", refusals=[400, 401, 422], also=[site.app], **how) as page:
        page.add_init_script(WITHOUT_AUTOFILL)
        page.goto(site.asks(far, redirect_uri="https://reports.example.com/cb"))
        shots.take(page, "login")
        fill(page, f"ida{scheme}", "wrong horse battery")
        shots.take(page, "wrong")
        fill(page, f"ida{scheme}")
        shots.take(page, "factor")
        page.get_by_label("Code", exact=True).fill("000000")
        page.get_by_role("button", name="Continue").click()
        shots.take(page, "wrong-code")
        page.get_by_label("Code", exact=True).fill(totp.now())
        page.get_by_role("button", name="Continue").click()
        has_title(page, "Allow Weekly Reports of the Board?")
        shots.take(page, "consent")
        page.goto(site.asks(site.client()))
        shots.take(page, "consent-local")
        page.goto(f"{site.url}/login/factor")
        shots.take(page, "confirm")
        page.goto(f"{site.url}/login")
        shots.take(page, "inside")
        page.goto(f"{site.url}/logout")
        shots.take(page, "logout")
        page.get_by_role("button", name="Log out").click()
        shots.take(page, "outside")
        page.goto(f"{site.url}/login?request={'x' * 43}")
        shots.take(page, "expired")


def device_code(site: Site, client: str) -> str:
    """The code that a device shows."""
    sent = {"client_id": client, "scope": "openid profile email offline_access"}
    reply = httpx.post(f"{site.server.base_url}/oauth/device_authorization", data=sent, timeout=20)
    return str(reply.json()["user_code"])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_odd_names_devices_and_refusals_fit_on_a_phone_and_are_accessible(
    browser: Browser, site: Site, scheme: Any
) -> None:
    name = f"ned-{scheme}-whose-name-is-so-long"[:32]
    register(site.server.base_url, name)
    odd = site.client(name=ODD, redirect_uris=("com.example.notes-of-the-day:/cb",), kind="public")
    shots = Shots(f"odd-{scheme}")
    how: dict[str, Any] = {"viewport": PHONE, "color_scheme": scheme}
    with opened(browser, f"{site.url}/errors/not_found", refusals=[400, 403, 422], **how) as page:
        page.add_init_script(WITHOUT_AUTOFILL)
        page.goto(f"{site.url}/login/provider?error=access_denied&to=/device")
        shots.take(page, "denied")
        page.goto(f"{site.url}/auth/providers/acme/callback?state=x")
        shots.take(page, "elsewhere")
        page.goto(f"{site.url}/login?entered=on")
        shots.take(page, "no-cookies")
        page.goto(site.asks("00000000-0000-4000-8000-000000000000"))
        shots.take(page, "unknown-client")
        page.goto(site.asks(odd, redirect_uri="com.example.notes-of-the-day:/cb", scope="openid profile email"))
        shots.take(page, "login")
        fill(page, name)
        expect(page.get_by_role("heading", level=1)).to_contain_text("NotesNotes")
        shots.take(page, "consent")
        page.goto(f"{site.url}/login/factor")
        has_title(page, "Confirm that it is you")
        shots.take(page, "confirm")
        code = device_code(site, odd)
        page.goto(f"{site.url}/device")
        shots.take(page, "device")
        page.get_by_label("Code on your device").fill("BCDF-GHJK")
        page.get_by_role("button", name="Go on").click()
        shots.take(page, "device-wrong")
        page.get_by_label("Code on your device").fill(code)
        page.get_by_role("button", name="Go on").click()
        shots.take(page, "device-asks")
        page.get_by_role("button", name="Deny").click()
        shots.take(page, "device-denied")
        page.goto(f"{site.url}/device?user_code={device_code(site, odd)}")
        page.get_by_role("button", name="Go on").click()
        page.get_by_role("button", name="Allow").click()
        shots.take(page, "device-allowed")
        page.goto(f"{site.url}/oauth/logout?client_id={odd}")
        has_title(page, "Log out?")
        shots.take(page, "logout")
        page.get_by_role("button", name="Log out").click()
        has_title(page, "You are logged out")


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_pages_to_add_a_factor_fit_on_a_phone_and_are_accessible(browser: Browser, site: Site, scheme: Any) -> None:
    register(site.server.base_url, f"pam{scheme}")
    shots = Shots(f"enrol-{scheme}")
    how: dict[str, Any] = {"viewport": PHONE, "color_scheme": scheme}
    with opened(browser, f"{site.url}/errors/not_found", refusals=[422], **how) as page:
        page.add_init_script(f"{WITHOUT_AUTOFILL}; {CANCELS}")
        page.goto(site.asks(site.client(name="Bank", require_second_factor=True)))
        fill(page, f"pam{scheme}")
        has_title(page, "Add a second factor")
        shots.take(page, "enrol")
        page.get_by_role("button", name="Use a passkey").click()
        expect(page.get_by_role("alert")).to_contain_text("The passkey was not used")
        shots.take(page, "enrol-passkey")
        page.get_by_role("button", name="Use an authenticator app").click()
        has_title(page, "Connect an authenticator app")
        shots.take(page, "enrol-app")
        app = pyotp.TOTP(page.locator(".key").inner_text().replace(" ", ""))
        page.get_by_label("Code", exact=True).fill("000000")
        page.get_by_role("button", name="Continue").click()
        shots.take(page, "enrol-wrong")
        page.get_by_label("Code", exact=True).fill(app.now())
        page.get_by_role("button", name="Continue").click()
        has_title(page, "Save your recovery codes")
        shots.take(page, "enrol-codes")
        page.get_by_role("button", name="I have saved them").click()
        has_title(page, "Confirm that it is you")
