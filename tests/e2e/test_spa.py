"""examples/spa in Chromium: a page of another origin keeps its user logged in, in all tabs, and reads no cookie."""

import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.e2e.browsing import PHONE, fits_and_is_accessible, opened
from tests.e2e.clients import PATIENCE, bearer, log_in, me
from tests.e2e.examples import EXAMPLES
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.servers.process import Server, free_port, wait_until
from tests.servers.service import ROOT, service

pytestmark = pytest.mark.timeout(180)

ALONE = "delete Navigator.prototype.locks; delete globalThis.BroadcastChannel"
"""As a browser whose tabs know nothing of each other."""
HOLD = "navigator.locks.request('latchkey', () => new Promise(release => { globalThis.release = release }))"
"""As a tab that takes its time."""
NEARLY_EXPIRED = 14 * 60 * 1000
"""Milliseconds after which the page refreshes the access token; it lives for 855 seconds at least."""


@dataclass
class Site:
    """The page, and the Latchkey that it calls."""

    url: str
    latchkey: str

    def opened(self, browser: Browser, **how: Any) -> Any:
        return opened(browser, self.url, also=[self.latchkey], **how)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder, port = tmp_path_factory.mktemp("spa") / "spa", free_port()
    settings = in_testing(AUTH_COOKIES="on", CORS_ORIGINS=f"http://localhost:{port}", WEB_CONCURRENCY="1")
    with service(settings | on_sqlite(tmp_path_factory.mktemp("store"))) as latchkey:
        address = f"http://localhost:{latchkey.port}"
        lay_out(folder, address)
        serve = [sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
        with Server(serve, folder=folder, port=port):
            yield Site(f"http://localhost:{port}/", address)


def lay_out(folder: Path, latchkey: str) -> None:
    """The page as its README says: with the address of Latchkey in two places of index.html."""
    shutil.copytree(EXAMPLES / "spa", folder)
    page = folder / "index.html"
    text = page.read_text()
    assert text.count("http://localhost:5000") == 2
    page.write_text(text.replace("http://localhost:5000", latchkey))


def enter(page: Page, name: str, button: str, password: str = PASSWORD) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name=button).click()


def is_logged_in(page: Page, name: str) -> None:
    expect(page.locator("#member")).to_contain_text(f"You are logged in as {name}.")
    expect(page.get_by_label("Password")).to_be_hidden()


def is_logged_out(page: Page) -> None:
    expect(page.get_by_label("Password")).to_be_visible()
    expect(page.locator("#member")).to_be_hidden()


def kept(page: Page) -> dict[str, Any]:
    """What scripts can read, now and later."""
    found: dict[str, Any] = page.evaluate(
        "async () => ({cookie: document.cookie, local: {...localStorage}, session: {...sessionStorage},"
        " databases: await indexedDB.databases(), caches: await caches.keys()})"
    )
    return found


def locks_of(page: Page) -> tuple[int, int]:
    """How many locks the tabs hold, and how many they wait for."""
    held, pending = page.evaluate(
        "async () => { const all = await navigator.locks.query(); return [all.held.length, all.pending.length] }"
    )
    return held, pending


def refreshes(page: Page) -> list[Request]:
    """The refreshes that the tabs of this browser send from now on; the list grows."""
    found: list[Request] = []

    def on_request(request: Request) -> None:
        if request.url.endswith("/auth/refresh"):
            found.append(request)

    page.context.on("request", on_request)
    return found


def test_a_user_registers_reloads_and_logs_out(browser: Browser, site: Site) -> None:
    nothing = {"cookie": "", "local": {}, "session": {}, "databases": [], "caches": []}
    with site.opened(browser, viewport=PHONE) as page:
        is_logged_out(page)
        with page.expect_response("**/auth/register") as registration:
            enter(page, "ann", "Register")
        is_logged_in(page, "ann")
        assert "access_token" in (data := registration.value.json()["data"])
        assert "refresh_token" not in data
        assert kept(page) == nothing | {"local": {"latchkey-logged-in": "1"}}
        (cookie,) = page.context.cookies()
        assert {"name": "latchkey", "httpOnly": True, "sameSite": "Strict", "path": "/"}.items() <= cookie.items()

        page.reload()
        is_logged_in(page, "ann")
        page.get_by_role("button", name="Show my sessions").click()
        expect(page.get_by_role("listitem")).to_have_text([re.compile(r"Chrome on Linux \(this one\)$")])
        fits_and_is_accessible(page, "logged in")

        page.get_by_role("button", name="Log out").click()
        is_logged_out(page)
        assert page.context.cookies() == []
        assert kept(page) == nothing
        sent = refreshes(page)
        page.reload()
        is_logged_out(page)
        assert sent == []
        fits_and_is_accessible(page, "logged out")


