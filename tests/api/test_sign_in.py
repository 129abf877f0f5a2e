"""The pages to log in, to prove a second factor, and to log out, as a browser without script meets them."""

import hmac
import json
import re
from base64 import urlsafe_b64decode
from collections.abc import Callable
from hashlib import sha256
from urllib.parse import urljoin, urlsplit
from uuid import UUID

import pytest

from app.features import ENDPOINTS
from app.platform.devices import Device
from app.sessions import refresh_tokens
from app.sessions.page_sessions import PageSessions
from app.sessions.service import SessionService
from tests.api.authenticator import Authenticator
from tests.api.browser import FORM, ORIGIN, Browser, attributes
from tests.api.mailbox import newest_to
from tests.api.oauth_flow import a_client
from tests.api.service import PASSWORD, Account, Reply, Service, Start
from tests.api.test_pages import errors, heading, hidden
from tests.api.test_passkeys import Holder
from tests.api.test_recovery import forgot, reset
from tests.api.test_second_factors import Person
from tests.house.test_access import concrete

PAGE, DEVICE = "latchkey-page", "latchkey-device"


@pytest.fixture
def browser(service: Service) -> Browser:
    return Browser(service)


@pytest.fixture
def inside(browser: Browser, ann: Account) -> Browser:
    """A browser in which Ann is logged in."""
    assert browser.log_in(ann.email, PASSWORD).status_code == 303
    return browser


@pytest.fixture
def person(service: Service) -> Person:
    """A user with an authenticator app."""
    made = Person(service, service.register())
    made.enrol()
    return made


def at_second_step(browser: Browser, person: Person, **more: str) -> dict[str, str]:
    """The hidden fields of the second step of a login."""
    reply = browser.log_in(person.account.email, PASSWORD, **more)
    assert (reply.status_code, heading(reply)) == (200, "One more step")
    return hidden(reply)


def test_a_password_logs_the_browser_in_and_leads_on_by_303(browser: Browser, ann: Account) -> None:
    page = browser.get("/login")
    assert (page.status_code, heading(page)) == (200, "Log in")
    reply = browser.log_in(ann.email, PASSWORD)
    assert (reply.status_code, reply.headers["Location"]) == (303, "./login?entered=on")
    assert browser.get("/login", query="entered=on").headers["Location"] == "./login"
    assert heading(browser.get("/login")) == "You are logged in"
    assert browser.name == ann.email


@pytest.mark.parametrize(
    ("public_url", "prefix"), [("https://auth.example.com", "__Host-"), ("http://localhost:5000", "")]
)
def test_the_cookies_are_for_this_host_alone_and_out_of_reach_of_scripts(
    start: Start, service: Service, ann: Account, public_url: str, prefix: str
) -> None:
    here = start(on=service, PUBLIC_URL=public_url, ALLOWED_HOSTS="*")
    body = f"login={ann.username}&password={PASSWORD.replace(' ', '+')}".encode()
    reply = here.send("POST", "/login", body=body, content_type=FORM, headers={"Origin": public_url})
    assert reply.status_code == 303
    for cookie in (PAGE, DEVICE):
        found = attributes(reply, prefix + cookie)
        assert (found["path"], found["samesite"], "httponly" in found, "secure" in found, "domain" in found) == (
            "/",
            "Lax",
            True,
            bool(prefix),
            False,
        )
    assert reply.headers["Cache-Control"] == "no-store"


def test_the_browser_gets_no_token(browser: Browser, ann: Account) -> None:
    reply = browser.log_in(ann.email, PASSWORD)
    assert reply.data == b""
    assert set(browser.cookies) == {PAGE, DEVICE}
    cookie = browser.cookies[PAGE]
    assert browser.service.post("/auth/refresh", {"refresh_token": cookie}).json["code"] == "invalid_refresh_token"
    assert browser.service.get("/auth/me", token=cookie).json["code"] == "invalid_token"


def test_a_refresh_token_is_no_cookie_of_a_page(browser: Browser, ann: Account) -> None:
    for value in (ann.refresh_token, ann.token, "x", ""):
        browser.cookies[PAGE] = value
        assert browser.name is None


