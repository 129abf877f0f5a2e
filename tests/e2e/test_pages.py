"""Mailed links in a browser: from the registration over the mail to the page, with and without JavaScript.

With `SCREENSHOTS=<folder>` in the environment each kind of page is photographed there.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import pyotp
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.browsing import PHONE, fits_and_is_accessible, opened
from tests.e2e.clients import bearer, log_in, me, register
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.servers.process import wait_until
from tests.servers.service import Service, service

pytestmark = pytest.mark.timeout(180)

LIGHT, DARK = "#ffe14d", "#101418"
"""Colours of a product, on which a button has text of another colour each."""
NEW = "another good long password"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    settings = in_testing(
        **on_sqlite(tmp_path_factory.mktemp("store")),
        PRODUCT_NAME="Example Accounts",
        FACTOR_RECOVERY_HOURS="72",
        LOGIN_BY_MAIL="on",
        PRODUCT_COLOR=DARK,
    )
    with service(settings) as started:
        yield started


@pytest.fixture(scope="module")
def with_cookies(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    store = on_sqlite(tmp_path_factory.mktemp("cookies"))
    settings = in_testing(**store, WEB_CONCURRENCY="1", LOGIN_BY_MAIL="on", AUTH_COOKIES="on", PRODUCT_COLOR=LIGHT)
    with service(settings) as started:
        yield started


def home(server: Service) -> str:
    """The beginning of the mailed links, PUBLIC_URL."""
    return f"http://localhost:{server.port}"


def mails(server: Service, address: str) -> list[dict[str, Any]]:
    reply = httpx.get(f"{server.base_url}/dev/mail", headers={"Accept": "application/json"}, timeout=20)
    return [mail for mail in reply.json()["data"]["mails"] if mail["to"] == address]


def mailed(server: Service, address: str, subject: str) -> str:
    """The text of the mail that has come, or comes soon."""

    def found() -> list[str]:
        return [mail["text"] for mail in mails(server, address) if mail["subject"] == subject]

    wait_until(lambda: bool(found()), 60)
    return found()[0]


def link(text: str) -> str:
    return only(r"http://\S+#token=\S+", text)


def code(text: str) -> str:
    return only(r"[0-9A-Z]{4}-[0-9A-Z]{4}\b", text)


def only(pattern: str, text: str) -> str:
    (found,) = set(re.findall(pattern, text))
    return str(found)


def forget(server: Service, address: str) -> str:
    """Ask for a new password; the text of the mail that leads to it."""
    httpx.post(f"{server.base_url}/auth/password/forgot", json={"email": address}, timeout=20)
    return mailed(server, address, "Set a new password")


def user(server: Service, token: str) -> dict[str, Any]:
    found: dict[str, Any] = me(server.base_url, token).json()["data"]["user"]
    return found


def has_title(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", level=1)).to_have_text(text)


def test_ann_registers_reads_her_mail_opens_the_link_and_confirms(browser: Browser, server: Service) -> None:
    token = register(server.base_url, "ann", email="ann@example.com")
    mailed(server, "ann@example.com", "Confirm your e-mail address")
    with opened(browser, f"{home(server)}/dev/mail") as page:
        mail = page.get_by_role("article").filter(has_text="To ann@example.com")
        mail.get_by_role("link").first.click()

        has_title(page, "Is this your e-mail address?")
        assert page.url == f"{home(server)}/verify-email"
        expect(page.get_by_role("main")).to_contain_text("ann@example.com")
        expect(page.get_by_role("main")).to_contain_text("User name")
        assert user(server, token)["email_verified"] is False

        page.get_by_role("button", name="Yes, this is my address").click()
        has_title(page, "Your e-mail address is confirmed")
    assert user(server, token)["email_verified"] is True


def test_the_token_leaves_the_address_bar_and_reaches_the_server_only_in_the_form(
    browser: Browser, server: Service
) -> None:
    register(server.base_url, "fay", email="fay@example.com")
    target = link(mailed(server, "fay@example.com", "Confirm your e-mail address"))
    token = target.partition("#token=")[2]
    with opened(browser, f"{home(server)}/errors/not_found") as page:
        asked: list[tuple[str, str, bool]] = []
        page.on(
            "request",
            lambda request: asked.append((request.method, request.url, token in str(request.all_headers()))),
        )
        page.goto(target)
        has_title(page, "Is this your e-mail address?")
        assert ("POST", f"{home(server)}/verify-email", False) in asked
        assert not any(in_headers or token in url for _, url, in_headers in asked)
        assert page.evaluate("location.href") == f"{home(server)}/verify-email"
        with page.expect_request(lambda request: request.method == "POST") as answer:
            page.get_by_role("button", name="Yes, this is my address").click()
        sent = answer.value.all_headers()
        assert sent["origin"] == home(server)  # also where a browser sends no Sec-Fetch-Site, as on plain http
        has_title(page, "Your e-mail address is confirmed")
    assert token not in (server.folder / "server.log").read_text().replace(target, "")


def test_the_owner_says_that_it_was_not_her(browser: Browser, server: Service) -> None:
    register(server.base_url, "mallory", email="eve@example.com")
    with opened(browser, link(mailed(server, "eve@example.com", "Confirm your e-mail address"))) as page:
        page.get_by_role("button", name="This was not me").click()
        has_title(page, "Thank you for telling us")
    assert log_in(server.base_url, "mallory").status_code == 401


def test_a_password_that_is_too_short_shows_an_error_and_a_good_one_is_set(browser: Browser, server: Service) -> None:
    old = register(server.base_url, "bob", email="bob@example.com")
    with opened(browser, link(forget(server, "bob@example.com")), refusals=[422], advised=True) as page:
        has_title(page, "Set a new password")
        expect(page.get_by_label("Code from the mail")).to_be_hidden()
        page.get_by_label("New password").fill("short")
        page.get_by_role("button", name="Set the new password").click()

        expect(page.get_by_role("alert")).to_be_focused()
        field = page.get_by_label("New password")
        expect(field).to_have_accessible_description(re.compile("^A password has at least 10 characters. At least 10"))
        expect(field).to_have_attribute("aria-invalid", "true")
        expect(field).to_have_value("")

        field.fill(NEW)
        page.get_by_role("button", name="Show password").click()
        expect(field).to_have_attribute("type", "text")
        page.get_by_role("button", name="Set the new password").click()
        has_title(page, "Your new password is set")
    assert me(server.base_url, old).status_code == 401
    body = {"username": "bob", "password": NEW}
    assert httpx.post(f"{server.base_url}/auth/login", json=body, timeout=20).status_code == 200


def test_the_owner_of_the_old_address_takes_a_change_back(browser: Browser, server: Service) -> None:
    token = register(server.base_url, "cal", email="cal@example.com")
    with opened(browser, link(mailed(server, "cal@example.com", "Confirm your e-mail address"))) as page:
        page.get_by_role("button", name="Yes, this is my address").click()
        has_title(page, "Your e-mail address is confirmed")
    body = {"email": "thief@example.com", "password": PASSWORD}
    httpx.post(f"{server.base_url}/auth/email", json=body, headers=bearer(token), timeout=20)
    with opened(browser, link(mailed(server, "thief@example.com", "Confirm your new e-mail address"))) as page:
        page.get_by_role("button", name="Yes, this is my address").click()
        has_title(page, "Your e-mail address is confirmed")
    assert user(server, token)["email"] == "thief@example.com"

    with opened(browser, link(mailed(server, "cal@example.com", "Your e-mail address was changed"))) as page:
        has_title(page, "Undo the change of your address")
        expect(page.get_by_label("Link from the mail")).to_be_hidden()
        page.get_by_role("button", name="Undo the change").click()
        has_title(page, "Your old address is back")
    assert me(server.base_url, token).status_code == 401
    assert link(mailed(server, "cal@example.com", "Set a new password"))


def test_without_javascript_address_and_code_are_typed(browser: Browser, server: Service) -> None:
    token = register(server.base_url, "dan", email="dan@example.com")
    text = mailed(server, "dan@example.com", "Confirm your e-mail address")
    with opened(browser, link(text), refusals=[422], java_script_enabled=False) as page:
        page.get_by_label("E-mail address").fill("dan@example.com")
        page.get_by_label("Code from the mail").fill("0000-0000")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("alert")).to_contain_text("This code or link is not valid.")
        expect(page.get_by_label("E-mail address")).to_have_value("dan@example.com")

        page.get_by_label("Code from the mail").fill(code(text).lower())
        page.get_by_role("button", name="Continue").click()
        has_title(page, "Is this your e-mail address?")
        assert user(server, token)["email_verified"] is False
        page.get_by_role("button", name="Yes, this is my address").click()
        has_title(page, "Your e-mail address is confirmed")
    assert user(server, token)["email_verified"] is True

    text = forget(server, "dan@example.com")
    with opened(browser, f"{server.base_url}/reset-password", java_script_enabled=False) as page:
        page.get_by_label("E-mail address").fill("dan@example.com")
        page.get_by_label("Code from the mail").fill(code(text))
        page.get_by_label("New password").fill(NEW)
        expect(page.get_by_role("button", name="Show password")).to_be_hidden()
        page.get_by_role("button", name="Set the new password").click()
        has_title(page, "Your new password is set")


def test_without_javascript_an_undo_takes_the_whole_link(browser: Browser, server: Service) -> None:
    with opened(browser, f"{home(server)}/undo-email", refusals=[422], java_script_enabled=False) as page:
        page.get_by_label("Link from the mail").fill(f"{home(server)}/undo-email#token={'A' * 88}")
        page.get_by_role("button", name="Undo the change").click()
        expect(page.get_by_role("alert")).to_contain_text("This code or link is not valid.")


def recovering(server: Service, name: str) -> tuple[str, str]:
    """A user with an authenticator app, which somebody with their password says is lost: their access token, and the
    link that warns them."""
    email = f"{name}@example.com"
    token = register(server.base_url, name, email=email)
    mail = link(mailed(server, email, "Confirm your e-mail address"))
    with httpx.Client(base_url=server.base_url, timeout=20) as client:
        body = {"token": mail.partition("#token=")[2]}
        assert client.post("/auth/email/verify", json=body).status_code == 200
        secret = client.post("/auth/factors/totp", headers=bearer(token)).json()["data"]["secret"]
        code_now = {"code": pyotp.TOTP(secret).now()}
        assert client.post("/auth/factors/totp/confirm", json=code_now, headers=bearer(token)).status_code == 200
        login = log_in(server.base_url, name).json()["login"]
        assert client.post("/auth/factors/recover", json={"login_token": login["token"]}).status_code == 202
    return token, link(mailed(server, email, "Your second factors are about to be removed"))


def recovery(server: Service, token: str) -> dict[str, Any] | None:
    reply = httpx.get(f"{server.base_url}/auth/factors", headers=bearer(token), timeout=20)
    found: dict[str, Any] | None = reply.json()["data"]["factors"]["recovery"]
    return found


def test_who_lost_nothing_opens_the_link_and_keeps_the_second_factors(browser: Browser, server: Service) -> None:
    token, target = recovering(server, "kim")
    with opened(browser, target) as page:
        has_title(page, "Keep your second factors")
        assert page.url == f"{home(server)}/cancel-recovery"
        expect(page.get_by_label("Link from the mail")).to_be_hidden()
        assert recovery(server, token) is not None

        page.get_by_role("button", name="Keep my second factors").click()

        has_title(page, "Your second factors stay")
    assert recovery(server, token) is None


def test_without_javascript_the_whole_link_keeps_the_second_factors(browser: Browser, server: Service) -> None:
    token, target = recovering(server, "lea")
    page_path = f"{home(server)}/cancel-recovery"
    with opened(browser, page_path, refusals=[422], java_script_enabled=False) as page:
        page.get_by_label("Link from the mail").fill(f"{page_path}#token={'A' * 88}")
        page.get_by_role("button", name="Keep my second factors").click()
        expect(page.get_by_role("alert")).to_contain_text("This code or link is not valid.")
        page.get_by_label("Link from the mail").fill(target)
        page.get_by_role("button", name="Keep my second factors").click()
        has_title(page, "Your second factors stay")
    assert recovery(server, token) is None


def verified(server: Service, name: str) -> str:
    """Register somebody, who verifies the address; the access token."""
    token = register(server.base_url, name, email=f"{name}@example.com")
    proof = link(mailed(server, f"{name}@example.com", "Confirm your e-mail address")).partition("#token=")[2]
    reply = httpx.post(f"{server.base_url}/auth/email/verify", json={"token": proof}, timeout=20)
    assert reply.status_code == 200
    return token


def login_mail(server: Service, name: str) -> tuple[str, str]:
    """Ask for a login by mail; what to send with the code, and the text of the mail."""
    reply = httpx.post(f"{server.base_url}/auth/login/code", json={"email": f"{name}@example.com"}, timeout=20)
    return reply.json()["data"]["request"], mailed(server, f"{name}@example.com", "Your code to log in")


def test_the_link_of_a_login_shows_the_code_for_the_device_that_asked(browser: Browser, server: Service) -> None:
    verified(server, "kit")
    request, text = login_mail(server, "kit")
    for scheme in SCHEMES:
        with opened(browser, link(text), viewport=PHONE, color_scheme=scheme) as page:
            has_title(page, "Log in")
            assert page.url == f"{home(server)}/login/mail"
            expect(page.get_by_label("Link from the mail")).to_be_hidden()
            Shots(scheme).take(page, "mail-login")
            page.get_by_role("button", name="Continue").click()
            has_title(page, "Your code to log in")
            expect(page.get_by_role("main")).to_contain_text(code(text))
            Shots(scheme).take(page, "mail-login-code")
    body = {"request": request, "code": code(text)}
    reply = httpx.post(f"{server.base_url}/auth/login/code/verify", json=body, timeout=20)
    assert reply.status_code == 200


@pytest.mark.parametrize("script", [True, False])
def test_with_cookies_the_link_of_a_login_logs_the_browser_in(
    browser: Browser, with_cookies: Service, *, script: bool
) -> None:
    server, name = with_cookies, "lea" if script else "leo"
    verified(server, name)
    _, text = login_mail(server, name)
    url = link(text) if script else f"{home(server)}/login/mail"
    with opened(browser, url, java_script_enabled=script) as page:
        if not script:
            page.get_by_label("Link from the mail").fill(link(text))
        page.get_by_role("button", name="Continue").click()
        has_title(page, "You are logged in")
        (cookie,) = page.context.cookies()
        assert (cookie["name"], cookie["httpOnly"], cookie["sameSite"]) == ("latchkey", True, "Strict")
    sent = {"Cookie": f"latchkey={cookie['value']}", "Origin": home(server)}
    renewed = httpx.post(f"{server.base_url}/auth/refresh", headers=sent, timeout=20)
    assert renewed.json()["data"]["user"]["email"] == f"{name}@example.com"


def test_with_cookies_the_link_of_a_login_asks_for_the_second_factor(browser: Browser, with_cookies: Service) -> None:
    server = with_cookies
    token = verified(server, "max")
    headers = bearer(token)
    begun = httpx.post(f"{server.base_url}/auth/factors/totp", headers=headers, timeout=20).json()["data"]
    now = {"code": pyotp.TOTP(begun["secret"]).now()}
    reply = httpx.post(f"{server.base_url}/auth/factors/totp/confirm", json=now, headers=headers, timeout=20)
    recovery_code = reply.json()["data"]["recovery_codes"][0]
    _, text = login_mail(server, "max")
    with opened(browser, link(text), refusals=[422], viewport=PHONE) as page:
        page.get_by_role("button", name="Continue").click()
        has_title(page, "Enter your second factor")
        Shots("light").take(page, "mail-login-factor")
        page.get_by_label("Code of your second factor").fill("000 000")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("alert")).to_contain_text("not valid")
        assert page.context.cookies() == []
        page.get_by_label("Code of your second factor").fill(recovery_code)
        page.get_by_role("button", name="Log in").click()
        has_title(page, "You are logged in")


def test_a_second_link_opened_in_the_same_tab_is_taken_too(browser: Browser, server: Service) -> None:
    register(server.base_url, "gus", email="gus@example.com")
    target = link(forget(server, "gus@example.com"))
    with opened(browser, f"{home(server)}/reset-password") as page:
        expect(page.get_by_label("Code from the mail")).to_be_visible()
        page.goto(target)
        expect(page.get_by_label("Code from the mail")).to_be_hidden()
        assert page.url == f"{home(server)}/reset-password"


def test_the_keyboard_alone_sets_a_password(browser: Browser, server: Service) -> None:
    register(server.base_url, "hal", email="hal@example.com")
    with opened(browser, link(forget(server, "hal@example.com"))) as page:
        expect(page.get_by_label("Code from the mail")).to_be_hidden()
        page.keyboard.press("Tab")
        expect(page.get_by_label("New password")).to_be_focused()
        page.keyboard.type(NEW)
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Show password")).to_be_focused()
        page.keyboard.press("Tab")
        button = page.get_by_role("button", name="Set the new password")
        expect(button).to_be_focused()
        expect(button).to_have_css("outline-style", "solid")
        page.keyboard.press("Enter")
        has_title(page, "Your new password is set")


def test_another_site_cannot_send_our_forms(browser: Browser, server: Service) -> None:
    register(server.base_url, "ida", email="ida@example.com")
    token = link(mailed(server, "ida@example.com", "Confirm your e-mail address")).partition("#token=")[2]
    form = f"""<form method="post" action="{home(server)}/verify-email">
      <input name="token" value="{token}"><input name="answer" value="yes"><button>Win</button></form>"""
    with browser.new_context() as context:
        page = context.new_page()
        page.route("http://other.example/", lambda route: route.fulfill(content_type="text/html", body=form))
        page.goto("http://other.example/")
        with page.expect_navigation() as sent:
            page.get_by_role("button").click()
        assert sent.value.status == 403
        has_title(page, "This did not work")
    assert log_in(server.base_url, "ida").json()["data"]["user"]["email_verified"] is False


@pytest.mark.parametrize(("color", "of"), [(LIGHT, "with_cookies"), (DARK, "server")], ids=["light", "dark"])
def test_a_button_can_be_read_in_another_colour_of_the_product(
    browser: Browser, request: pytest.FixtureRequest, color: str, of: str
) -> None:
    server: Service = request.getfixturevalue(of)
    for scheme in SCHEMES:
        url = f"{home(server)}/reset-password"
        with opened(browser, url, viewport=PHONE, color_scheme=scheme) as page:
            expect(page.get_by_role("button", name="Set the new password")).to_have_css("background-color", rgb(color))
            Shots(f"{scheme}-{color[1:]}").take(page, "button")


def rgb(color: str) -> str:
    """#rrggbb as a browser says it."""
    return f"rgb({', '.join(str(part) for part in bytes.fromhex(color[1:]))})"


