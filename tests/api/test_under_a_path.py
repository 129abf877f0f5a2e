"""Under a path of another site, which the proxy strips: every reference leads back to the service."""

import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from urllib.parse import urldefrag, urlencode, urljoin

import pytest

from app.features import ENDPOINTS, PAGES
from app.platform.errors import CATALOGUE
from app.web.endpoint import Endpoint
from tests.api.browser import FORM, Browser
from tests.api.databases import Database, SqliteDatabase
from tests.api.mailbox import mails_to
from tests.api.oauth_flow import CALLBACK, a_client
from tests.api.service import PASSWORD, Reply, Service, Start, new_names
from tests.api.test_pages import heading, hidden

PUBLIC_URL = "https://auth.example.com/api/auth"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def _is_page(declared: Endpoint) -> bool:
    """Whether it is one that is opened without anything before it."""
    return declared.media_type == "text/html" and "<provider>" not in declared.path


HTML = [declared.path for declared in (*ENDPOINTS, *PAGES) if _is_page(declared)]
POSTED = {declared.path for declared in PAGES if declared.method == "POST"}
"""Where forms lead."""
START = sorted({path.replace("<code>", "not_found") for path in HTML} | {"/swagger", "/verify-email/", "/dev/mail"})
NOWHERE = ["/nope", "/nope/", "/a/b/c", "/errors/nope", "/errors/a%2Fb", "/auth/login", "/assets/nope"]


@pytest.fixture(scope="module")
def new_database(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Database]:
    """One kind is enough: no reference depends on the store."""
    return lambda: SqliteDatabase(tmp_path_factory.mktemp("sqlite") / "latchkey.db")


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    return start(PUBLIC_URL=PUBLIC_URL)


class References(HTMLParser):
    """Everything on a page that a browser would follow or fetch."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag != "base"
        for name, value in attrs:
            if name in {"href", "src", "action", "formaction", "poster", "srcset", "data"}:
                assert value is not None
                self.found.append(value)


def look(service: Service, url: str) -> Reply:
    """What a browser gets for an address, through a proxy that strips the path."""
    assert url == PUBLIC_URL or url.startswith(f"{PUBLIC_URL}/"), f"{url} leads out of the service"
    path, _, query = url.removeprefix(PUBLIC_URL).partition("?")
    return service.get(path or "/", query=query, headers=BROWSER)


def references(url: str, reply: Reply) -> Iterator[str]:
    """Where a page leads to, as a browser reads it."""
    if "Location" in reply.headers:
        yield urljoin(url, reply.headers["Location"])
    if reply.mimetype == "text/html":
        for target in References(reply.text).found:
            if not target.startswith("data:"):
                yield urldefrag(urljoin(url, target)).url
    if reply.mimetype == "text/css":
        assert not re.search(r"@import|url\((?![\"']?data:)", reply.text)


def test_every_reference_of_every_page_leads_to_something_of_the_service(service: Service) -> None:
    seen, ahead = set(), [f"{PUBLIC_URL}{path}" for path in START]
    while ahead:
        url = ahead.pop()
        if url in seen:
            continue
        seen.add(url)
        reply = look(service, url)
        is_form = reply.status_code == 405 and url.removeprefix(PUBLIC_URL) in POSTED
        assert is_form or reply.status_code < 400, url
        ahead += references(url, reply)
    assert len(seen) > len(START)


def test_a_page_of_a_failure_leads_back_to_the_service(service: Service) -> None:
    for path in NOWHERE:
        url = f"{PUBLIC_URL}{path}"
        reply = look(service, url)
        assert reply.status_code in {404, 405}
        found = list(references(url, reply))
        assert f"{PUBLIC_URL}/" in found
        for target in found:
            assert look(service, target).status_code == 200, target


def test_every_link_of_every_mail_opens_a_page(service: Service) -> None:
    ann, (new, _) = service.register(), new_names()
    service.post("/auth/password/forgot", {"email": ann.email})
    service.post("/auth/email", {"email": new, "password": PASSWORD}, token=ann.token)
    letters = [*mails_to(service, ann.email), *mails_to(service, new)]
    links = set()
    for letter in letters:
        links |= {*re.findall(r"https?://[^\s<>\"]+", letter.text), *References(letter.html).found}
    assert len(links) >= 3
    for link in links:
        assert look(service, urldefrag(link).url.rstrip(".,")).mimetype == "text/html", link


def test_the_addresses_that_programs_are_given_are_those_of_the_public_url(service: Service) -> None:
    document = service.get("/openapi.json").json
    assert [server["url"] for server in document["servers"]] == [PUBLIC_URL]
    for code in CATALOGUE:
        assert f'"help": "{PUBLIC_URL}/errors/{code}"' in service.get(f"/errors/{code}").text.replace("&#34;", '"')
    assert look(service, service.get("/auth/me").json["help"]).status_code == 200


class Visitor(Browser):
    """A browser in front of the proxy that strips the path. It goes wherever a reply leads."""

    at = f"{PUBLIC_URL}/login"

    def open(self, url: str) -> Reply:
        """The page of an address, behind all redirects within the service."""
        while True:
            assert url.startswith(f"{PUBLIC_URL}/"), f"{url} leads out of the service"
            self.at = url
            path, _, query = url.removeprefix(PUBLIC_URL).partition("?")
            reply = self.get(path, query=query or None)
            if reply.status_code != 303:
                return reply
            url = urljoin(url, reply.headers["Location"])

    def submit(self, page: Reply, to: str, **fields: str) -> str:
        """Send the form of the page that leads to `to`; where its reply leads."""
        (action,) = {urljoin(self.at, found) for found in References(page.text).found if found.endswith(to)}
        assert action == f"{PUBLIC_URL}{to}"
        body = urlencode(hidden(page) | fields).encode()
        headers = self._headers() | {"Origin": "https://auth.example.com"}
        reply = self._kept(self.service.send("POST", to, body=body, content_type=FORM, headers=headers))
        assert reply.status_code == 303, reply.text
        return urljoin(action, reply.headers["Location"])


def test_a_browser_logs_in_consents_and_logs_out_under_the_path(service: Service) -> None:
    ann, app, browser = service.register(), a_client(service, name="Notes"), Visitor(service)
    asked = f"{PUBLIC_URL}/oauth/authorize?{urlencode(app.request(), doseq=True)}"
    login = browser.open(asked)
    assert (heading(login), browser.at.partition("?")[0]) == ("Log in", f"{PUBLIC_URL}/login")
    consent = browser.open(browser.submit(login, "/login", login=ann.email, password=PASSWORD))
    assert (heading(consent), browser.at.partition("?")[0]) == ("Allow Notes?", f"{PUBLIC_URL}/consent")
    assert browser.submit(consent, "/consent", answer="allow").startswith(f"{CALLBACK}?code=")
    service.clock.advance(60)
    proof = browser.open(f"{asked}&prompt=login")
    assert (heading(proof), browser.at.partition("?")[0]) == ("Confirm that it is you", f"{PUBLIC_URL}/login/factor")
    logout = browser.open(f"{PUBLIC_URL}/logout")
    assert heading(browser.open(browser.submit(logout, "/logout"))) == "You are logged out"
    assert heading(browser.open(f"{PUBLIC_URL}/device?user_code=BCDF-GHJK")) == "Log in"
    assert browser.at == f"{PUBLIC_URL}/login?to=/device%3Fuser_code%3DBCDF-GHJK"
