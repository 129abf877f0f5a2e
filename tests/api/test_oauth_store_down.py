"""The authorization server while the store does not answer: 503 in the shape of the RFCs, and nothing is used up."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from tests.api.browser import ORIGIN, Browser
from tests.api.databases import MongoDatabase, SqliteDatabase
from tests.api.oauth_flow import CALLBACK, FORM, SECRET, OAuthClient, a_client, answer_of
from tests.api.service import PASSWORD, FakeClock, running
from tests.api.test_device_flow import Tv
from tests.api.test_device_flow import answer as answer_device
from tests.api.test_pages import heading, hidden
from tests.servers import mongo
from tests.servers.fixtures import require
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.api.service import Account, Reply, Service

BACK_WITHIN = 10 + 15
"""As in `test_store_down.py`."""


def is_unavailable(reply: Reply) -> bool:
    """Whether a protocol endpoint says so, as RFC 6749 section 5.2 has errors."""
    if reply.status_code != 503:
        return False
    assert reply.json.keys() == {"error", "error_description"}
    assert reply.json["error"] == "temporarily_unavailable"
    assert int(reply.headers["Retry-After"]) >= 1
    assert reply.headers["Cache-Control"] == "no-store"
    return True


def push(client: OAuthClient) -> Reply:
    body = urlencode({"client_secret": SECRET} | client.request()).encode()
    return client.service.send("POST", "/oauth/par", body=body, content_type=FORM)


def ask_about(client: OAuthClient, path: str, token: str) -> Reply:
    body = urlencode({"client_id": client.id, "client_secret": SECRET, "token": token}).encode()
    return client.service.send("POST", path, body=body, content_type=FORM)


def all_of(service: Service, *acts: Callable[[], Reply]) -> list[Reply]:
    """The replies to requests that wait for the store together, instead of one after the other."""
    return service.at_once(lambda number: acts[number](), len(acts))


def has_code(reply: Reply) -> bool:
    return reply.headers.get("Location", "").startswith(f"{CALLBACK}?code=")


@pytest.fixture(scope="module")
def server() -> Iterator[mongo.MongoServer]:
    """A server of this module's own, whose data outlive a stop."""
    require(mongo.missing())
    with mongo.mongo_server("h2") as server:
        yield server


def test_while_the_store_is_away_every_endpoint_says_so_and_what_was_asked_works_later(
    server: mongo.MongoServer,
) -> None:
    with running(MongoDatabase(server.create_database()), FakeClock()) as service:
        ann, web = service.register(), a_client(service, kind="confidential", first_party=True)
        tv, browser = Tv(a_client(service, redirect_uris=())), Browser(service)
        browser.log_in(ann.email, PASSWORD)
        tv.ask()
        answer_device(browser, tv)
        code, found, pushed = web.code(ann), web.tokens(ann), push(web).json["request_uri"]
        service.clock.advance(10)
        by_request = urlencode({"client_id": web.id, "request_uri": pushed})
        server.stop()
        for reply in all_of(
            service,
            lambda: web.redeem(code),
            lambda: web.refresh(found["refresh_token"]),
            lambda: tv.poll(wait=0),
            lambda: web.token(grant_type="client_credentials"),
            lambda: push(web),
            tv.ask,
            lambda: ask_about(web, "/oauth/introspect", found["access_token"]),
            lambda: ask_about(web, "/oauth/revoke", found["refresh_token"]),
            lambda: service.get("/oauth/userinfo", token=found["access_token"]),
        ):
            assert is_unavailable(reply), reply.text
        for page in all_of(
            service,
            lambda: browser.get("/oauth/authorize", query=by_request),
            lambda: browser.get("/oauth/authorize", query=urlencode(web.request())),
            lambda: browser.get("/oauth/logout", query=f"id_token_hint={found['id_token']}"),
        ):
            assert (page.status_code, page.mimetype) == (503, "text/html")
            assert int(page.headers["Retry-After"]) >= 1
        server.start()
        wait_until(lambda: service.get("/health/ready").status_code == 200, BACK_WITHIN)
        assert service.get("/oauth/userinfo", token=found["access_token"]).status_code == 200
        assert has_code(browser.get("/oauth/authorize", query=by_request))
        assert web.redeem(code).status_code == 200
        assert web.refresh(found["refresh_token"]).status_code == 200
        assert tv.poll(wait=6).status_code == 200