def test_the_pages_are_accessible_and_fit_a_phone(browser: Browser, tmp_path: Path) -> None:
    settings = in_testing(**on_sqlite(tmp_path), PRODUCT_NAME="Example Accounts")
    with service(settings) as server:
        for scheme in SCHEMES:
            email = f"{scheme}.{'a.very.long.address.' * 2}x@mail.{'with-a-long-name.' * 3}example.com"
            register(server.base_url, f"{scheme}-user-name-that-is-quite-long"[:32], email=email)
            verification = link(mailed(server, email, "Confirm your e-mail address"))
            reset = link(forget(server, email))
            shots = Shots(scheme)
            with opened(
                browser,
                f"{home(server)}/verify-email",
                refusals=[422],
                advised=True,
                viewport=PHONE,
                color_scheme=scheme,
            ) as page:
                shots.take(page, "ask")
                page.goto(verification)
                has_title(page, "Is this your e-mail address?")
                shots.take(page, "claim")
                page.goto(f"{home(server)}/dev/mail")
                shots.take(page, "mails")
                page.goto(reset)
                expect(page.get_by_label("Code from the mail")).to_be_hidden()
                shots.take(page, "reset")
                page.get_by_label("New password").fill("short")
                page.get_by_role("button", name="Set the new password").click()
                expect(page.get_by_role("alert")).to_be_visible()
                shots.take(page, "reset-error")
                page.get_by_label("New password").fill(NEW)
                page.get_by_role("button", name="Set the new password").click()
                has_title(page, "Your new password is set")
                shots.take(page, "done")
                page.goto(verification)
                expect(page.get_by_role("alert")).to_be_visible()
                shots.take(page, "spent")
                page.goto(f"{home(server)}/undo-email")
                shots.take(page, "undo")
                page.goto(f"{home(server)}/cancel-recovery")
                shots.take(page, "keep")


class Shots:
    """Checks a page as it stands, and keeps a picture of it where the environment asks for that."""

    def __init__(self, series: str) -> None:
        self._series = series
        self._folder = os.environ.get("SCREENSHOTS")

    def take(self, page: Page, name: str) -> None:
        if self._folder:
            page.screenshot(path=Path(self._folder, f"{self._series}-{name}.png"), full_page=True)
        fits_and_is_accessible(page, name)