def test_the_cookie_of_another_session_generation_or_secret_is_none(
    inside: Browser, service: Service, ann: Account
) -> None:
    sessions = service.wired.get(PageSessions)
    principal = sessions.authenticate(inside.cookies[PAGE])
    live = sessions.sessions.find_live(principal.session_id, service.clock())
    assert live is not None
    root = service.wired.get(PageSessions).secrets.current
    of_refresh = refresh_tokens.make(root, live.session.id, live.session.generation, live.session.seed)
    changed = inside.cookies[PAGE][:-2] + ("AA" if inside.cookies[PAGE][-2:] != "AA" else "BA")
    for value in (of_refresh, changed):
        inside.cookies[PAGE] = value
        assert inside.name is None
    assert ann.id == principal.user.id


def test_the_cookie_has_a_label_and_a_version_of_its_own(inside: Browser, service: Service) -> None:
    sessions = service.wired.get(PageSessions)
    content = urlsafe_b64decode(inside.cookies[PAGE])
    live = sessions.sessions.find_live(sessions.authenticate(inside.cookies[PAGE]).session_id, service.clock())
    assert live is not None
    fields, mac = content[:22], content[22:]
    assert fields == b"\0\3" + UUID(live.session.id).bytes + bytes(4)
    label = sessions.secrets.current.derive("latchkey page session")
    assert mac == hmac.digest(label, fields + live.session.seed, sha256)


def test_no_endpoint_of_the_api_takes_the_cookie(service: Service, inside: Browser) -> None:
    headers = {"Cookie": f"{PAGE}={inside.cookies[PAGE]}", "Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}
    for declared in (each for each in ENDPOINTS if each.access.authenticated):
        reply = service.send(declared.method, concrete(declared.path), headers=headers)
        assert (reply.status_code, reply.json["code"]) == (401, "missing_token"), declared.name


@pytest.mark.parametrize("where", ["Authorization", "x-access-token"])
def test_no_bearer_token_goes_where_the_cookie_goes(
    service: Service, ann: Account, inside: Browser, where: str
) -> None:
    for value in (ann.token, inside.cookies[PAGE]):
        sent = f"Bearer {value}" if where == "Authorization" else value
        reply = service.get("/logout", headers={where: sent, "Accept": "text/html"})
        assert heading(reply) == "You are logged out"


def test_a_wrong_password_shows_the_form_again_with_the_name_and_without_the_password(
    browser: Browser, ann: Account
) -> None:
    reply = browser.log_in(ann.email, "wrong horse battery", to="/account/passkeys")
    assert reply.status_code == 401
    assert "The account or the password is wrong." in reply.text
    assert f'value="{ann.email}"' in reply.text
    assert "wrong horse" not in reply.text
    assert hidden(reply) == {"to": "/account/passkeys"}
    assert browser.cookies == {}


def test_empty_fields_are_named_each(browser: Browser) -> None:
    reply = browser.post("/login")
    assert reply.status_code == 422
    assert errors(reply) == {
        "login": "Enter your e-mail address or your user name.",
        "password": "Enter your password.",
    }


@pytest.mark.parametrize("field", ["login", "password", "request", "to", "ceremony", "credential", "more"])
def test_whatever_is_sent_is_a_page_and_no_fault(browser: Browser, field: str) -> None:
    for value in ("x" * 5000, "\u202e\x00\ud83d", "{}", "[[[[", '{"id":1}', "//evil.example"):
        fields = {
            "login": f"nobody{len(value)}{field}",
            "password": "x",
            field: value.encode("utf-8", "replace").decode(),
        }
        for path in ("/login", "/login/factor", "/logout"):
            reply = browser.post(path, **fields)
            assert reply.status_code in {303, 400, 401, 422, 429}, (path, value, reply.text)
            assert reply.mimetype == ("text/plain" if reply.status_code == 303 else "text/html")


def test_too_many_wrong_passwords_have_to_wait(browser: Browser, ann: Account) -> None:
    statuses = [browser.log_in(ann.email, "wrong horse battery").status_code for _ in range(11)]
    assert statuses[0] == 401
    assert statuses[-1] == 429
    reply = browser.log_in(ann.email, PASSWORD)
    assert reply.status_code == 429
    assert int(reply.headers["Retry-After"]) > 0
    assert "You can try again in" in reply.text


def test_the_browser_of_an_earlier_login_need_not_wait_for_guessers(
    browser: Browser, service: Service, ann: Account
) -> None:
    browser.log_in(ann.email, PASSWORD)
    browser.post("/logout")
    for _ in range(11):
        service.login(ann.email, "wrong horse battery")
    assert Browser(service).log_in(ann.email, PASSWORD).status_code == 429
    assert browser.log_in(ann.email, PASSWORD).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "null", "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {},
    ],
)
@pytest.mark.parametrize("path", ["/login", "/login/factor", "/logout"])
def test_a_form_of_another_page_does_nothing(
    service: Service, inside: Browser, ann: Account, path: str, headers: dict[str, str]
) -> None:
    body = f"login={ann.username}&password={PASSWORD.replace(' ', '+')}".encode()
    cookie = {"Cookie": f"{PAGE}={inside.cookies[PAGE]}"}
    reply = service.send("POST", path, body=body, content_type=FORM, headers=headers | cookie)
    assert reply.status_code == 403
    assert "Set-Cookie" not in reply.headers
    assert inside.name == ann.email


