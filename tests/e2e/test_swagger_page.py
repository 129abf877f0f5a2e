"""The pages in a browser: what they show, what can be tried out, and that nothing on them breaks their own policy.

From the service itself; what nginx has a part in also through the nginx that ships, as clients of production have it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from app.features import ENDPOINTS
from app.web.openapi import templated
from tests.e2e.browsing import PHONE, fits_and_is_accessible, opened
from tests.e2e.clients import register
from tests.e2e.front import front
from tests.e2e.settings import PASSWORD, in_production, in_testing, on_sqlite
from tests.servers.process import free_port
from tests.servers.service import service

pytestmark = pytest.mark.timeout(300)

without_nginx = pytest.mark.parametrize("home", ["gunicorn"], indirect=True)
"""For what nginx has no part in, beside passing the same pages on."""
BOB = f'{{"login": "bob.example", "password": "{PASSWORD}"}}'


@pytest.fixture(scope="module", params=["gunicorn", "nginx"])
def home(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a browser finds the service: its PUBLIC_URL."""
    settings = on_sqlite(tmp_path_factory.mktemp("store")) | {"LOGIN_BY_MAIL": "on"}
    if request.param == "gunicorn":
        with service(in_testing(**settings)) as started:
            yield f"http://localhost:{started.port}"
        return
    port = free_port()
    public_url = f"http://localhost:{port}"
    settings = in_production(**settings) | {"PUBLIC_URL": public_url, "TRUSTED_PROXIES": "127.0.0.1"}
    with service(settings) as started, front(started.port, port=port):
        yield public_url


def test_swagger_ui_lists_every_endpoint_that_is_served_in_the_colours_that_the_system_prefers(
    browser: Browser, home: str
) -> None:
    light, dark = "rgb(59, 65, 81)", "rgb(228, 230, 230)"
    with opened(browser, f"{home}/swagger/", color_scheme="dark") as page:
        expect(page).to_have_title("Latchkey API")
        expect(page.locator("#swagger-ui .swagger-ui").first).to_have_css("color", dark)
        page.emulate_media(color_scheme="light")
        expect(page.locator("#swagger-ui .swagger-ui").first).to_have_css("color", light)
        expect(page.locator(".opblock")).to_have_count(len(ENDPOINTS))
        methods = page.locator(".opblock .opblock-summary-method").all_inner_texts()
        paths = page.locator(".opblock [data-path]").all_inner_texts()
        listed = set(zip(methods, paths, strict=True))

    assert listed == {(endpoint.method, templated(endpoint.path)) for endpoint in ENDPOINTS}


@without_nginx
def test_an_authorized_user_can_try_out_an_endpoint_and_the_example_of_a_login_as_it_is(
    browser: Browser, home: str
) -> None:
    token = register(home, "ann.example", email="ann@example.com")
    with opened(browser, f"{home}/swagger/") as page:
        page.get_by_role("button", name="Authorize").click()
        bearer = page.locator(".auth-container").filter(has_text="bearer")
        bearer.get_by_role("textbox").fill(token)
        bearer.get_by_role("button", name="Apply credentials").click()
        page.locator(".dialog-ux").get_by_role("button", name="Close").first.click()

        reply = try_out(page, "get", "/auth/me")

        expect(reply.locator("tbody .response-col_status")).to_contain_text("200")
        expect(reply).to_contain_text('"username": "ann.example"')

        reply = try_out(page, "post", "/auth/login")

        expect(reply.locator("tbody .response-col_status")).to_contain_text("200")
        expect(reply).to_contain_text('"access_token"')


@without_nginx
def test_an_error_has_a_page_that_leads_to_the_documentation(browser: Browser, home: str) -> None:
    """`tests/api/test_help_pages.py` asks for the page of each code."""
    with opened(browser, f"{home}/") as page:
        for code in ("not_found", "reauthentication_required"):
            page.goto(f"{home}/errors/{code}")
            expect(page.get_by_role("heading", level=1)).to_have_text(code)
            expect(page.locator("body")).to_have_css("max-width", "672px")  # the style sheet is there

        page.get_by_role("link", name="API documentation").click()
        expect(page.locator(".opblock").first).to_be_visible()