def test_the_user_reads_why_the_service_refuses(browser: Browser, site: Site) -> None:
    with site.opened(browser, refusals=[401, 409, 422]) as page:
        enter(page, "bob", "Register", password="short")
        expect(page.get_by_role("alert")).to_contain_text("A password has at least 10 characters.")
        enter(page, "bob", "Register")
        is_logged_in(page, "bob")
        expect(page.locator("#message")).to_be_empty()
        page.get_by_role("button", name="Log out").click()
        enter(page, "bob", "Register")
        expect(page.get_by_role("alert")).to_contain_text("taken")
        enter(page, "bob", "Log in", password="not the password")
        expect(page.get_by_role("alert")).to_contain_text("password")
        enter(page, "bob", "Log in")
        is_logged_in(page, "bob")


def test_the_lines_that_the_documents_show_refresh(browser: Browser, site: Site) -> None:
    shown = re.search(r"```js\n(.*?)```", (ROOT / "docs/browsers.md").read_text(), re.DOTALL)
    assert shown is not None
    lines = shown[1].replace("https://auth.example.com", site.latchkey)
    with site.opened(browser) as page:
        enter(page, "gus", "Register")
        is_logged_in(page, "gus")
        token = page.evaluate(f"async () => {{ let accessToken; {lines}; return accessToken }}")
    assert me(site.latchkey, token).json()["data"]["user"]["username"] == "gus"


@pytest.mark.parametrize("locks", [True, False], ids=["with locks", "without locks"])
def test_two_tabs_refresh_together_and_stay_logged_in(browser: Browser, site: Site, *, locks: bool) -> None:
    name = f"cleo-{locks}".lower()
    with site.opened(browser) as first:
        context = first.context
        context.clock.install()
        if not locks:
            context.add_init_script(ALONE)
        first.reload()
        enter(first, name, "Register")
        is_logged_in(first, name)
        second = context.new_page()
        second.goto(site.url)
        is_logged_in(second, name)
        before, sent = context.cookies(), refreshes(first)

        if locks:
            first.evaluate(f"() => {{ {HOLD} }}")
            context.clock.fast_forward(NEARLY_EXPIRED)
            wait_until(lambda: locks_of(first) == (1, 2), 60)
            assert sent == []
            first.evaluate("() => release()")
            wait_until(lambda: locks_of(first) == (0, 0), 60)
        else:
            context.clock.fast_forward(NEARLY_EXPIRED)
            wait_until(lambda: first.evaluate("true") and len(sent) == 2, 60)
        assert all(reply is not None and reply.ok for reply in [request.response() for request in sent])
        assert context.cookies() != before

        for page in (first, second):
            page.get_by_role("button", name="Show my sessions").click()
            expect(page.get_by_role("listitem")).to_have_count(1)
            page.reload()
            is_logged_in(page, name)


def test_what_happens_in_one_tab_shows_in_the_others_without_a_request_of_theirs(browser: Browser, site: Site) -> None:
    with site.opened(browser) as first:
        enter(first, "dora", "Register")
        is_logged_in(first, "dora")
        second = first.context.new_page()
        second.goto(site.url)
        is_logged_in(second, "dora")
        sent: list[str] = []
        second.on("request", lambda request: sent.append(request.url))

        first.get_by_role("button", name="Log out").click()
        is_logged_out(second)
        enter(first, "emil", "Register")
        is_logged_in(second, "emil")
        assert sent == []
        second.get_by_role("button", name="Show my sessions").click()
        expect(second.get_by_role("listitem")).to_have_count(1)


def test_a_session_that_ended_elsewhere_ends_in_the_page_too(browser: Browser, site: Site) -> None:
    with site.opened(browser, refusals=[401]) as page:
        enter(page, "fay", "Register")
        is_logged_in(page, "fay")
        token = log_in(site.latchkey, "fay").json()["data"]["access_token"]
        everything = {"scope": "all"}
        httpx.post(f"{site.latchkey}/auth/logout", json=everything, headers=bearer(token), timeout=PATIENCE)

        page.get_by_role("button", name="Show my sessions").click()
        is_logged_out(page)
        expect(page.get_by_role("alert")).not_to_be_empty()
        enter(page, "fay", "Log in")
        is_logged_in(page, "fay")
        page.reload()
        is_logged_in(page, "fay")