TARGETS = {
    "/account/passkeys": "./account/passkeys",
    "/device?user_code=BCDF-GHJK": "./device?user_code=BCDF-GHJK",
    "/logout": "./logout",
    "https://evil.example/": "./login",
    "//evil.example": "./login",
    "/\\evil.example": "./login",
    "/account/passkeys/../../evil": "./login",
    "/account/passkeys@evil.example": "./login",
    "/account/passkeys;x": "./login",
    "/account/passkeys\r\nX: y": "./login",
    "/account/passkeys?x=%0d%0a": "./login",
    "/account%2fpasskeys": "./login",
    "/openapi.json": "./login",
    "javascript:alert(1)": "./login",
    "./account/passkeys": "./login",
    "account/passkeys": "./login",
    "": "./login",
}


@pytest.mark.parametrize(("to", "location"), TARGETS.items())
def test_a_login_leads_to_pages_of_this_service_alone(browser: Browser, ann: Account, to: str, location: str) -> None:
    reply = browser.log_in(ann.email, PASSWORD, to=to)
    assert onward(browser, reply) == location


def onward(browser: Browser, reply: Reply) -> str:
    """Where a login leads, behind the page that looks whether the browser has kept the cookie."""
    assert reply.status_code == 303, reply.text
    target = urlsplit(urljoin("/login/", reply.headers["Location"]))
    assert "entered=on" in target.query
    reply = browser.get("/login", query=target.query)
    assert reply.status_code == 303, reply.text
    return reply.headers["Location"]


@pytest.mark.parametrize("to", ["", "/account/passkeys"])
def test_whose_browser_keeps_no_cookie_is_told_so_and_not_asked_again_and_again(
    browser: Browser, ann: Account, to: str
) -> None:
    reply = browser.log_in(ann.email, PASSWORD, to=to)
    query, kept = urlsplit(reply.headers["Location"]).query, dict(browser.cookies)
    browser.cookies.clear()
    page = browser.get("/login", query=query)
    assert (page.status_code, heading(page)) == (400, "Your browser keeps no cookies")
    assert f'href="./login{"?to=/account/passkeys" if to else ""}"' in page.text
    browser.cookies = kept
    browser.service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    ended = browser.get("/login", query=query)
    assert heading(browser.get("/login", query=urlsplit(ended.headers["Location"]).query)) == "Log in"


def test_whoever_is_logged_in_is_led_on_at_once(inside: Browser) -> None:
    reply = inside.get("/login", query="to=/account/passkeys")
    assert (reply.status_code, reply.headers["Location"]) == (303, "./account/passkeys")
    assert inside.get("/login", query="to=//evil.example").status_code == 200


