"""Codes over HTTP on every store: of 16 that redeem one at once, one gets tokens; a second use ends them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from app import config, create_app, wired_of
from app.keys.service import KeyService
from app.security.hash_pool import HashPool
from tests.api.oauth_flow import OAuthClient, a_client
from tests.api.service import SETTINGS, FakeClock, Service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
