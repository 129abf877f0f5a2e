"""npm oidc-client-ts, unmodified, in Chromium: a page of another origin without a server of its own."""

from __future__ import annotations

import json
import shutil
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from tests.e2e.applications import SCRIPTS, TOOLS, Issuer, issuer
from tests.e2e.browsing import opened
from tests.e2e.test_pages import has_title
from tests.e2e.test_passkeys_page import WITHOUT_AUTOFILL
from tests.e2e.test_sign_in import fill
from tests.servers.fixtures import require
from tests.servers.process import Server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.timeout(180)

LIBRARY = TOOLS / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"
SOURCES = SCRIPTS / "oidc-client-ts"
NAMES = ["localhost", "127.0.0.1"]
USERINFO = """token => fetch(new URL("/oauth/userinfo", manager.settings.authority), {
    headers: {Authorization: `Bearer ${token}`},
}).then(async reply => [reply.status, (await reply.json()).error])"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    with issuer(tmp_path_factory.mktemp("issuer"), https=False) as served:
        yield served


@dataclass(frozen=True)
class Application:
    """The page, served at `origin`."""

    origin: str
    folder: Path
    site: Issuer

    def settings(self, *, scope: str = "openid profile email offline_access", **client: Any) -> str:
        """Register the page as a client, and give it the settings; returns its `client_id`."""
        pages = [f"http://{name}:{urlsplit(self.origin).port}/callback.html" for name in NAMES]
        uris = {"redirect_uris": pages, "post_logout_redirect_uris": pages}
        made = self.site.client(kind="public", **uris, **client)["id"]
        settings = {
            "authority": self.site.url,
            "client_id": made,
            "redirect_uri": f"{self.origin}/callback.html",
            "post_logout_redirect_uri": f"{self.origin}/callback.html",
            "scope": scope,
            "loadUserInfo": True,
            "automaticSilentRenew": False,
            "revokeTokensOnSignout": True,
        }
        (self.folder / "settings.json").write_text(json.dumps(settings))
        return str(made)

    @contextmanager
    def opened(self, browser: Browser, **how: Any) -> Iterator[Page]:
        with opened(browser, f"{self.origin}/index.html", also=[self.site.url], **how) as page:
            page.add_init_script(WITHOUT_AUTOFILL)
            yield page


@pytest.fixture
def app(request: pytest.FixtureRequest, site: Issuer, tmp_path: Path) -> Iterator[Application]:
    """The page at two names: for cookies, `localhost` is the site of Latchkey, too, and `127.0.0.1` is another."""
    require(None if LIBRARY.exists() else "oidc-client-ts is not installed: run `make tools`")
    folder = shutil.copytree(SOURCES, tmp_path / "app")
    shutil.copy(LIBRARY, folder)
    port = urlsplit(site.app).port
    assert port is not None
    serve = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with Server(serve, folder=folder, port=port):
        yield Application(f"http://{request.param}:{port}", folder, site)


each_app = pytest.mark.parametrize("app", NAMES, indirect=True)
same_site = pytest.mark.parametrize("app", ["localhost"], indirect=True)
other_site = pytest.mark.parametrize("app", ["127.0.0.1"], indirect=True)


def is_home(page: Page) -> None:
    expect(page.get_by_role("heading", name="Notes", exact=True)).to_be_visible()


def user_of(page: Page) -> dict[str, Any]:
    """What the page knows of its user."""
    found: dict[str, Any] = page.evaluate("manager.getUser().then(user => user && {...user})")
    return found


def sign_in(page: Page, name: str) -> None:
    page.evaluate("void manager.signinRedirect({nonce: 'n-1'})")  # the library compares it
    has_title(page, "Log in")
    fill(page, name)


@each_app
def test_a_page_logs_in_refreshes_revokes_and_logs_out(browser: Browser, site: Issuer, app: Application) -> None:
    name = f"ann{urlsplit(app.origin).hostname}".replace(".", "")
    user = site.register(name)
    client = app.settings()
    with app.opened(browser, refusals=[401]) as page:
        sign_in(page, name)
        has_title(page, "Allow Notes?")
        page.get_by_role("button", name="Allow").click()
        is_home(page)
        first = user_of(page)
        assert (first["profile"]["sub"], first["profile"]["aud"]) == (user, client)
        assert (first["profile"]["email"], first["profile"]["preferred_username"]) == (f"{name}@example.com", name)
        second = page.evaluate("manager.signinSilent().then(user => ({...user}))")
        assert first["refresh_token"] != second["refresh_token"]
        assert second["profile"]["sub"] == user
        page.evaluate("manager.revokeTokens(['access_token'])")
        assert page.evaluate(USERINFO, second["access_token"]) == [401, "invalid_token"]
        with page.expect_navigation(url="**/index.html"):
            page.evaluate("void manager.signoutRedirect()")
        assert user_of(page) is None
        page.goto(f"{site.url}/login")
        has_title(page, "Log in")


@same_site
def test_a_page_of_the_same_site_renews_silently_in_a_frame_while_its_user_is_logged_in(
    browser: Browser, site: Issuer, app: Application
) -> None:
    user = site.register("bea")
    app.settings(scope="openid", first_party=True)
    with app.opened(browser) as page:
        sign_in(page, "bea")
        is_home(page)
        before = user_of(page)
        renewed = page.evaluate("manager.signinSilent().then(user => ({...user}))")
        assert renewed["access_token"] != before["access_token"]
        assert renewed["profile"]["sub"] == user
        page.context.clear_cookies()
        assert page.evaluate("manager.signinSilent().catch(error => error.error)") == "login_required"


@other_site
def test_a_page_of_another_site_is_told_that_nobody_is_logged_in(
    browser: Browser, site: Issuer, app: Application
) -> None:
    """The cookie of our pages is not sent to a frame in another site (SameSite=Lax)."""
    site.register("cid")
    app.settings(scope="openid", first_party=True)
    with app.opened(browser) as page:
        sign_in(page, "cid")
        is_home(page)
        assert page.evaluate("manager.signinSilent().catch(error => error.error)") == "login_required"


@each_app
def test_a_page_logs_in_in_a_popup(browser: Browser, site: Issuer, app: Application) -> None:
    name = f"dot{urlsplit(app.origin).hostname}".replace(".", "")
    user = site.register(name)
    app.settings()
    with app.opened(browser) as page:
        with page.expect_popup() as opening:
            page.evaluate("void (globalThis.signedIn = manager.signinPopup())")
        popup = opening.value
        fill(popup, name)
        has_title(popup, "Allow Notes?")
        popup.get_by_role("button", name="Allow").click()
        assert page.evaluate("signedIn.then(user => user.profile.sub)") == user