def test_a_login_with_two_factors_and_its_token_is_in_no_url(browser: Browser, person: Person) -> None:
    fields = at_second_step(browser, person, to="/account/passkeys")
    assert browser.cookies == {}
    assert fields["methods"].split() == ["totp", "recovery_code"]
    wrong = browser.post("/login/factor", **fields, code="000000")
    assert wrong.status_code == 422
    assert "This was not right." in wrong.text
    assert "Codes work once" in wrong.text
    assert hidden(wrong) == fields
    empty = browser.post("/login/factor", **fields)
    assert (empty.status_code, errors(empty)) == (422, {"code": "Enter it, or use another way."})
    done = browser.post("/login/factor", **fields, code=person.code())
    assert onward(browser, done) == "./account/passkeys"
    assert browser.name == person.account.email


def test_a_recovery_code_goes_into_the_same_field(browser: Browser, person: Person) -> None:
    fields = at_second_step(browser, person)
    assert browser.post("/login/factor", **fields, code=person.codes[0]).status_code == 303


def test_a_login_that_cannot_be_continued_leads_back(browser: Browser, person: Person) -> None:
    fields = at_second_step(browser, person, to="/account/passkeys")
    browser.service.clock.advance(601)
    reply = browser.post("/login/factor", **fields, code=person.code())
    assert (reply.status_code, heading(reply)) == (401, "Log in again")
    assert "login_token" not in hidden(reply)
    assert 'href="./../login?to=/account/passkeys"' in reply.text


def test_a_device_is_trusted_only_where_that_is_offered(start: Start, service: Service, person: Person) -> None:
    browser = Browser(service)
    fields = at_second_step(browser, person)
    refused = browser.post("/login/factor", **fields, code=person.code(), trust_device="on")
    assert refused.status_code == 422
    trusting = Browser(start(on=service, FACTOR_TRUST_DAYS="30"))
    reply = trusting.log_in(person.account.email, PASSWORD)
    assert "Do not ask on this device for 30 days" in reply.text
    done = trusting.post("/login/factor", **hidden(reply), code=person.code(), trust_device="on")
    assert done.status_code == 303
    trusting.post("/logout")
    assert trusting.log_in(person.account.email, PASSWORD).status_code == 303


def test_a_passkey_logs_in_and_one_that_is_gone_does_not(service: Service, browser: Browser) -> None:
    holder = Holder(service)
    holder.added()
    begun = service.post("/auth/login/passkey/options").json["data"]
    credential = json.dumps(holder.key.get(begun["options"]))
    reply = browser.post("/login", ceremony=begun["ceremony"], credential=credential, to="/account/passkeys")
    assert onward(browser, reply) == "./account/passkeys"
    again = browser.post("/login", ceremony=begun["ceremony"], credential=credential)
    assert again.status_code == 401
    begun = service.post("/auth/login/passkey/options").json["data"]
    stranger = json.dumps(Authenticator(handle=holder.key.handle).get(begun["options"]))
    reply = browser.post("/login", ceremony=begun["ceremony"], credential=stranger)
    assert reply.status_code == 401
    assert "No account has this passkey." in reply.text


def test_a_passkey_is_a_second_factor_and_proves_again_in_the_session(service: Service, browser: Browser) -> None:
    holder = Holder(service)
    holder.added()
    reply = browser.log_in(holder.account.email, PASSWORD)
    fields = hidden(reply)
    asked = service.post("/auth/login/options", {"login_token": fields["login_token"], "method": "passkey"}).json[
        "data"
    ]
    credential = json.dumps(holder.key.get(asked["options"]))
    assert browser.post("/login/factor", **fields, ceremony=asked["ceremony"], credential=credential).status_code == 303
    page = browser.post("/login/factor", ask="passkey", to="/logout")
    found = page.text.partition('data-asked="')[2].partition('"')[0].replace("&#34;", '"')
    asked = json.loads(found)
    credential = json.dumps(holder.key.get(asked["options"]))
    before = browser.cookies[PAGE]
    done = browser.post("/login/factor", to="/logout", ceremony=asked["ceremony"], credential=credential)
    assert (done.status_code, done.headers["Location"]) == (303, "./../logout")
    assert browser.cookies[PAGE] != before


