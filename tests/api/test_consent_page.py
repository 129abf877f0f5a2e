"""From an application over the pages of the login and the consent, and back with a code; a browser without script."""

import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from app.oauth.catalogue.model import CatalogueBook, CatalogueBooks, Resource, Scope
from app.oauth.clients.model import Client, Clients
from app.platform.identifiers import new_id
from app.sessions.page_sessions import PageSessions
from tests.api.browser import Browser
from tests.api.service import PASSWORD, Account, Reply, Service, Start
from tests.api.test_pages import heading, hidden
from tests.api.test_second_factors import Person

CALLBACK = "https://app.example.com/cb"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""RFC 7636 appendix B."""
FILES = "https://files.example.com/"


class App:
    """An application that has its users log in here."""

    def __init__(self, service: Service, **more: Any) -> None:
        fields = {"redirect_uris": (CALLBACK,), "kind": "confidential", "name": "Notes & more"} | more
        self.client = Client(id=new_id(), created_at=service.clock(), **fields)
        service.wired.get(Clients).add(self.client)

    def send(self, browser: Browser, **more: str) -> Reply:
        """Send a browser to the authorization server."""
        asked = {
            "client_id": self.client.id,
            "response_type": "code",
            "redirect_uri": self.client.redirect_uris[0],
            "scope": "openid email",
            "state": "s1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        return browser.get("/oauth/authorize", query=urlencode(asked | more))


def path_of(reply: Reply) -> tuple[str, str]:
    """The path and the query that a reply leads to, whether it says so relatively or not."""
    assert reply.status_code == 303, reply.text
    target = urlsplit(reply.headers["Location"])
    path = "/" + target.path.replace("./", "").replace("../", "").lstrip("/.")
    return path, target.query


def follow(browser: Browser, reply: Reply) -> Reply:
    """The page of this service that a reply leads to, over as many redirects as there are."""
    while reply.status_code == 303 and not reply.headers["Location"].startswith(CALLBACK):
        path, query = path_of(reply)
        reply = browser.get(path, query=query)
    return reply


def answer(reply: Reply) -> dict[str, str]:
    """What the application gets."""
    assert reply.status_code == 303, reply.text
    assert reply.headers["Location"].startswith(CALLBACK)
    return {name: value for name, (value,) in parse_qs(urlsplit(reply.headers["Location"]).query).items()}


def main_of(reply: Reply) -> str:
    """The text of a page."""
    return unescape(re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", reply.text.partition("<main>")[2])))


@pytest.fixture
def browser(service: Service) -> Browser:
    return Browser(service)


@pytest.fixture
def app(service: Service) -> App:
    return App(service)


def at_consent(browser: Browser, app: App, ann: Account, **more: str) -> Reply:
    """Log in for the application, up to the page that asks for consent."""
    page = follow(browser, app.send(browser, **more))
    assert heading(page) == "Log in"
    reply = browser.log_in(ann.email, PASSWORD, request=hidden(page)["request"])
    return follow(browser, reply)


def give(browser: Browser, page: Reply, answer: str = "allow") -> Reply:
    """Answer the page that asks for consent."""
    return browser.post("/consent", **hidden(page), answer=answer)


def test_an_application_sends_its_user_who_logs_in_allows_it_and_comes_back_with_a_code(
    browser: Browser, app: App, ann: Account
) -> None:
    page = follow(browser, app.send(browser, login_hint=ann.username))
    assert "Notes & more" in main_of(page)
    assert f'value="{ann.username}"' in page.text
    consent = follow(browser, browser.log_in(ann.email, PASSWORD, request=hidden(page)["request"]))
    text = main_of(consent)
    assert heading(consent) == "Allow Notes & more?"
    for said in (ann.email, "app.example.com", "Know which account you use here.", "See your e-mail address."):
        assert said in text
    got = answer(give(browser, consent))
    assert (got["state"], "code" in got, got["iss"]) == ("s1", True, "http://localhost:5000")


def test_whoever_allowed_it_before_is_not_asked_again(browser: Browser, app: App, ann: Account) -> None:
    give(browser, at_consent(browser, app, ann))
    assert "code" in answer(follow(browser, app.send(browser)))
    assert heading(follow(browser, app.send(browser, prompt="consent"))) == "Allow Notes & more?"
    assert heading(follow(browser, app.send(browser, scope="openid email profile"))) == "Allow Notes & more?"


def test_who_denies_it_gives_nothing(browser: Browser, app: App, ann: Account) -> None:
    page = at_consent(browser, app, ann)
    got = answer(give(browser, page, "deny"))
    assert (got["error"], got["state"], "code" in got) == ("access_denied", "s1", False)
    assert heading(follow(browser, app.send(browser))) == "Allow Notes & more?"
    again = give(browser, page)
    assert again.status_code == 400, "a request is answered once"


def test_a_first_party_application_asks_nobody(browser: Browser, service: Service, ann: Account) -> None:
    own = App(service, first_party=True)
    page = follow(browser, own.send(browser))
    reply = follow(browser, browser.log_in(ann.email, PASSWORD, request=hidden(page)["request"]))
    assert "code" in answer(reply)


@pytest.mark.parametrize(
    ("redirect_uri", "said"),
    [
        ("http://127.0.0.1:8123/cb", "This answer goes to a program on this device."),
        ("http://localhost:8123/cb", "This answer goes to a program on this device."),
        ("http://[::1]:8123/cb", "This answer goes to a program on this device."),
        ("com.example.app:/cb", "that opens links which begin with com.example.app:"),
    ],
)
def test_whoever_allows_something_on_this_device_is_warned(
    browser: Browser, service: Service, ann: Account, redirect_uri: str, said: str
) -> None:
    local = App(service, redirect_uris=(redirect_uri,), kind="public")
    page = at_consent(browser, local, ann)
    assert said in main_of(page)
    reply = give(browser, page)
    assert reply.headers["Location"].startswith(redirect_uri)


@pytest.mark.parametrize("registered_with", [None, "c" * 64], ids=["by an administrator", "by itself"])
def test_a_name_that_nobody_has_checked_is_told(
    browser: Browser, service: Service, ann: Account, registered_with: str | None
) -> None:
    text = main_of(at_consent(browser, App(service, registered_with=registered_with), ann))
    assert ("nobody has checked that name" in text) is (registered_with is not None)


def test_a_resource_is_named_as_people_call_it(browser: Browser, service: Service, ann: Account) -> None:
    books = service.wired.get(CatalogueBooks)
    book = books.load()
    named = CatalogueBook(
        book.version + 1, (Scope("files:read", "Read your files."),), (Resource(FILES, "Our files", ("files:read",)),)
    )
    assert books.save(named)
    text = main_of(at_consent(browser, App(service), ann, scope="openid files:read", resource=FILES))
    assert "Our files" in text
    assert "Read your files." in text
    assert "files:read" not in text


@pytest.mark.parametrize("path", ["/login", "/login/factor", "/consent"])
def test_the_forms_on_the_way_may_lead_to_the_application_and_nowhere_else(
    browser: Browser, app: App, ann: Account, path: str
) -> None:
    page = follow(browser, app.send(browser))
    request = hidden(page)["request"]
    if path != "/login":
        browser.log_in(ann.email, PASSWORD, request=request)
        page = browser.get(path, query=f"request={request}")
    assert "form-action 'self' https://app.example.com;" in page.headers["Content-Security-Policy"]
    if path != "/consent":
        page = browser.post(path, request=request)
        assert page.status_code == 422
        assert "form-action 'self' https://app.example.com;" in page.headers["Content-Security-Policy"]
        assert hidden(page)["request"] == request


def test_a_second_factor_on_the_way_keeps_the_request(browser: Browser, app: App, service: Service) -> None:
    person = Person(service, service.register())
    person.enrol()
    page = follow(browser, app.send(browser))
    second = browser.log_in(person.account.email, PASSWORD, request=hidden(page)["request"])
    done = browser.post("/login/factor", **hidden(second), code=person.code())
    assert heading(follow(browser, done)) == "Allow Notes & more?"


@pytest.mark.parametrize("more", [{"prompt": "login"}, {"max_age": "0"}, {"max_age": "60"}])
def test_who_is_logged_in_proves_again_where_the_application_demands_a_recent_login(
    browser: Browser, app: App, ann: Account, more: dict[str, str]
) -> None:
    give(browser, at_consent(browser, app, ann))
    before = browser.service.wired.get(PageSessions).authenticate(browser.cookies["latchkey-page"]).session_id
    browser.service.clock.advance(3600)
    page = follow(browser, app.send(browser, **more))
    assert heading(page) == "Confirm that it is you"
    request = re.findall(r'name="request" value="([^"]+)"', page.text)[0]
    assert "code" in answer(follow(browser, browser.post("/login/factor", request=request, password=PASSWORD)))
    after = browser.service.wired.get(PageSessions).authenticate(browser.cookies["latchkey-page"]).session_id
    assert before == after, "the applications of this session stay logged in"


def test_a_tab_that_was_left_at_the_login_goes_on_with_the_login_of_another_tab(
    browser: Browser, service: Service, ann: Account
) -> None:
    own = App(service, first_party=True)
    first, second = (hidden(follow(browser, own.send(browser)))["request"] for _ in range(2))
    assert "code" in answer(follow(browser, browser.log_in(ann.email, PASSWORD, request=first)))
    assert "code" in answer(follow(browser, browser.get("/login", query=f"request={second}")))
    for path in ("/login", "/login/factor", "/consent"):  # by the back button
        over = browser.get(path, query=f"request={first}")
        assert (over.status_code, heading(over)) == (400, "Begin again in the application")


def test_an_application_that_needs_two_factors_gets_them_in_the_session(
    browser: Browser, service: Service, ann: Account
) -> None:
    bank = App(service, require_second_factor=True)
    assert heading(at_consent(browser, bank, ann)) == "Add a second factor"
    browser.post("/logout")
    person = Person(service, ann)
    person.enrol()
    page = follow(browser, bank.send(browser))
    second = browser.log_in(ann.email, PASSWORD, request=hidden(page)["request"])
    done = browser.post("/login/factor", **hidden(second), code=person.code())
    assert heading(follow(browser, done)) == "Allow Notes & more?"


def test_not_you_leads_to_the_login_of_somebody_else_and_back(
    browser: Browser, service: Service, app: App, ann: Account
) -> None:
    page = at_consent(browser, app, ann)
    reply = browser.post("/logout", request=hidden(page)["request"])
    login = follow(browser, reply)
    assert heading(login) == "Log in"
    bob = service.register()
    consent = follow(browser, browser.log_in(bob.email, PASSWORD, request=hidden(login)["request"]))
    assert bob.email in main_of(consent)


def test_an_answer_is_that_of_the_user_who_saw_the_page(
    browser: Browser, service: Service, app: App, ann: Account
) -> None:
    page = at_consent(browser, app, ann)
    bob = service.register()
    browser.log_in(bob.email, PASSWORD)
    reply = give(browser, page)
    assert path_of(reply)[0] == "/consent"
    asked = follow(browser, reply)
    assert bob.email in main_of(asked)
    assert "code" in answer(give(browser, asked))


def test_whoever_was_logged_out_meanwhile_gives_nothing(
    browser: Browser, service: Service, app: App, ann: Account
) -> None:
    page = at_consent(browser, app, ann)
    service.post("/auth/logout", {"scope": "all"}, token=ann.token)
    assert path_of(give(browser, page))[0] == "/login"


@pytest.mark.parametrize("path", ["/login", "/consent"])
@pytest.mark.parametrize("request_", ["x" * 43, "../../etc", "", "\u202e"])
def test_a_request_that_there_is_not_is_a_page(browser: Browser, path: str, request_: str) -> None:
    reply = follow(browser, browser.get(path, query=urlencode({"request": request_})))
    assert (reply.status_code, reply.mimetype) in {(200, "text/html"), (400, "text/html")}
    if len(request_) == 43:
        assert reply.status_code == 400


def test_a_request_expires_while_its_user_logs_in_who_is_logged_in_all_the_same(
    browser: Browser, app: App, ann: Account
) -> None:
    page = follow(browser, app.send(browser))
    browser.service.clock.advance(1801)
    reply = browser.log_in(ann.email, PASSWORD, request=hidden(page)["request"])
    assert follow(browser, reply).status_code == 400
    assert browser.name == ann.email


def test_no_answer_without_the_form_of_the_page(browser: Browser, service: Service, app: App, ann: Account) -> None:
    page = at_consent(browser, app, ann)
    body = urlencode({**hidden(page), "answer": "allow"}).encode()
    cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
    for origin in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {}):
        reply = service.send(
            "POST",
            "/consent",
            body=body,
            content_type="application/x-www-form-urlencoded",
            headers=cookies | origin,
        )
        assert reply.status_code == 403
    assert browser.post("/consent", **hidden(page), answer="perhaps").status_code == 422
    assert browser.post("/consent").status_code == 422
    assert "code" in answer(give(browser, page))


def test_the_pages_can_be_turned_off_and_the_login_stays_without_the_authorization_server(
    start: Start, service: Service
) -> None:
    off = start(on=service, PAGES="off")
    for path in ("/login", "/login/factor", "/login/enrol", "/login/provider", "/logout", "/consent"):
        assert off.get(path).status_code == 404
    assert off.get("/account/passkeys").status_code == 200
    alone = start(on=service, OAUTH="off")
    assert alone.get("/consent").status_code == 404
    assert alone.get("/login", query=f"request={'x' * 43}").status_code == 200


def test_a_login_that_applications_use_does_not_expire_after_its_idle_time(
    browser: Browser, service: Service, ann: Account
) -> None:
    own = App(service, first_party=True)
    page = follow(browser, own.send(browser))
    follow(browser, browser.log_in(ann.email, PASSWORD, request=hidden(page)["request"]))
    idle = service.wired.settings.tokens.refresh_idle_seconds
    first = browser.cookies["latchkey-page"]
    for _ in range(3):
        service.clock.advance(idle * 0.6)
        assert "code" in answer(own.send(browser, prompt="none"))
    assert browser.cookies["latchkey-page"] != first
    service.clock.advance(idle)
    assert answer(own.send(browser, prompt="none"))["error"] == "login_required"