def test_the_first_page_leads_to_everything(browser: Browser, home: str) -> None:
    with opened(browser, f"{home}/") as page:
        expect(page.get_by_role("link", name="Try out the API")).to_have_attribute("href", "./swagger/")
        targets = {str(link.get_attribute("href")) for link in page.get_by_role("link").all()}
        assert targets == {"./swagger/", "./openapi.json", "./.well-known/jwks.json", "./health"}
        for target in sorted(targets):
            page.goto(urljoin(f"{home}/", target), wait_until="networkidle")
            if target == "./swagger/":  # on a busy machine it is idle before it asks for what it shows
                expect(page.locator(".opblock").first).to_be_visible()


def test_a_login_that_is_tried_out_authorizes_what_comes_after_it(browser: Browser, home: str) -> None:
    register(home, "bob.example", email="bob@example.com")
    with opened(browser, f"{home}/swagger/") as page:
        reply = try_out(page, "post", "/auth/login", body=BOB)
        expect(reply.locator("tbody .response-col_status")).to_contain_text("200")

        reply = try_out(page, "get", "/auth/me")

        expect(reply).to_contain_text('"username": "bob.example"')
        page.reload()
        expect(page.locator(".opblock").first).to_be_visible()
        expect(page.locator(".authorization__btn.locked")).to_have_count(0)  # not kept here


def test_in_development_the_token_outlives_a_reload(browser: Browser, tmp_path: Path) -> None:
    with service({"FLASK_ENV": "development", **on_sqlite(tmp_path)}) as server:
        home = f"http://localhost:{server.port}"
        register(home, "bob.example", email="bob@example.com")
        with opened(browser, f"{home}/swagger/") as page:
            reply = try_out(page, "post", "/auth/login", body=BOB)
            expect(reply.locator("tbody .response-col_status")).to_contain_text("200")
            page.reload()

            reply = try_out(page, "get", "/auth/me")

            expect(reply).to_contain_text('"username": "bob.example"')


def test_under_a_path_that_the_proxy_strips_the_pages_are_whole_and_can_be_tried_out(
    browser: Browser, tmp_path: Path
) -> None:
    port = free_port()
    home = f"http://localhost:{port}/api/auth"
    settings = in_production(**on_sqlite(tmp_path)) | {"PUBLIC_URL": home, "TRUSTED_PROXIES": "127.0.0.1"}
    cut = {"service.conf": "location /api/auth/ {\n  proxy_pass http://latchkey/;\n}\n"}
    with service(settings) as server, front(server.port, port=port, more=cut):
        register(home, "bob.example", email="bob@example.com")
        with opened(browser, f"{home}/", refusals=[404]) as page:
            page.get_by_role("link", name="Try out the API").click()
            reply = try_out(page, "post", "/auth/login", body=BOB)
            expect(reply).to_contain_text('"access_token"')
            page.goto(f"{home}/no/such/page")
            expect(page.get_by_role("heading", level=1)).to_have_text("Page not found")
            expect(page.locator("body")).to_have_css("max-width", "672px")  # the style sheet is there
            page.get_by_role("link", name="not_found").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("not_found")


@without_nginx
@pytest.mark.parametrize(
    "path", ["/", "/errors/reauthentication_required", "/errors/validation_failed", "/no/such/page"]
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_pages_of_the_documentation_are_accessible_and_fit_a_phone(
    browser: Browser, home: str, scheme: Literal["light", "dark"], path: str
) -> None:
    with opened(browser, f"{home}{path}", refusals=[404], viewport=PHONE, color_scheme=scheme) as page:
        fits_and_is_accessible(page, path)


def try_out(page: Page, method: str, path: str, *, body: str | None = None) -> Locator:
    """Send the example of an endpoint, as it is or with another body; what is shown of the reply."""
    block = page.locator(f".opblock-{method}").filter(has=page.locator(f'[data-path="{path}"]'))
    block.locator(".opblock-summary-control").click()
    block.get_by_role("button", name="Try it out").click()
    if body is not None:
        block.locator("textarea.body-param__text").fill(body)
    block.get_by_role("button", name="Execute").click()
    return block.locator(".live-responses-table")
