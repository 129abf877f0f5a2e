"""The pages in a browser: what they show, what can be tried out, and that nothing on them breaks their own policy.

All of it from the service itself, and through the nginx that ships, as clients of production have it.
"""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.controllers import ENDPOINTS
from app.errors import CATALOGUE
from tests.e2e.browsing import opened
from tests.e2e.clients import register
from tests.e2e.front import front
from tests.e2e.settings import in_production, in_testing, on_sqlite
from tests.servers.process import free_port
from tests.servers.service import service

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module", params=["gunicorn", "nginx"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a browser finds the service: its PUBLIC_URL."""
    store = on_sqlite(tmp_path_factory.mktemp("store"))
    if request.param == "gunicorn":
        with service(in_testing(**store)) as started:
            yield f"http://localhost:{started.port}"
        return
    port = free_port()
    public_url = f"http://localhost:{port}"
    settings = in_production(**store) | {"PUBLIC_URL": public_url, "TRUSTED_PROXIES": "127.0.0.1"}
    with service(settings) as started, front(started.port, port=port):
        yield public_url


def test_swagger_ui_lists_every_endpoint(browser: Browser, home: str) -> None:
    with opened(browser, f"{home}/swagger/") as page:
        expect(page).to_have_title("Latchkey API")
        expect(page.locator(".opblock")).to_have_count(len(ENDPOINTS))
        listed = {
            (block.locator(".opblock-summary-method").inner_text(), block.locator("[data-path]").inner_text())
            for block in page.locator(".opblock").all()
        }

    assert listed == {(endpoint.method, endpoint.path.replace("<", "{").replace(">", "}")) for endpoint in ENDPOINTS}


def test_who_authorizes_there_can_try_out_an_endpoint(browser: Browser, home: str) -> None:
    token = register(home, "ann")
    with opened(browser, f"{home}/swagger/") as page:
        page.get_by_role("button", name="Authorize").click()
        bearer = page.locator(".auth-container").filter(has_text="bearer")
        bearer.get_by_role("textbox").fill(token)
        bearer.get_by_role("button", name="Apply credentials").click()
        page.locator(".dialog-ux").get_by_role("button", name="Close").first.click()

        reply = try_out(page, "get", "/auth/me")

        expect(reply.locator("tbody .response-col_status")).to_contain_text("200")
        expect(reply).to_contain_text('"username": "ann"')


def test_the_example_of_a_login_can_be_sent_as_it_is(browser: Browser, home: str) -> None:
    register(home, "ann.example", email="ann@example.com")
    with opened(browser, f"{home}/swagger/") as page:
        reply = try_out(page, "post", "/auth/login")

        expect(reply.locator("tbody .response-col_status")).to_contain_text("200")
        expect(reply).to_contain_text('"access_token"')


def test_every_error_has_a_page(browser: Browser, home: str) -> None:
    with opened(browser, f"{home}/") as page:
        for code in CATALOGUE:
            page.goto(f"{home}/errors/{code}")
            expect(page.get_by_role("heading", level=1)).to_have_text(code)
            expect(page.locator("dd")).to_have_count(3)
            expect(page.locator("main")).not_to_contain_text("`")
            expect(page.locator("body")).to_have_css("max-width", "672px")  # the style sheet is there

        page.get_by_role("link", name="API documentation").click()
        expect(page.locator(".opblock").first).to_be_visible()


def test_the_first_page_leads_to_everything(browser: Browser, home: str) -> None:
    with opened(browser, f"{home}/") as page:
        targets = [link.get_attribute("href") for link in page.get_by_role("link").all()]
        assert targets == ["/swagger/", "/openapi.json", "/.well-known/jwks.json", "/health"]
        for target in targets:
            page.goto(f"{home}{target}", wait_until="networkidle")
            if target == "/swagger/":  # on a busy machine it is idle before it asks for what it shows
                expect(page.locator(".opblock").first).to_be_visible()


def try_out(page: Page, method: str, path: str) -> Locator:
    """Send the example of an endpoint, as it is; what is shown of the reply."""
    block = page.locator(f".opblock-{method}").filter(has=page.locator(f'[data-path="{path}"]'))
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table")
