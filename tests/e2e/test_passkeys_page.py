"""The page of the passkeys in Chromium, with its virtual authenticator in place of a finger and a security chip.

With `SCREENSHOTS=<folder>` in the environment each state of the page is photographed there.
"""

import re
import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, Error, Page, Route, expect

from tests.e2e.browsing import PHONE, opened
from tests.e2e.clients import PATIENCE, bearer, me, register
from tests.e2e.clients import log_in as log_in_by_api
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.e2e.test_pages import SCHEMES, Shots
from tests.servers.process import wait_until
from tests.servers.service import ROOT, Service, service

pytestmark = pytest.mark.timeout(180)

WITHOUT_AUTOFILL = "PublicKeyCredential.isConditionalMediationAvailable = async () => false"
"""As a browser that offers passkeys only when it is asked. With autofill, the virtual authenticator answers at once."""
WITHOUT_PASSKEYS = "delete globalThis.PublicKeyCredential"
CANCELS = """{
  const cancelled = async () => { throw new DOMException('The operation was cancelled.', 'NotAllowedError') };
  navigator.credentials.get = navigator.credentials.create = cancelled;
}"""
"""As a user who closes what the browser shows, which a test cannot."""


@dataclass
class Site:
    """The service, and the file with its database."""

    server: Service
    database: Path

    @property
    def url(self) -> str:
        return f"http://localhost:{self.server.port}/account/passkeys"


@dataclass
class Authenticator:
    """Chromium's virtual authenticator: a platform authenticator that keeps passkeys and verifies its user."""

    page: Page

    def __post_init__(self) -> None:
        self._cdp = self.page.context.new_cdp_session(self.page)
        self._cdp.send("WebAuthn.enable")
        self.forgotten: list[str] = []
        self._cdp.on("WebAuthn.credentialDeleted", lambda event: self.forgotten.append(event["credentialId"]))
        self._cdp.on("WebAuthn.credentialUpdated", lambda event: self.updates.append(event["credential"]))
        self.updates: list[dict[str, Any]] = []
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
            "automaticPresenceSimulation": True,
        }
        self._id = {
            "authenticatorId": self._cdp.send("WebAuthn.addVirtualAuthenticator", {"options": options})[
                "authenticatorId"
            ]
        }

    @property
    def kept(self) -> list[dict[str, Any]]:
        """The passkeys in it, with their private keys."""
        found: list[dict[str, Any]] = self._cdp.send("WebAuthn.getCredentials", self._id)["credentials"]
        return found

    def restore(self, credential: dict[str, Any]) -> None:
        """Put a passkey back, as if the authenticator had not heard of its end."""
        self._cdp.send("WebAuthn.addCredential", self._id | {"credential": credential})

    def verify_nobody(self) -> None:
        """As if it were a finger that it does not know."""
        self._cdp.send("WebAuthn.setUserVerified", self._id | {"isUserVerified": False})


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("store")
    settings = in_testing(**on_sqlite(folder), WEB_CONCURRENCY="1", PRODUCT_NAME="Example Accounts")
    with service(settings) as server:
        yield Site(server, folder / "latchkey.db")