class Locked:
    """A service on a SQLite file that another process writes to, from a reading of the clock on."""

    def __init__(self, service: Service, file: Path) -> None:
        self.service, self.file = service, file

    @contextmanager
    def _locked_from(self, moment: int) -> Iterator[list[None]]:
        looks: list[None] = []
        with closing(sqlite3.connect(self.file, isolation_level=None)) as other:

            def look() -> None:
                if len(looks) == moment:
                    other.execute("BEGIN IMMEDIATE")
                looks.append(None)

            self.service.clock.at_each_call = look
            try:
                yield looks
            finally:
                self.service.clock.at_each_call = lambda: None
                if other.in_transaction:
                    other.execute("ROLLBACK")

    def at_each_moment(self, begin: Callable[[], Any], act: Callable[[Any], Reply]) -> Iterator[tuple[Any, Reply]]:
        """What `act` replies to something new that `begin` gives, for each moment at which the store goes away."""
        for moment in range(100):
            begun = begin()
            with self._locked_from(moment) as looks:
                reply = act(begun)
            if len(looks) <= moment:
                assert reply.status_code < 400
                return
            yield begun, reply
        raise AssertionError("there is no last moment")


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    file = tmp_path_factory.mktemp("locked") / "latchkey.db"
    database = SqliteDatabase(file)
    with running(database, FakeClock(), DATABASE_URL=f"sqlite:///{file}?timeout=0.05") as service:
        yield Locked(service, file)


def sessions(service: Service, account: Account) -> int:
    return len(service.get("/auth/sessions", token=account.token).json["data"]["sessions"])


def test_a_code_is_still_good_or_has_opened_nothing_when_the_store_went_away(locked: Locked) -> None:
    app, again = a_client(locked.service), set()

    def begin() -> tuple[Account, str]:
        account = locked.service.register()
        return account, app.code(account)

    for (account, code), reply in locked.at_each_moment(begin, lambda begun: app.redeem(begun[1])):
        if reply.status_code == 200:  # all was written by then
            continue
        assert is_unavailable(reply), reply.text
        later = app.redeem(code)
        again.add(later.status_code)
        assert (later.status_code, sessions(locked.service, account)) in {(200, 2), (400, 1)}
    assert 200 in again


def test_a_refresh_token_is_still_good_when_the_store_went_away(locked: Locked) -> None:
    app, failed = a_client(locked.service), 0

    def begin() -> str:
        return str(app.tokens(locked.service.register())["refresh_token"])

    for token, reply in locked.at_each_moment(begin, app.refresh):
        failed += is_unavailable(reply)
        assert app.refresh(token).status_code == 200
    assert failed


def test_a_poll_can_be_repeated_or_has_given_nothing_when_the_store_went_away(locked: Locked) -> None:
    service, again = locked.service, set()

    def begin() -> tuple[Account, Tv]:
        account, browser, tv = service.register(), Browser(service), Tv(a_client(service, redirect_uris=()))
        browser.log_in(account.email, PASSWORD)
        tv.ask()
        assert heading(answer_device(browser, tv)) == "Your device is connected"
        service.clock.advance(10)
        return account, tv

    for (account, tv), reply in locked.at_each_moment(begin, lambda begun: begun[1].poll(wait=0)):
        if reply.status_code == 200:
            continue
        assert is_unavailable(reply), reply.text
        later = tv.poll(wait=6)
        again.add(later.status_code)
        # As with a reply that is lost: a session may be left of which nobody has a token.
        assert (later.status_code, sessions(service, account)) in {(200, 3), (400, 2), (400, 3)}
    assert 200 in again


