"""What is good once, over HTTP on every store: of 16 that use it at once one succeeds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

import pytest

from app import config, create_app, wired_of
from app.keys.service import KeyService
from app.oauth.consents.model import Consents
from app.security.hash_pool import HashPool
from tests.api.browser import ORIGIN, Browser
from tests.api.oauth_flow import CALLBACK, FORM, SECRET, OAuthClient, a_client
from tests.api.service import SETTINGS, FakeClock, Service
from tests.api.test_device_flow import Tv
from tests.api.test_device_flow import answer as answer_device
from tests.api.test_pages import hidden

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.api.service import Reply
    from tests.contract.races import InThreads
    from tests.stores import Store


@pytest.fixture
def app(store: Store, tmp_path: Path) -> Iterator[OAuthClient]:
    """A client of the service over this store."""
    settings = config.load(SETTINGS | {"MAIL_DIR": str(tmp_path), "RATE_LIMITS": "off"}, dotenv=None)
    clock = FakeClock()
    flask = create_app(settings, clock=clock, store=store)
    flask.testing = True
    wired_of(flask).get(KeyService).ensure()
    yield a_client(Service(flask, clock, cast("Any", None)))
    wired_of(flask).get(HashPool).close()


def is_live(app: OAuthClient, tokens: dict[str, Any]) -> bool:
    return app.service.get("/oauth/userinfo", token=tokens["access_token"]).status_code == 200


def test_of_16_that_redeem_one_code_at_once_one_gets_tokens_that_are_dead_then(
    app: OAuthClient, in_threads: InThreads
) -> None:
    account = app.service.register()
    for _ in range(3):
        code = app.code(account)
        replies = in_threads(lambda _, code=code: app.redeem(code))  # type: ignore[misc]
        won = [reply.json for reply in replies if reply.status_code == 200]
        # The winner may learn of the others before it answers: then nobody has tokens.
        assert len(won) <= 1
        assert {reply.json["error"] for reply in replies if reply.status_code != 200} == {"invalid_grant"}
        assert not any(is_live(app, found) for found in won)
        assert app.service.get("/auth/me", token=account.token).status_code == 200
        assert len(app.service.get("/auth/sessions", token=account.token).json["data"]["sessions"]) == 1


def test_a_refresh_token_that_16_exchange_at_once_gives_one_next(app: OAuthClient, in_threads: InThreads) -> None:
    found = app.tokens(app.service.register())
    replies = in_threads(lambda _: app.refresh(found["refresh_token"]))
    assert {reply.status_code for reply in replies} == {200}
    assert len({reply.json["refresh_token"] for reply in replies}) == 1


def test_the_second_use_of_a_code_ends_what_the_first_opened(app: OAuthClient) -> None:
    code = app.code(app.service.register())
    found = app.redeem(code).json
    assert is_live(app, found)
    assert app.redeem(code).json["error"] == "invalid_grant"
    assert not is_live(app, found)
    assert app.refresh(found["refresh_token"]).json["error"] == "invalid_grant"


def logged_in(app: OAuthClient) -> Browser:
    browser, account = Browser(app.service), app.service.register()
    assert browser.log_in(account.email, account.password).status_code == 303
    return browser


def has_code(reply: Reply) -> bool:
    return reply.headers.get("Location", "").startswith(f"{CALLBACK}?code=")


def test_of_16_browsers_with_one_pushed_request_one_gets_a_code(app: OAuthClient, in_threads: InThreads) -> None:
    ours, browser = a_client(app.service, kind="confidential", first_party=True), logged_in(app)
    body = urlencode({"client_secret": SECRET} | ours.request()).encode()
    pushed = app.service.send("POST", "/oauth/par", body=body, content_type=FORM).json["request_uri"]
    query = urlencode({"client_id": ours.id, "request_uri": pushed})
    replies = in_threads(lambda _: browser.get("/oauth/authorize", query=query))
    assert sorted(reply.status_code for reply in replies) == [303] + [400] * 15
    assert sum(map(has_code, replies)) == 1


def test_of_16_answers_to_one_request_one_gives_a_code_and_the_consent_is_one(
    app: OAuthClient, in_threads: InThreads
) -> None:
    browser = logged_in(app)
    page = browser.get("/oauth/authorize", query=urlencode(app.request()))
    form = hidden(browser.get(*page.headers["Location"].removeprefix(ORIGIN).split("?")))
    replies = in_threads(lambda _: browser.post("/consent", **form, answer="allow"))
    assert sorted(reply.status_code for reply in replies) == [303] + [400] * 15
    assert sum(map(has_code, replies)) == 1
    consents = app.service.wired.get(Consents)
    assert [each.client_id for each in consents.of_user(form["user"])] == [app.id]


def test_of_16_polls_with_one_approved_code_one_gets_tokens(app: OAuthClient, in_threads: InThreads) -> None:
    tv, browser = Tv(a_client(app.service, redirect_uris=())), logged_in(app)
    tv.ask()
    assert answer_device(browser, tv).status_code == 200
    app.service.clock.advance(10)
    replies = in_threads(lambda _: tv.poll(wait=0))
    assert sorted(reply.status_code for reply in replies) == [200] + [400] * 15
    assert {reply.json["error"] for reply in replies if reply.status_code != 200} <= {"slow_down", "invalid_grant"}


def test_of_16_that_register_with_one_initial_token_one_succeeds(app: OAuthClient, in_threads: InThreads) -> None:
    admin = app.service.administrator()
    token = app.service.post("/admin/registration-tokens", {}, token=admin.token).json["data"]["token"]
    body = {"redirect_uris": ["https://app.example/cb"], "token_endpoint_auth_method": "none"}
    replies = in_threads(lambda _: app.service.post("/oauth/register", body, token=token))
    assert sorted(reply.status_code for reply in replies) == [201] + [401] * 15
