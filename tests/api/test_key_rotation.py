"""Rotating the signing keys while tokens are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jwt

from app.keys.service import KeyService

if TYPE_CHECKING:
    from tests.api.service import Service, Start

RELOADED = 10
FOLLOWED = 60
PUBLISHED = 60 + 300 + 3600
EXPIRED = 900 + 30


def flask(service: Service, *words: str) -> str:
    result = service.app.test_cli_runner().invoke(args=list(words))
    assert result.exit_code == 0, result.output
    return result.output


def published(service: Service) -> list[str]:
    return [key["kid"] for key in service.get("/.well-known/jwks.json").json["keys"]]


def kid_of(token: str) -> Any:
    return jwt.get_unverified_header(token)["kid"]


def life_of(token: str) -> int:
    """The seconds until nobody accepts the token, with the leeway."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return int(claims["exp"] - claims["iat"] + 30)


def login(service: Service, username: str) -> str:
    return str(service.login(username).json["data"]["token"])


def test_a_new_key_is_published_before_it_signs_and_every_instance_follows(start: Start) -> None:
    service = start()
    other = start(on=service)
    account = service.register()
    (old,) = published(other)
    new = flask(service, "keys", "rotate").split()[0]
    service.clock.advance(RELOADED)
    assert set(published(service)) == set(published(other)) == {old, new}
    assert kid_of(login(other, account.username)) == old
    service.clock.advance(PUBLISHED)
    token = login(other, account.username)
    assert kid_of(token) == new
    assert service.get("/auth/me", token=token).status_code == 200


def test_an_old_key_stays_until_its_last_token_has_expired(start: Start) -> None:
    service = start()
    account = service.register()
    old, new = kid_of(account.token), flask(service, "keys", "rotate").split()[0]
    service.clock.advance(PUBLISHED - 1)
    last = login(service, account.username)
    assert kid_of(last) == old
    life = life_of(last)
    service.clock.advance(life - 1)
    assert service.wired.get(KeyService).tend() == 0
    assert service.get("/auth/me", token=last).status_code == 200
    service.clock.advance(EXPIRED - life + 2 + FOLLOWED)
    assert service.wired.get(KeyService).tend() == 1
    assert [key.kid for key in service.wired.get(KeyService).stored()] == [new]


def test_a_retired_key_verifies_nothing_within_seconds(start: Start) -> None:
    service = start()
    account = service.register()
    old = kid_of(account.token)
    flask(service, "keys", "rotate")
    service.clock.advance(PUBLISHED)
    flask(service, "keys", "retire", old)
    service.clock.advance(RELOADED)
    reply = service.get("/auth/me", token=account.token)
    assert (reply.status_code, reply.json["code"]) == (401, "invalid_token")


def test_the_only_key_that_signs_is_not_retired(start: Start) -> None:
    service = start()
    (only,) = published(service)
    flask(service, "keys", "rotate")
    result = service.app.test_cli_runner().invoke(args=["keys", "retire", only])
    assert result.exit_code == 1
    assert "rotate first" in result.output


def test_the_list_shows_each_key_and_from_when_it_signs(start: Start) -> None:
    service = start()
    (only,) = published(service)
    new = flask(service, "keys", "rotate").split()[0]
    lines = flask(service, "keys", "list").splitlines()
    assert [line.split()[:2] for line in lines] == [[only, "ES256"], [new, "ES256"]]
