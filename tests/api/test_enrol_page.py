"""The page to add a second factor, as a browser without script meets it: in a login that needs one, and on the way to
an application that demands one."""

import json
import re
from html import unescape

import pyotp
import pytest

from tests.api.authenticator import Authenticator
from tests.api.browser import FORM, Browser
from tests.api.service import PASSWORD, Account, Reply, Service, Start
from tests.api.test_consent_page import App, answer, follow, give
from tests.api.test_pages import errors, heading, hidden
from tests.api.test_second_factors import STEP, Person


@pytest.fixture(scope="module")
def strict(service: Service, start: Start) -> Service:
    """The same database, where a second factor is required of all."""
    return start(on=service, REQUIRE_SECOND_FACTOR="all")


@pytest.fixture
def browser(strict: Service) -> Browser:
    return Browser(strict)


def begun(browser: Browser, account: Account, **more: str) -> Reply:
    """The page that a login without a second factor leads to."""
    page = browser.log_in(account.email, PASSWORD, **more)
    assert (page.status_code, heading(page)) == (200, "Add a second factor")
    return page


def enrol(browser: Browser, page: Reply, **fields: str) -> Reply:
    return browser.post("/login/enrol", **hidden(page), **fields)


def app_of(page: Reply) -> pyotp.TOTP:
    """The app that was given the key of the page."""
    (key,) = re.findall(r'class="key">([A-Z2-7 ]+)<', page.text)
    return pyotp.TOTP(key.replace(" ", ""))


def code_of(browser: Browser, app: pyotp.TOTP) -> str:
    browser.service.clock.advance(STEP)
    return app.at(browser.service.clock())


def codes_on(page: Reply) -> list[str]:
    return re.findall(r"<li><code>([^<]+)</code>", page.text)


def test_from_an_application_over_a_login_that_needs_a_factor_to_the_code(browser: Browser, ann: Account) -> None:
    notes = App(browser.service)
    login = follow(browser, notes.send(browser))
    page = begun(browser, ann, request=hidden(login)["request"])
    assert browser.cookies == {}
    shown = enrol(browser, page, ask="totp")
    app = app_of(shown)
    assert 'src="data:image/svg+xml;base64,' in shown.text
    saved = enrol(browser, shown, code=code_of(browser, app))
    assert heading(saved) == "Save your recovery codes"
    assert len(codes_on(saved)) == 10
    last = enrol(browser, saved, saved="totp")
    assert heading(last) == "One more step"
    done = follow(browser, browser.post("/login/factor", **hidden(last), code=code_of(browser, app)))
    assert heading(done) == "Allow Notes & more?"
    assert "code" in answer(give(browser, done))


def test_a_recovery_code_finishes_the_login_that_gave_it(browser: Browser, ann: Account) -> None:
    shown = enrol(browser, begun(browser, ann), ask="totp")
    saved = enrol(browser, shown, code=code_of(browser, app_of(shown)))
    last = enrol(browser, saved, saved="totp")
    assert browser.post("/login/factor", **hidden(last), code=codes_on(saved)[0]).status_code == 303
    assert browser.name == ann.email


def made_passkey(browser: Browser, page: Reply) -> tuple[Reply, Authenticator]:
    """The page after the browser has made a passkey."""
    shown = enrol(browser, page, ask="passkey")
    asked = json.loads(unescape(shown.text.partition('data-asked="')[2].partition('"')[0]))
    key = Authenticator()
    credential = json.dumps(key.create(asked["options"]))
    return enrol(browser, shown, ceremony=asked["ceremony"], credential=credential), key


def test_a_passkey_is_added_in_the_login_and_finishes_it(browser: Browser, ann: Account) -> None:
    saved, key = made_passkey(browser, begun(browser, ann, to="/account/passkeys"))
    assert (heading(saved), len(codes_on(saved))) == ("Save your recovery codes", 10)
    last = enrol(browser, saved, saved="passkey")
    assert hidden(last)["methods"] == "passkey"
    body = {"login_token": hidden(last)["login_token"], "method": "passkey"}
    asked = browser.service.post("/auth/login/options", body).json["data"]
    credential = json.dumps(key.get(asked["options"]))
    done = browser.post("/login/factor", **hidden(last), ceremony=asked["ceremony"], credential=credential)
    assert done.status_code == 303
    assert "to=/account/passkeys" in done.headers["Location"]
    assert browser.name == ann.email


def test_a_wrong_code_of_the_new_app_is_told_and_the_login_goes_on(browser: Browser, ann: Account) -> None:
    shown = enrol(browser, begun(browser, ann), ask="totp")
    app = app_of(shown)
    wrong = enrol(browser, shown, code="000000")
    assert (wrong.status_code, heading(wrong)) == (422, "Connect an authenticator app")
    assert app.secret not in wrong.text.replace(" ", "")
    empty = enrol(browser, wrong)
    assert (empty.status_code, errors(empty)) == (422, {})
    assert "Enter the code that your app shows." in empty.text
    code = code_of(browser, app)
    assert heading(enrol(browser, wrong, code=f"{code[:3]} {code[3:]}")) == "Save your recovery codes"


def test_a_login_that_has_ended_or_has_a_factor_by_now_adds_none(browser: Browser, ann: Account) -> None:
    page = begun(browser, ann, to="/account/passkeys")
    other = begun(browser, ann)
    shown = enrol(browser, page, ask="totp")
    enrol(browser, shown, code=code_of(browser, app_of(shown)))
    for late in (
        enrol(browser, other, ask="totp"),
        enrol(browser, other, code="123456"),
        enrol(browser, page, ask="passkey"),
    ):
        assert (late.status_code, heading(late)) == (401, "Log in again")
        assert "login_token" not in hidden(late)
    reply = browser.post("/login/enrol", login_token="x" * 43, ask="totp", to="/account/passkeys")
    assert 'href="./../login?to=/account/passkeys"' in reply.text