def test_to_prove_again_takes_the_password_and_begins_a_new_generation(inside: Browser, ann: Account) -> None:
    page = inside.get("/login/factor")
    assert heading(page) == "Confirm that it is you"
    before, service = inside.cookies[PAGE], inside.service
    sessions = service.wired.get(PageSessions)
    service.clock.advance(3600)
    wrong = inside.post("/login/factor", password="wrong horse battery")
    assert (wrong.status_code, inside.cookies[PAGE]) == (403, before)
    assert inside.post("/login/factor", password=PASSWORD, to="/logout").status_code == 303
    principal = sessions.authenticate(inside.cookies[PAGE])
    assert principal.authentication is not None
    assert principal.authentication.at == service.clock()
    now = inside.cookies[PAGE]
    inside.cookies[PAGE] = before
    assert inside.name == ann.email, "another tab may have sent it already"
    service.clock.advance(service.wired.settings.tokens.refresh_grace_seconds + 1)
    assert inside.name is None
    inside.cookies[PAGE] = now
    assert inside.name == ann.email, "an old cookie ends nothing"


def test_the_password_alone_does_not_prove_again_who_has_a_second_factor(browser: Browser, person: Person) -> None:
    fields = at_second_step(browser, person)
    browser.post("/login/factor", **fields, code=person.code())
    assert browser.post("/login/factor", password=PASSWORD).status_code == 403
    refused = browser.post("/login/factor", code=person.codes[0])  # a recovery code is not for this
    assert errors(refused)["code"].startswith("Enter the 6 digits that your authenticator app shows")
    assert browser.post("/login/factor", code=person.code()).status_code == 303


def test_enter_sends_the_code_that_was_typed_where_a_passkey_is_offered_too(service: Service, browser: Browser) -> None:
    """Enter presses the first button of a form, also one that is not shown."""
    holder = Holder(service)
    holder.added()
    holder.enrol()
    fields = hidden(browser.log_in(holder.account.email, PASSWORD))
    assert browser.post("/login/factor", **fields, code=holder.code()).status_code == 303
    forms = re.findall(r"<form.*?</form>", browser.get("/login/factor").text, re.DOTALL)
    (typed,) = [form for form in forms if 'name="code"' in form]
    assert re.findall(r"<button.*?</button>", typed) == ['<button class="secondary">Continue</button>']
    assert sum('name="ask"' in form for form in forms) == 1


def test_nobody_proves_again_who_is_not_logged_in(browser: Browser) -> None:
    reply = browser.get("/login/factor", query="to=/account/passkeys")
    assert (reply.status_code, reply.headers["Location"]) == (303, "./../login?to=/account/passkeys")
    reply = browser.post("/login/factor", password=PASSWORD)
    assert (reply.status_code, reply.headers["Location"]) == (303, "./../login")


def test_a_link_logs_nobody_out_and_the_form_does(inside: Browser, service: Service, ann: Account) -> None:
    kept = dict(inside.cookies)
    assert heading(inside.get("/logout")) == "Log out?"
    assert inside.name == ann.email
    reply = inside.post("/logout")
    assert (reply.status_code, reply.headers["Location"]) == (303, "./logout")
    assert set(inside.cookies) == {DEVICE}, "the device stays known"
    inside.cookies = kept
    assert inside.name is None
    assert service.get("/auth/me", token=ann.token).status_code == 200, "other sessions stay"
    assert inside.post("/logout").status_code == 303, "once more"


def test_whoever_logs_in_as_somebody_else_leaves_no_session_behind(
    inside: Browser, service: Service, ann: Account
) -> None:
    bob, former = service.register(), inside.cookies[PAGE]
    assert inside.log_in(bob.email, PASSWORD).status_code == 303
    assert inside.name == bob.email
    inside.cookies[PAGE] = former
    assert inside.name is None
    assert ann.email != bob.email


