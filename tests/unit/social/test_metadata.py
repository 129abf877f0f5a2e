"""What the documents of a provider are believed."""

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from app.config.egress_values import destination
from app.platform import deadline
from app.platform.errors import Unavailable
from app.security.egress import Egress
from app.security.published import RESTS_FOR, PublishedDocuments
from app.social.metadata import SECONDS, Documents
from app.social.provider import NotTrustedError
from tests.servers.openid import Provider
from tests.unit.ticking import Ticking


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def documents(upstream: Provider, clock: Ticking) -> Documents:
    upstream.reset()
    upstream.key_id = "one"
    upstream.requests.clear()
    return Documents(PublishedDocuments(Egress((destination("127.0.0.1"),)), SECONDS, clock))


def key(documents: Documents, upstream: Provider, key_id: str | None) -> jwt.PyJWK:
    return documents.key(f"{upstream.url}/keys", key_id)


def test_a_token_without_a_key_identifier_means_the_only_key(documents: Documents, upstream: Provider) -> None:
    assert key(documents, upstream, None).key_id == "one"
    entry = key_entry("two")
    upstream.published = {"keys": [key_entry("one"), entry]}
    fresh = Documents(PublishedDocuments(documents.published.egress, SECONDS))
    with pytest.raises(NotTrustedError):
        key(fresh, upstream, None)


def key_entry(key_id: str, **more: object) -> dict[str, object]:
    made = jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1()).public_key(), as_dict=True)
    return {**made, "kid": key_id, **more}


@pytest.mark.parametrize(
    "published",
    [
        {"keys": []}, {"keys": {}}, {"keys": [5, None, {}, {"kty": "EC"}, {"kty": "EC", "crv": [], "x": 1, "y": {}}]},
        {"keys": [{"kty": "oct", "k": "c2VjcmV0", "kid": "one"}]}, {"no": "keys"},
        {"keys": [key_entry("one", use="enc")]}, {"keys": [{"kty": "RSA", "n": "", "e": "", "kid": "one"}]},
        {"keys": [key_entry("one", kid=["one"])]},
    ],
)  # fmt: skip
def test_what_is_no_public_signing_key_verifies_nothing(
    documents: Documents, upstream: Provider, published: object
) -> None:
    upstream.published = published
    with pytest.raises(NotTrustedError):
        key(documents, upstream, "one")


@pytest.mark.parametrize(
    "wrong",
    [
        {"issuer": "https://evil.example"}, {"issuer": 5}, {"issuer": ""}, {"jwks_uri": None},
        {"token_endpoint": "javascript:alert(1)"}, {"authorization_endpoint": "//x"}, {"token_endpoint": "https://[x/"},
        {"authorization_endpoint": "https://x/\r\nSet-Cookie: a=b"}, {"userinfo_endpoint": 5},
    ],
)  # fmt: skip
def test_metadata_that_are_wrong_are_not_believed_and_not_kept(
    documents: Documents, upstream: Provider, clock: Ticking, wrong: dict[str, object]
) -> None:
    upstream.metadata = wrong
    with pytest.raises(NotTrustedError):
        documents.of(upstream.url)
    upstream.metadata = {}
    clock.seconds += RESTS_FOR
    assert documents.of(upstream.url).token_endpoint == f"{upstream.url}/token"


@pytest.mark.parametrize("wrong", ["[]", "5", "{", "", "\xff", "[" * 9000])
def test_a_reply_that_is_no_json_object_proves_nothing(documents: Documents, upstream: Provider, wrong: str) -> None:
    upstream.raw = wrong.encode("latin-1")
    with pytest.raises(NotTrustedError):
        documents.of(upstream.url)


def test_a_provider_that_fails_is_unavailable(documents: Documents, upstream: Provider) -> None:
    upstream.is_down = True
    with pytest.raises(Unavailable):
        documents.of(upstream.url)
    upstream.published = {"keys": [], "more": "x" * 70_000}
    upstream.is_down = False
    with pytest.raises(Unavailable):
        key(documents, upstream, "one")


def test_a_provider_is_not_asked_when_the_time_of_the_request_is_up(documents: Documents, upstream: Provider) -> None:
    with deadline.begin(0), pytest.raises(Unavailable):
        documents.of(upstream.url)
    assert upstream.requests == []


def test_an_address_that_the_guard_refuses_is_not_asked(upstream: Provider) -> None:
    with pytest.raises(Unavailable):
        Documents(PublishedDocuments(Egress(), SECONDS)).of(upstream.url)