def test_a_login_that_needs_its_second_factor_adds_none(browser: Browser, service: Service) -> None:
    person = Person(service, service.register())
    person.enrol()
    second = browser.log_in(person.account.email, PASSWORD)
    reply = browser.post("/login/enrol", login_token=hidden(second)["login_token"], ask="totp")
    assert (reply.status_code, heading(reply)) == (401, "Log in again")


@pytest.mark.parametrize("fields", [{"ask": "sms"}, {"saved": "sms"}, {"credential": "{}", "ceremony": "x"}, {}])
def test_what_the_page_does_not_send_is_refused(browser: Browser, ann: Account, fields: dict[str, str]) -> None:
    reply = enrol(browser, begun(browser, ann), **fields)
    assert (reply.status_code, reply.mimetype) == (422, "text/html")


def test_nobody_adds_a_factor_who_is_not_logged_in(browser: Browser) -> None:
    for reply in (
        browser.get("/login/enrol", query="to=/device"),
        browser.post("/login/enrol", ask="totp", to="/device"),
    ):
        assert (reply.status_code, reply.headers["Location"]) == (303, "./../login?to=/device")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", ""])
def test_a_form_of_another_page_adds_no_factor(service: Service, ann: Account, origin: str) -> None:
    browser = Browser(service)
    browser.log_in(ann.email, PASSWORD)
    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = {"Cookie": cookies} | ({"Origin": origin} if origin else {})
    reply = service.send("POST", "/login/enrol", body=b"ask=totp", content_type=FORM, headers=headers)
    assert reply.status_code == 403
    assert service.get("/auth/factors", token=ann.token).json["data"]["factors"]["totp"] is None


def test_who_is_logged_in_adds_the_factor_that_an_application_demands_and_goes_on(
    service: Service, ann: Account
) -> None:
    browser, bank = Browser(service), App(service, require_second_factor=True)
    login = follow(browser, bank.send(browser))
    page = follow(browser, browser.log_in(ann.email, PASSWORD, request=hidden(login)["request"]))
    assert heading(page) == "Add a second factor"
    assert ann.email in page.text
    shown = enrol(browser, page, ask="totp")
    app = app_of(shown)
    saved = enrol(browser, shown, code=code_of(browser, app))
    assert len(codes_on(saved)) == 10
    again = follow(browser, enrol(browser, saved, saved="totp"))
    assert heading(again) == "Confirm that it is you"
    request = hidden(again)["request"]
    done = follow(browser, browser.post("/login/factor", request=request, code=code_of(browser, app)))
    assert heading(done) == "Allow Notes & more?"
    assert "code" in answer(give(browser, done))
    assert service.get("/auth/me", token=ann.token).status_code == 401, "every other session ends"


def test_a_passkey_that_was_not_made_is_told_and_who_is_logged_in_is_named_still(
    service: Service, ann: Account
) -> None:
    browser = Browser(service)
    browser.log_in(ann.email, PASSWORD)
    reply = browser.post("/login/enrol", ceremony="x" * 43, credential="{}")
    assert (reply.status_code, heading(reply)) == (422, "Add a second factor")
    assert f"You are logged in as <strong>{ann.email}</strong>." in reply.text


def test_a_session_that_is_not_fresh_proves_again_first(service: Service, ann: Account) -> None:
    browser, bank = Browser(service), App(service, require_second_factor=True)
    login = follow(browser, bank.send(browser))
    page = follow(browser, browser.log_in(ann.email, PASSWORD, request=hidden(login)["request"]))
    service.clock.advance(service.wired.settings.accounts.reauth_seconds + 1)
    proof = follow(browser, enrol(browser, page, ask="totp"))
    assert heading(proof) == "Confirm that it is you"
    back = follow(browser, browser.post("/login/factor", request=hidden(proof)["request"], password=PASSWORD))
    assert heading(back) == "Add a second factor"
    assert heading(enrol(browser, back, ask="totp")) == "Connect an authenticator app"


def test_a_page_left_open_over_a_logout_adds_nothing(service: Service, ann: Account) -> None:
    browser = Browser(service)
    browser.log_in(ann.email, PASSWORD)
    shown = browser.post("/login/enrol", ask="totp", to="/device")
    assert heading(shown) == "Connect an authenticator app"
    app = app_of(shown)
    browser.post("/logout")
    reply = enrol(browser, shown, code=code_of(browser, app))
    assert (reply.status_code, reply.headers["Location"]) == (303, "./../login?to=/device")
    assert service.login(ann.email).status_code == 200


def test_who_has_a_factor_already_is_led_on(service: Service) -> None:
    person = Person(service, service.register())
    person.enrol()
    browser = Browser(service)
    second = browser.log_in(person.account.email, PASSWORD)
    browser.post("/login/factor", **hidden(second), code=person.code())
    reply = browser.get("/login/enrol", query="to=/account/passkeys")
    assert (reply.status_code, reply.headers["Location"]) == (303, "./../account/passkeys")


def test_no_secret_of_the_page_is_kept_by_a_cache_or_is_in_an_address(browser: Browser, ann: Account) -> None:
    page = begun(browser, ann)
    token, shown = hidden(page)["login_token"], enrol(browser, page, ask="totp")
    saved = enrol(browser, shown, code=code_of(browser, app_of(shown)))
    for reply in (page, shown, saved):
        assert reply.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in reply.headers["Content-Security-Policy"]
        assert not re.search(rf'(href|action|src)="[^"]*{re.escape(token)}', reply.text)
