"""The public keys: GET /.well-known/jwks.json."""

import re

import jwt
import pytest

from tests.api.forgery import read
from tests.api.service import Service, Start

PATH = "/.well-known/jwks.json"
FOLLOWS_WITHIN = 60
"""Seconds after which an instance has the keys that another one made."""
PRIVATE = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
PUBLIC = {"ES256": {"kty", "crv", "x", "y"}, "EdDSA": {"kty", "crv", "x"}, "RS256": {"kty", "n", "e"}}


@pytest.mark.parametrize("algorithm", PUBLIC)
def test_others_can_verify_tokens_with_the_published_keys_and_no_more_is_published(
    start: Start, algorithm: str
) -> None:
    service = start(JWT_ALGORITHM=algorithm)
    account = service.register()
    header, claims = read(account.token)
    (key,) = service.get(PATH).json["keys"]
    assert key.keys() == PUBLIC[algorithm] | {"kid", "use", "alg"}
    assert not key.keys() & PRIVATE
    assert (key["kid"], key["alg"], key["use"]) == (header["kid"], algorithm, "sig")
    verified = jwt.decode(account.token, jwt.PyJWK(key), [algorithm], audience=claims["aud"], issuer=claims["iss"])
    assert verified["sub"] == account.id


def test_nothing_is_published_of_a_derived_key(start: Start) -> None:
    service = start(JWT_ALGORITHM="HS256")
    service.register()
    assert service.get(PATH).json == {"keys": []}


def test_a_new_key_is_published_before_it_signs(service: Service, start: Start) -> None:
    first = read(service.register().token)[0]["kid"]
    next_ = start(on=service, JWT_ALGORITHM="EdDSA")
    published = [key["kid"] for key in next_.get(PATH).json["keys"]]
    assert len(published) == 2
    max_age = int(re.findall(r"max-age=(\d+)", next_.get(PATH).headers["Cache-Control"])[0])
    # Until every instance has read it and every cached copy has expired, and then an hour.
    longest = FOLLOWS_WITHIN + max_age + 3600
    next_.clock.advance(longest - 1)
    assert read(next_.register().token)[0]["kid"] == first
    next_.clock.advance(1)
    assert read(next_.register().token)[0]["kid"] in set(published) - {first}
    # The other instance follows, and what the first key signed is still accepted.
    service.clock.advance(FOLLOWS_WITHIN)
    assert service.get("/auth/me", token=next_.register().token).status_code == 200


def test_the_keys_may_be_cached_for_a_while(service: Service) -> None:
    response = service.get(PATH)
    assert re.fullmatch(r"public, max-age=[1-9]\d*", response.headers["Cache-Control"])
    assert response.mimetype == "application/jwk-set+json"


def test_a_client_that_has_the_keys_already_gets_304(service: Service) -> None:
    first = service.get(PATH)
    again = service.get(PATH, headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert service.get(PATH, headers={"If-None-Match": '"other"'}).status_code == 200