def test_a_user_can_answer_again_when_the_store_went_away(locked: Locked) -> None:
    service, failed = locked.service, 0

    def begin() -> tuple[Browser, OAuthClient, dict[str, str]]:
        account, browser, app = service.register(), Browser(service), a_client(service)
        browser.log_in(account.email, PASSWORD)
        page = browser.get("/oauth/authorize", query=urlencode(app.request()))
        consent = browser.get(*page.headers["Location"].removeprefix(ORIGIN).split("?"))
        return browser, app, hidden(consent)

    def allow(begun: tuple[Browser, OAuthClient, dict[str, str]]) -> Reply:
        return begun[0].post("/consent", **begun[2], answer="allow")

    for begun, reply in locked.at_each_moment(begin, allow):
        if has_code(reply):
            continue
        assert reply.status_code == 503
        failed += 1
        done = allow(begun)
        assert has_code(done)
        assert begun[1].redeem(answer_of(done.headers["Location"])["code"]).status_code == 200
    assert failed >= 3  # the consent, the code, the request


def test_a_user_can_answer_a_device_again_when_the_store_went_away(locked: Locked) -> None:
    service, failed = locked.service, 0

    def begin() -> tuple[Browser, Tv]:
        account, browser, tv = service.register(), Browser(service), Tv(a_client(service, redirect_uris=()))
        browser.log_in(account.email, PASSWORD)
        tv.ask()
        return browser, tv

    for (browser, tv), reply in locked.at_each_moment(begin, lambda begun: answer_device(*begun)):
        if reply.status_code == 503:
            failed += 1
            assert heading(answer_device(browser, tv)) == "Your device is connected"
        assert tv.poll(wait=6).status_code == 200
    assert failed


@pytest.mark.parametrize("asked", [{}, {"prompt": "login"}], ids=["a code", "a page"])
def test_a_pushed_request_is_still_good_when_the_store_went_away(locked: Locked, asked: dict[str, str]) -> None:
    service, failed = locked.service, 0
    web = a_client(service, kind="confidential", first_party=True)

    def begin() -> tuple[Browser, str]:
        browser = Browser(service)
        browser.log_in(service.register().email, PASSWORD)
        service.clock.advance(1)
        body = urlencode({"client_secret": SECRET} | web.request(**asked)).encode()
        pushed = service.send("POST", "/oauth/par", body=body, content_type=FORM).json["request_uri"]
        return browser, urlencode({"client_id": web.id, "request_uri": pushed})

    def come(begun: tuple[Browser, str]) -> Reply:
        return begun[0].get("/oauth/authorize", query=begun[1])

    for begun, reply in locked.at_each_moment(begin, come):
        if reply.status_code == 303:
            continue
        assert reply.status_code == 503
        failed += 1
        assert come(begun).headers["Location"].startswith(f"{ORIGIN}/login" if asked else f"{CALLBACK}?code=")
    assert failed >= 2  # what is added, and the request that is used up


def test_a_token_can_be_revoked_again_when_the_store_went_away(locked: Locked) -> None:
    service, failed = locked.service, 0
    web = a_client(service, kind="confidential", first_party=True)

    def begin() -> dict[str, Any]:
        return web.tokens(service.register())

    for found, reply in locked.at_each_moment(
        begin, lambda begun: ask_about(web, "/oauth/revoke", begun["refresh_token"])
    ):
        failed += is_unavailable(reply)
        assert ask_about(web, "/oauth/revoke", found["refresh_token"]).status_code == 200
        assert service.get("/oauth/userinfo", token=found["access_token"]).status_code == 401
    assert failed


def test_a_login_that_is_due_to_slide_gives_its_code_when_the_store_went_away_behind_it(locked: Locked) -> None:
    """The cookie gets its next generation at the first request of a day: another day will do."""
    service = locked.service
    ours, codes = a_client(service, first_party=True), 0

    def begin() -> Browser:
        browser = Browser(service)
        browser.log_in(service.register().email, PASSWORD)
        service.clock.advance(2 * 86400)
        return browser

    for browser, reply in locked.at_each_moment(
        begin, lambda begun: begun.get("/oauth/authorize", query=urlencode(ours.request()))
    ):
        if has_code(reply) and "Set-Cookie" not in reply.headers:
            codes += 1
        assert has_code(browser.get("/oauth/authorize", query=urlencode(ours.request())))
    assert codes