@pytest.fixture(scope="module")
def strict_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that requires a second factor of everybody."""
    folder = tmp_path_factory.mktemp("strict")
    settings = in_testing(**on_sqlite(folder), WEB_CONCURRENCY="1", REQUIRE_SECOND_FACTOR="all")
    with service(settings) as server:
        yield Site(server, folder / "latchkey.db")


@contextmanager
def visiting(
    browser: Browser, site: Site, *, refusals: Collection[int] = (), script: str = WITHOUT_AUTOFILL, **how: Any
) -> Iterator[tuple[Page, Authenticator]]:
    """The page of the passkeys, in a browser with an empty authenticator that runs this script first."""
    with opened(browser, site.url.replace("/account/passkeys", "/errors/not_found"), refusals=refusals, **how) as page:
        authenticator = Authenticator(page)
        page.add_init_script(script)
        page.goto(site.url)
        yield page, authenticator


def log_in(page: Page, name: str) -> None:
    """Send name and password."""
    form = page.get_by_role("region", name="Log in to manage your passkeys")
    form.get_by_label("E-mail address or user name").fill(name)
    form.get_by_label("Password").fill(PASSWORD)
    form.get_by_role("button", name="Log in", exact=True).click()


def is_inside(page: Page, name: str) -> None:
    expect(page.get_by_role("heading", name="Your passkeys", exact=True)).to_be_focused()
    expect(page.get_by_role("main")).to_contain_text(f"You are logged in as {name}.")


def is_outside(page: Page) -> None:
    expect(page.get_by_role("heading", name="Log in to manage your passkeys")).to_be_visible()
    expect(page.get_by_text("You are logged in as")).to_be_hidden()


def add(page: Page, name: str) -> None:
    """Add a passkey of this name."""
    page.get_by_label("Name of the new passkey").fill(name)
    page.get_by_role("button", name="Add a passkey").click()


def with_a_passkey(page: Page, site: Site, user: str) -> list[str]:
    """Register a user, and let them add a passkey in the page; returns their recovery codes."""
    register(site.server.base_url, user)
    log_in(page, user)
    is_inside(page, user)
    add(page, "Phone")
    expect(page.get_by_role("heading", name="Save your recovery codes")).to_be_focused()
    codes = page.locator("#codes-list").get_by_role("listitem").all_inner_texts()
    page.get_by_role("button", name="I have saved them").click()
    return codes


def log_out(page: Page) -> None:
    page.get_by_role("button", name="Log out").click()
    is_outside(page)


def says(page: Page, text: str) -> None:
    expect(page.locator("#done")).to_contain_text(text)


def refuses(page: Page, text: str) -> None:
    expect(page.locator("#failed")).to_contain_text(text)


def test_ann_adds_a_passkey_saves_her_codes_and_logs_in_with_it_alone(browser: Browser, site: Site) -> None:
    with visiting(browser, site) as (page, authenticator):
        codes = with_a_passkey(page, site, "ann")
        assert len(set(codes)) == 10
        expect(page.get_by_text(codes[0])).to_have_count(0)
        card = page.get_by_role("listitem").filter(has=page.get_by_role("heading", name="Phone"))
        expect(card).to_contain_text("never used")
        (passkey,) = authenticator.kept
        assert (passkey["rpId"], passkey["userName"], passkey["isResidentCredential"]) == ("localhost", "ann", True)

        log_out(page)
        page.get_by_role("button", name="Log in with a passkey").click()
        is_inside(page, "ann")
        expect(card).to_contain_text("last used on")


def test_who_needs_a_second_factor_adds_a_passkey_and_so_finishes_the_login(
    browser: Browser, strict_site: Site
) -> None:
    said = {"username": "amy", "password": PASSWORD}
    registered = httpx.post(f"{strict_site.server.base_url}/auth/register", json=said, timeout=PATIENCE)
    assert registered.json()["login"]["next"] == "enrol_factor"
    shots = Shots("passkeys-enrol")
    with visiting(browser, strict_site, refusals=[403], viewport=PHONE) as (page, authenticator):
        log_in(page, "amy")
        expect(page.get_by_role("heading", name="Add a passkey to log in")).to_be_focused()
        shots.take(page, "enrol")
        form = page.get_by_role("region", name="Add a passkey to log in")
        form.get_by_label("Name of your first passkey").fill("Phone")
        form.get_by_role("button", name="Add a passkey").click()
        says(page, "“Phone” is added. Use it to log in.")
        expect(page.get_by_role("heading", name="Save your recovery codes")).to_be_focused()
        assert len(set(page.locator("#codes-list").get_by_role("listitem").all_inner_texts())) == 10
        shots.take(page, "codes")
        assert (page.evaluate("token"), len(authenticator.kept)) == (None, 1)
        expect(page.get_by_label("Code", exact=True)).to_be_hidden()

        page.get_by_role("button", name="I have saved them").click()
        page.get_by_role("button", name="Use a passkey").first.click()
        is_inside(page, "amy")
        expect(page.get_by_role("heading", name="Phone")).to_be_visible()
        expect(page.get_by_role("heading", name="Save your recovery codes")).to_be_hidden()

        log_out(page)
        log_in(page, "amy")
        expect(page.get_by_role("heading", name="One more step")).to_be_focused()


def test_who_added_a_factor_elsewhere_meanwhile_begins_again_and_is_asked_for_it(
    browser: Browser, strict_site: Site
) -> None:
    url = strict_site.server.base_url
    said = {"username": "abe", "password": PASSWORD}
    other = httpx.post(f"{url}/auth/register", json=said, timeout=PATIENCE).json()["login"]["token"]
    with visiting(browser, strict_site, refusals=[401, 403]) as (page, _):
        log_in(page, "abe")
        expect(page.get_by_role("heading", name="Add a passkey to log in")).to_be_focused()
        begun = httpx.post(f"{url}/auth/factors/totp", headers=bearer(other), timeout=PATIENCE).json()["data"]
        code = {"code": pyotp.TOTP(begun["secret"]).now()}
        httpx.post(
            f"{url}/auth/factors/totp/confirm", json=code, headers=bearer(other), timeout=PATIENCE
        ).raise_for_status()
        page.get_by_role("button", name="Add a passkey").first.click()
        refuses(page, "This login took too long")
        is_outside(page)
        log_in(page, "abe")
        expect(page.get_by_role("heading", name="One more step")).to_be_focused()
        expect(page.get_by_label("Code", exact=True)).to_be_visible()


def test_the_field_of_the_name_offers_the_passkey(browser: Browser, site: Site) -> None:
    with visiting(browser, site, script="") as (page, _):
        expect(page.get_by_label("E-mail address or user name")).to_have_attribute("autocomplete", "username webauthn")
        with_a_passkey(page, site, "bob")
        with page.expect_request("**/auth/login/passkey"):
            page.get_by_role("button", name="Log out").click()  # and the virtual authenticator picks the passkey
        is_inside(page, "bob")


def test_after_the_password_the_passkey_or_a_recovery_code_is_the_second_step(browser: Browser, site: Site) -> None:
    with visiting(browser, site, refusals=[403, 422]) as (page, _):
        codes = with_a_passkey(page, site, "cal")
        log_out(page)
        log_in(page, "cal")
        expect(page.get_by_role("heading", name="One more step")).to_be_focused()
        page.get_by_role("button", name="Use a passkey").click()
        is_inside(page, "cal")

        log_out(page)
        log_in(page, "cal")
        page.get_by_label("Code", exact=True).fill("0-0000-0000-00000")
        page.get_by_role("button", name="Continue").click()
        refuses(page, "This was not right. Try again.")
        page.get_by_label("Code", exact=True).fill(codes[3].lower())
        page.get_by_role("button", name="Continue").click()
        is_inside(page, "cal")


def test_a_change_long_after_the_login_asks_for_a_proof_and_goes_on_with_it(browser: Browser, site: Site) -> None:
    with visiting(browser, site, refusals=[403]) as (page, _):
        with_a_passkey(page, site, "dan")
        log_out(page)
        page.route("**/auth/login/passkey", lambda route: of_an_hour_ago(route, site))
        page.get_by_role("button", name="Log in with a passkey").click()
        is_inside(page, "dan")

        page.get_by_role("button", name="Remove Phone").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        dialog = page.get_by_role("dialog", name="Confirm that it is you")
        expect(dialog).to_be_visible()
        expect(dialog.get_by_label("Password")).to_be_hidden()  # it does not do for who has a second factor
        page.keyboard.press("Escape")
        refuses(page, "Nothing was changed.")
        expect(page.get_by_role("heading", name="Phone")).to_be_visible()

        page.get_by_role("button", name="Remove Phone").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        dialog.get_by_role("button", name="Use a passkey").click()
        says(page, "“Phone” is removed.")
        expect(dialog).to_be_hidden()


def test_who_has_no_second_factor_confirms_by_the_password(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "eve")
    with visiting(browser, site, refusals=[403]) as (page, _):
        page.route("**/auth/login", lambda route: of_an_hour_ago(route, site))
        log_in(page, "eve")
        is_inside(page, "eve")
        add(page, "Phone")
        dialog = page.get_by_role("dialog", name="Confirm that it is you")
        dialog.get_by_label("Password").fill("not the password")
        dialog.get_by_role("button", name="Confirm").click()
        expect(dialog.get_by_role("alert")).to_have_text("The password is wrong.")
        dialog.get_by_label("Password").fill(PASSWORD)
        dialog.get_by_role("button", name="Confirm").click()
        says(page, "“Phone” is added.")


def of_an_hour_ago(route: Route, site: Site) -> None:
    """Let the login succeed, with an access token that says that it was an hour ago."""
    reply = route.fetch()
    told = reply.json()
    with closing(sqlite3.connect(site.database, timeout=PATIENCE)) as database, database:
        an_hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="milliseconds")
        database.execute("UPDATE sessions SET authenticated_at = ?", [an_hour_ago])
    refresh = {"refresh_token": told["data"]["refresh_token"]}
    renewed = httpx.post(f"{site.server.base_url}/auth/refresh", json=refresh, timeout=PATIENCE).json()
    told["data"]["access_token"] = renewed["data"]["access_token"]
    route.fulfill(response=reply, json=told)


def test_an_authenticator_that_does_not_verify_its_user_adds_nothing_and_opens_nothing(
    browser: Browser, site: Site
) -> None:
    with visiting(browser, site) as (page, authenticator):
        with_a_passkey(page, site, "fay")
        authenticator.verify_nobody()
        add(page, "Tablet")
        refuses(page, "your device could not check that it is you")
        expect(page.get_by_role("heading", name="Tablet")).to_have_count(0)

        log_out(page)
        page.get_by_role("button", name="Log in with a passkey").click()
        refuses(page, "your device could not check that it is you")
        is_outside(page)


def test_who_cancels_is_told_that_nothing_happened_and_can_try_again(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "gus")
    with visiting(browser, site, script=f"{WITHOUT_AUTOFILL};{CANCELS}") as (page, _):
        page.get_by_role("button", name="Log in with a passkey").click()
        refuses(page, "The passkey was not used: the request was cancelled")
        log_in(page, "gus")
        is_inside(page, "gus")
        add(page, "Phone")
        refuses(page, "The passkey was not used: the request was cancelled")
        page.evaluate("() => { delete navigator.credentials.create }")
        page.get_by_role("button", name="Add a passkey").click()
        says(page, "“Phone” is added.")


def test_the_same_device_is_not_added_twice(browser: Browser, site: Site) -> None:
    with visiting(browser, site) as (page, authenticator):
        with_a_passkey(page, site, "hal")
        add(page, "Again")
        refuses(page, "There is already a passkey of your account on this device.")
        assert len(authenticator.kept) == 1


def test_the_browser_forgets_a_passkey_that_was_removed_and_one_that_is_unknown(browser: Browser, site: Site) -> None:
    with visiting(browser, site, refusals=[401]) as (page, authenticator):
        with_a_passkey(page, site, "ida")
        (passkey,) = authenticator.kept
        page.get_by_role("button", name="Remove Phone").click()
        page.get_by_role("dialog").get_by_role("button", name="Remove").click()
        says(page, "“Phone” is removed.")
        expect(page.get_by_text("You have no passkey yet.")).to_be_visible()
        assert (authenticator.forgotten, authenticator.kept) == ([passkey["credentialId"]], [])

        authenticator.restore(passkey)
        log_out(page)
        page.get_by_role("button", name="Log in with a passkey").click()
        refuses(page, "This passkey does not belong to any account here.")
        assert (authenticator.forgotten, authenticator.kept) == ([passkey["credentialId"]] * 2, [])


def test_the_browser_learns_the_present_name_of_the_user(browser: Browser, site: Site) -> None:
    with visiting(browser, site) as (page, authenticator):
        with_a_passkey(page, site, "jan")
        token = page.evaluate("token")
        change = {"username": "jan-the-second"}
        headers = bearer(token)
        httpx.patch(
            f"{site.server.base_url}/auth/me", json=change, headers=headers, timeout=PATIENCE
        ).raise_for_status()
        log_out(page)
        page.get_by_role("button", name="Log in with a passkey").click()
        is_inside(page, "jan-the-second")
        assert authenticator.kept[0]["userName"] == "jan-the-second"


def test_a_passkey_gets_another_name(browser: Browser, site: Site) -> None:
    with visiting(browser, site) as (page, _):
        with_a_passkey(page, site, "kim")
        page.get_by_role("button", name="Rename Phone").click()
        field = page.get_by_role("dialog").get_by_label("Name")
        expect(field).to_be_focused()
        expect(field).to_have_value("Phone")
        field.fill('<img src="x"> & Co.')
        page.keyboard.press("Enter")
        says(page, "“<img src")
        expect(page.get_by_role("heading", name='<img src="x"> & Co.')).to_be_visible()


def test_nothing_of_the_login_is_kept_and_leaving_the_page_ends_it(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "lea")
    with visiting(browser, site) as (page, _):
        log_in(page, "lea")
        is_inside(page, "lea")
        kept = page.evaluate("[document.cookie, {...localStorage}, {...sessionStorage}, location.href]")
        assert kept == ["", {}, {}, site.url]
        assert page.context.cookies() == []
        token = page.evaluate("token")
        assert me(site.server.base_url, token).status_code == 200
        page.goto(site.url.replace("/account/passkeys", "/errors/not_found"))
        wait_until(lambda: me(site.server.base_url, token).status_code == 401, PATIENCE)


def test_a_session_that_ended_elsewhere_leads_to_the_login(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "max")
    with visiting(browser, site, refusals=[401]) as (page, _):
        log_in(page, "max")
        is_inside(page, "max")
        headers = bearer(page.evaluate("token"))
        httpx.post(f"{site.server.base_url}/auth/logout", headers=headers, timeout=PATIENCE).raise_for_status()
        add(page, "Phone")
        refuses(page, "You were logged out. Log in again.")
        is_outside(page)


def test_the_keyboard_alone_adds_a_passkey(browser: Browser, site: Site) -> None:
    register(site.server.base_url, "ned")
    with visiting(browser, site) as (page, authenticator):
        page.get_by_label("E-mail address or user name").focus()
        page.keyboard.type("ned")
        page.keyboard.press("Tab")
        page.keyboard.type(PASSWORD)
        page.keyboard.press("Enter")
        is_inside(page, "ned")
        page.keyboard.press("Tab")
        expect(page.get_by_label("Name of the new passkey")).to_be_focused()
        page.keyboard.type("Key")
        page.keyboard.press("Tab")
        button = page.get_by_role("button", name="Add a passkey")
        expect(button).to_be_focused()
        expect(button).to_have_css("outline-style", "solid")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", name="Save your recovery codes")).to_be_focused()
        assert len(authenticator.kept) == 1


def test_without_javascript_the_page_says_what_it_needs(browser: Browser, site: Site) -> None:
    with opened(browser, site.url, java_script_enabled=False) as page:
        expect(page.get_by_role("main")).to_contain_text("This page needs JavaScript")
        expect(page.get_by_role("textbox")).to_have_count(0)
        expect(page.get_by_role("button")).to_have_count(0)


def test_a_browser_without_passkeys_is_told_and_can_still_remove_them(browser: Browser, site: Site) -> None:
    with visiting(browser, site, script=WITHOUT_PASSKEYS, refusals=[403]) as (page, _):
        expect(page.get_by_role("main")).to_contain_text("This browser cannot use passkeys")
        expect(page.get_by_role("button", name="Log in with a passkey")).to_be_hidden()
        register(site.server.base_url, "ole")
        log_in(page, "ole")
        is_inside(page, "ole")
        expect(page.get_by_role("button", name="Add a passkey")).to_be_hidden()


def test_the_script_of_the_documentation_does_what_it_says(browser: Browser, site: Site) -> None:
    text = (ROOT / "docs/second-factors.md").read_text(encoding="utf-8")
    (script,) = re.findall(r"```js\n(const LATCHKEY.*?)```", text, re.DOTALL)
    token = register(site.server.base_url, "pia")
    with visiting(browser, site, refusals=[401, 403]) as (page, authenticator):
        page.evaluate(
            f"() => {{ {script.replace('https://auth.example.com', site.url.removesuffix('/account/passkeys'))}\n"
            "Object.assign(window, { addPasskey, logInWithPasskey, continueWithPasskey, stepUpWithPasskey }) }"
        )
        made = page.evaluate("token => addPasskey(token, 'Phone')", token)
        assert (made["passkey"]["name"], len(made["recovery_codes"])) == ("Phone", 10)
        assert page.evaluate("() => logInWithPasskey()")["user"]["username"] == "pia"
        assert page.evaluate("token => stepUpWithPasskey(token)", token)["expires_in"] > 0
        refused = log_in_by_api(site.server.base_url, "pia").json()
        assert page.evaluate("login => continueWithPasskey(login)", refused["login"])["user"]["username"] == "pia"

        (passkey,) = authenticator.kept
        headers, url = bearer(token), f"{site.server.base_url}/auth/passkeys/{made['passkey']['id']}"
        httpx.delete(url, headers=headers, timeout=PATIENCE).raise_for_status()
        with pytest.raises(Error, match="No account has this passkey"):
            page.evaluate("() => logInWithPasskey()")
        assert authenticator.forgotten == [passkey["credentialId"]]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_page_is_accessible_and_fits_a_phone(browser: Browser, site: Site, scheme: str) -> None:
    user, shots = f"{scheme}-user-name-that-is-quite-long"[:32], Shots(f"passkeys-{scheme}")
    with visiting(browser, site, refusals=[401, 403], viewport=PHONE, color_scheme=scheme) as (page, _):
        shots.take(page, "login")
        log_in(page, "nobody-of-this-name")
        refuses(page, "The account or the password is wrong.")
        shots.take(page, "refused")
        register(site.server.base_url, user)
        log_in(page, user)
        is_inside(page, user)
        shots.take(page, "none")
        add(page, "A name for a passkey that is really quite long, but fits in")
        expect(page.get_by_role("heading", name="Save your recovery codes")).to_be_visible()
        shots.take(page, "codes")
        page.get_by_role("button", name="I have saved them").click()
        page.get_by_role("button", name="Rename").click()
        shots.take(page, "rename")
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Remove").click()
        shots.take(page, "remove")
        page.keyboard.press("Escape")
        page.evaluate("() => { confirm(['password', 'totp', 'passkey']).catch(() => null) }")
        shots.take(page, "step-up")
        page.keyboard.press("Escape")
        log_out(page)
        log_in(page, user)
        expect(page.get_by_role("heading", name="One more step")).to_be_focused()
        shots.take(page, "second")