def test_a_login_in_another_tab_logs_the_same_user_out_of_no_application(
    inside: Browser, service: Service, ann: Account
) -> None:
    app, former = a_client(service), inside.cookies[PAGE]
    code = app.code(ann, service.wired.get(PageSessions).authenticate(former), scope="openid")
    token = app.redeem(code).json["access_token"]
    assert inside.log_in(ann.email, PASSWORD).status_code == 303
    assert service.get("/oauth/userinfo", token=token).status_code == 200
    now, inside.cookies[PAGE] = inside.cookies[PAGE], former
    assert inside.name is None, "a login begins a session of its own"
    inside.cookies[PAGE] = now
    assert inside.log_in(service.register().email, PASSWORD).status_code == 303
    assert service.get("/oauth/userinfo", token=token).status_code == 401


def end_in_list(service: Service, ann: Account, session: str) -> None:
    assert service.send("DELETE", f"/auth/sessions/{session}", token=ann.token).status_code == 200


def end_others(service: Service, ann: Account, session: str) -> None:
    assert session
    assert service.post("/auth/logout", {"scope": "others"}, token=ann.token).status_code == 200


def end_all(service: Service, ann: Account, session: str) -> None:
    assert session
    assert service.post("/auth/logout", {"scope": "all"}, token=ann.token).status_code == 200


def change_password(service: Service, ann: Account, session: str) -> None:
    assert session
    body = {"current_password": PASSWORD, "new_password": "another good long password"}
    assert service.post("/auth/password", body, token=ann.token).status_code == 200


def disable(service: Service, ann: Account, session: str) -> None:
    assert session
    boss = service.administrator()
    assert service.post(f"/admin/users/{ann.id}/disable", {}, token=boss.token).status_code == 200


def reset_password(service: Service, ann: Account, session: str) -> None:
    assert session
    assert forgot(service, ann.email).status_code == 202
    assert reset(service, token=newest_to(service, ann.email).token).status_code == 200


def delete(service: Service, ann: Account, session: str) -> None:
    assert session
    reply = service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=ann.token)
    assert reply.status_code == 200


def add_factor(service: Service, ann: Account, session: str) -> None:
    assert session
    Person(service, ann).enrol()


def expire(service: Service, ann: Account, session: str) -> None:
    assert session
    assert ann
    service.clock.advance(service.wired.settings.tokens.refresh_idle_seconds)


@pytest.mark.parametrize(
    "ends",
    [end_in_list, end_others, end_all, change_password, disable, reset_password, delete, add_factor, expire],
    ids=lambda each: each.__name__,
)
def test_what_ends_sessions_ends_that_of_the_pages(
    service: Service, inside: Browser, ann: Account, ends: Callable[[Service, Account, str], None]
) -> None:
    session = service.wired.get(PageSessions).authenticate(inside.cookies[PAGE]).session_id
    assert inside.name == ann.email
    ends(service, ann, session)
    assert inside.name is None
    assert inside.get("/login").status_code == 200


def test_the_session_of_the_pages_is_in_the_list_and_slides_once_a_day(
    inside: Browser, service: Service, ann: Account
) -> None:
    sessions = service.wired.get(PageSessions)
    principal = sessions.authenticate(inside.cookies[PAGE])
    listed = [each["id"] for each in service.get("/auth/sessions", token=ann.token).json["data"]["sessions"]]
    assert principal.session_id in listed
    device = service.wired.get(SessionService).list_of(principal.user)[-1]
    assert device.id == principal.session_id
    here = Device("192.0.2.9", "Firefox")
    assert sessions.slid(principal, here) is None
    service.clock.advance(24 * 3600)
    change = sessions.slid(principal, here)
    assert change is not None
    assert sessions.authenticate(change.value).session_id == principal.session_id
    assert sessions.slid(principal, here) is None
    ends = service.wired.get(SessionService).list_of(principal.user)[-1].idle_expires_at
    assert (ends - service.clock()).total_seconds() == service.wired.settings.tokens.refresh_idle_seconds


