"""The pages to log in and to consent in Chromium: an application of another origin sends its user, and gets a code.

With `SCREENSHOTS=<folder>` in the environment each page is photographed there.
"""

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
from playwright.sync_api import Browser, Page, expect

from app import config, wiring
from app.oauth.clients.model import Client, Clients
from app.platform.identifiers import new_id
from tests.e2e.browsing import PHONE, opened
from tests.e2e.clients import bearer, register
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.e2e.test_pages import SCHEMES, Shots, has_title
from tests.e2e.test_passkeys_page import CANCELS, WITHOUT_AUTOFILL, WITHOUT_PASSKEYS, Authenticator, log_in
from tests.servers.service import Service, service

pytestmark = pytest.mark.timeout(180)

CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""RFC 7636 appendix B."""


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
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    settings = in_testing(
        **on_sqlite(tmp_path_factory.mktemp("store")),
        WEB_CONCURRENCY="1",
        PRODUCT_NAME="Example Accounts",
        FACTOR_TRUST_DAYS="30",
    )
    application = ThreadingHTTPServer(("127.0.0.1", 0), _Callback)
    Thread(target=application.serve_forever, daemon=True).start()
    try:
        with service(settings) as server:
            yield Site(server, settings, f"http://127.0.0.1:{application.server_port}")
    finally:
        application.shutdown()
        application.server_close()


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