def test_a_page_may_get_the_script_of_this_service_and_its_form_goes_nowhere_else(browser: Browser) -> None:
    reply = browser.get("/login")
    policy = dict(part.split(" ", 1) for part in reply.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == policy["form-action"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    again = browser.post("/login")
    assert again.headers["Content-Security-Policy"] == reply.headers["Content-Security-Policy"]
    assert '<meta name="referrer" content="same-origin">' in reply.text, "or the browser withholds the form's Origin"


def passing(reply: Reply) -> list[str]:
    """What a reply of the pages lacks so that nothing is kept, framed, or told to others."""
    headers, page = reply.headers, reply.mimetype == "text/html"
    wanted = {
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
    }
    lacks = [name for name, value in wanted.items() if headers.get(name) != value]
    policy = headers["Content-Security-Policy"]
    lacks += ["frame-ancestors"] if "frame-ancestors 'none'" not in policy else []
    lacks += ["script"] if page and ("unsafe" in policy or re.search(r"<script>|\son\w+=|style=", reply.text)) else []
    return lacks + (["303"] if 300 <= reply.status_code < 400 and reply.status_code != 303 else [])


def test_every_page_is_kept_by_no_cache_and_shown_in_no_frame_and_no_address_holds_a_secret(
    browser: Browser, person: Person
) -> None:
    fields = at_second_step(browser, person, to="/account/passkeys")
    replies = [
        browser.get("/login"),
        browser.post("/login"),
        browser.log_in(person.account.email, "wrong horse battery"),
        browser.post("/login/factor", **fields, code="000000"),
        browser.post("/login/factor", **fields, code=person.code()),
        *(browser.get(path) for path in ("/login", "/login/factor", "/login/enrol", "/login/provider", "/device")),
        browser.get("/login", query="entered=on&to=/device"),
        browser.get("/logout"),
        browser.post("/device", user_code="BCDF-GHJK"),
        browser.post("/consent", request="x" * 43, user="x", answer="allow"),
        browser.get("/oauth/logout"),
        browser.post("/logout", to="/device"),
        browser.get("/device"),
        browser.get("/login", query="entered=on"),
    ]
    assert [(reply.request.path, passing(reply)) for reply in replies if passing(reply)] == []
    given = [line.partition(";")[0] for reply in replies for line in reply.headers.getlist("Set-Cookie")]
    secrets = {fields["login_token"], *(cookie.partition("=")[2] for cookie in given)} - {""}
    addresses = [reply.headers.get("Location", "") for reply in replies]
    assert not any(secret in address for secret in secrets for address in addresses)
    assert len(secrets) == 3


def test_a_form_of_another_tab_after_the_logout_of_this_one_asks_for_a_login(inside: Browser) -> None:
    page = inside.get("/device")
    assert page.status_code == 200
    inside.post("/logout")
    reply = inside.post("/device", user_code="BCDF-GHJK")
    assert (reply.status_code, heading(reply)) == (401, "You are logged out")
    assert "/login?to=/device" in reply.text
    for path in ("/login/factor", "/login/enrol"):
        late = inside.post(path, ask="passkey")
        assert (late.status_code, late.headers["Location"]) == (303, "./../login")


def test_the_tab_of_a_former_user_does_nothing_for_the_next(inside: Browser, service: Service, ann: Account) -> None:
    """Ann's tab still shows the page that proves her again; Bob has logged in in another one."""
    inside.get("/login/factor")
    bob = service.register()
    inside.log_in(bob.email, PASSWORD)
    assert inside.post("/login/factor", password="not the password of Bob").status_code == 403
    assert inside.name == bob.email
    assert service.get("/auth/me", token=ann.token).status_code == 200


@pytest.mark.parametrize("cookie", ["x", "", "\x7f", "a" * 5000])
def test_a_cookie_that_is_none_is_as_if_nobody_were_logged_in(browser: Browser, cookie: str) -> None:
    browser.cookies[PAGE] = cookie
    for path in ("/login", "/logout"):
        assert browser.get(path).status_code == 200
    for path in ("/login/factor", "/login/enrol", "/consent", "/device"):
        assert browser.get(path).status_code == 303


def test_two_different_cookies_of_pages_are_refused(inside: Browser, service: Service) -> None:
    headers = {"Cookie": f"{PAGE}={inside.cookies[PAGE]}; {PAGE}=other", "Accept": "text/html"}
    for path in ("/login", "/logout", "/login/enrol", "/device"):
        assert service.get(path, headers=headers).status_code == 400
