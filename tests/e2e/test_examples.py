"""examples/: applications that check Latchkey's access tokens by its published keys, each against a real Latchkey."""

import hmac
import json
import secrets
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cache
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app.keys.keyring import SigningKey, unseal
from app.keys.model import StoredKeyring
from app.security.secret_keys import SecretKeys
from tests.e2e.clients import PATIENCE, bearer, log_in, register
from tests.e2e.commands import flask
from tests.e2e.examples import NAMES, example
from tests.e2e.front import logged
from tests.e2e.settings import in_testing, on_sqlite
from tests.servers.process import ServerFailedError, free_port, wait_until
from tests.servers.service import Service, service
from tests.stores import sql_store

pytestmark = pytest.mark.timeout(180)  # the first run fetches packages

COOLDOWN_SECONDS = 10
"""How often, at most, tokens of unknown keys make an example renew its key set."""


@dataclass
class Issuer:
    """A Latchkey, its settings and the key that it began with; what that signs is what Latchkey could have signed."""

    latchkey: Service
    settings: dict[str, str]
    key: SigningKey
    claims: dict[str, Any]
    """Of a token that it issued."""

    @property
    def url(self) -> str:
        """Its PUBLIC_URL, which the tokens name."""
        return f"http://localhost:{self.latchkey.port}"

    def sign(self, header: dict[str, Any] | None = None, **claims: object) -> str:
        """A token signed by its key that differs in these claims and parts of the header; what is None is absent."""
        told = {name: value for name, value in (self.claims | claims).items() if value is not None}
        named = {"typ": "at+jwt", "kid": self.key.kid} | (header or {})
        return jwt.encode(told, self.key.signing, algorithm="ES256", headers=named)


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    settings = in_testing(WEB_CONCURRENCY="1", **on_sqlite(tmp_path_factory.mktemp("store")))
    with service(settings) as latchkey:
        token = register(latchkey.base_url, "ann")
        claims = jwt.decode(token, options={"verify_signature": False})
        yield Issuer(latchkey, settings, first_key(settings), claims)


@pytest.fixture(scope="module")
def started(issuer: Issuer) -> Iterator[Callable[[str], str]]:
    """The address of what an example protects, by its name; it runs from when it is first asked for."""
    with ExitStack() as running:

        @cache
        def start(name: str) -> str:
            server = running.enter_context(example(name, latchkey=issuer.url))
            return f"http://127.0.0.1:{server.port}/hello"

        yield start


@pytest.fixture(params=NAMES)
def url(request: pytest.FixtureRequest, started: Callable[[str], str]) -> str:
    """The address of what an example protects."""
    return started(request.param)


def test_without_a_token_nobody_gets_in(url: str) -> None:
    reply = ask(url)
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == "Bearer"
    assert isinstance(reply.json(), dict)


def test_a_token_of_a_login_gets_in(url: str, issuer: Issuer) -> None:
    logged_in = log_in(issuer.latchkey.base_url, "ann").json()["data"]
    reply = ask(url, logged_in["access_token"])
    assert reply.status_code == 200
    assert reply.json() == {"subject": logged_in["user"]["id"], "roles": ["member"]}


def test_a_token_elsewhere_than_in_the_bearer_header_does_not_count(url: str, issuer: Issuer) -> None:
    token = issuer.sign()
    assert httpx.get(url, params={"access_token": token}, timeout=PATIENCE).status_code == 401
    assert httpx.get(url, headers={"Authorization": f"Basic {token}"}, timeout=PATIENCE).status_code == 401


def test_a_logout_is_not_seen_before_the_token_expires(url: str, issuer: Issuer) -> None:
    token = log_in(issuer.latchkey.base_url, "ann").json()["data"]["access_token"]
    ended = httpx.post(f"{issuer.latchkey.base_url}/auth/logout", headers=bearer(token), timeout=PATIENCE)
    assert ended.status_code == 200
    assert ask(url, token).status_code == 200


ACCEPTED: dict[str, Callable[[Issuer], str]] = {
    "as issued": lambda issuer: issuer.sign(),
    "just expired": lambda issuer: issuer.sign(exp=now() - 1),
    "issued by a clock that is ahead": lambda issuer: issuer.sign(iat=now() + 10),
    "also for another audience": lambda issuer: issuer.sign(aud=["https://other.example", issuer.url]),
}


@pytest.mark.parametrize("made", ACCEPTED.values(), ids=ACCEPTED)
def test_what_latchkey_could_have_signed_gets_in(url: str, issuer: Issuer, made: Callable[[Issuer], str]) -> None:
    assert ask(url, made(issuer)).status_code == 200


def with_altered_claims(issuer: Issuer) -> str:
    header, _, signature = issuer.sign().split(".")
    return f"{header}.{encoded(issuer.claims | {'roles': ['admin']})}.{signature}"


def with_altered_signature(issuer: Issuer) -> str:
    signed, _, signature = issuer.sign().rpartition(".")
    return f"{signed}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"


def unsigned(issuer: Issuer) -> str:
    return f"{encoded({'alg': 'none', 'typ': 'at+jwt', 'kid': issuer.key.kid})}.{encoded(issuer.claims)}."


def signed_by_the_public_key_as_a_secret(issuer: Issuer) -> str:
    secret = issuer.key.verifying.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signed = f"{encoded({'alg': 'HS256', 'typ': 'at+jwt', 'kid': issuer.key.kid})}.{encoded(issuer.claims)}"
    return f"{signed}.{unpadded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def signed_by_another_key(issuer: Issuer, **header: Any) -> str:
    other = ec.generate_private_key(ec.SECP256R1())
    return replace(issuer, key=replace(issuer.key, signing=other)).sign(header)


def with_a_key_of_its_own(issuer: Issuer) -> str:
    other = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.get_algorithm_by_name("ES256").to_jwk(other.public_key(), as_dict=True)
    return replace(issuer, key=replace(issuer.key, signing=other)).sign({"jwk": jwk})


def refresh_token(issuer: Issuer) -> str:
    return str(log_in(issuer.latchkey.base_url, "ann").json()["data"]["refresh_token"])


REFUSED: dict[str, Callable[[Issuer], str]] = {
    "nonsense": lambda _: "nonsense",
    "three parts of nonsense": lambda _: "a.b.c",
    "altered claims": with_altered_claims,
    "altered signature": with_altered_signature,
    "unsigned": unsigned,
    "HS256 with the public key": signed_by_the_public_key_as_a_secret,
    "signed by another key": signed_by_another_key,
    "signed by a key it brings along": with_a_key_of_its_own,
    "signed by an unknown key": lambda issuer: signed_by_another_key(issuer, kid="unknown"),
    "expired": lambda issuer: issuer.sign(exp=now() - 45),
    "never expiring": lambda issuer: issuer.sign(exp=None),
    "not valid yet": lambda issuer: issuer.sign(nbf=now() + 300),
    "for another audience": lambda issuer: issuer.sign(aud="https://other.example"),
    "for no audience": lambda issuer: issuer.sign(aud=None),
    "of another issuer": lambda issuer: issuer.sign(iss="https://other.example"),
    "of no issuer": lambda issuer: issuer.sign(iss=None),
    "of no subject": lambda issuer: issuer.sign(sub=None),
    "of another type": lambda issuer: issuer.sign({"typ": "JWT"}),
    "of no type": lambda issuer: issuer.sign({"typ": None}),
    "refresh token": refresh_token,
}


@pytest.mark.parametrize("made", REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused(url: str, issuer: Issuer, made: Callable[[Issuer], str]) -> None:
    reply = ask(url, made(issuer))
    assert reply.status_code == 401
    assert reply.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert isinstance(reply.json(), dict)


@pytest.fixture(scope="module")
def of_another_algorithm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A Latchkey that signs with EdDSA."""
    settings = in_testing(WEB_CONCURRENCY="1", JWT_ALGORITHM="EdDSA", **on_sqlite(tmp_path_factory.mktemp("store")))
    with service(settings) as latchkey:
        yield latchkey


@pytest.mark.parametrize("name", NAMES)
def test_a_published_key_of_another_algorithm_does_not_count(name: str, of_another_algorithm: Service) -> None:
    token = register(of_another_algorithm.base_url, f"user-of-{name}")
    with example(name, latchkey=f"http://localhost:{of_another_algorithm.port}") as server:
        assert ask(f"http://127.0.0.1:{server.port}/hello", token).status_code == 401


def test_tokens_of_unknown_keys_cannot_make_it_fetch_the_keys_again_and_again(url: str, issuer: Issuer) -> None:
    assert ask(url, issuer.sign()).status_code == 200
    begin, before = time.monotonic(), fetched(issuer)
    for _ in range(20):
        assert ask(url, signed_by_another_key(issuer, kid=secrets.token_urlsafe(12))).status_code == 401
    assert fetched(issuer) - before <= 2 + (time.monotonic() - begin) / COOLDOWN_SECONDS


def test_each_goes_on_while_latchkey_is_away(started: Callable[[str], str], issuer: Issuer) -> None:
    token = issuer.sign()
    assert statuses(started, token) == dict.fromkeys(NAMES, 200)
    issuer.latchkey.stop()
    try:
        assert statuses(started, token) == dict.fromkeys(NAMES, 200)
        assert statuses(started, with_altered_claims(issuer)) == dict.fromkeys(NAMES, 401)
    finally:
        issuer.latchkey.start()


@pytest.mark.parametrize("name", [name for name in NAMES if name != "go"])
def test_without_any_keys_it_answers_that_it_cannot_verify(name: str, issuer: Issuer) -> None:
    with example(name, latchkey=f"http://localhost:{free_port()}") as server:
        reply = ask(f"http://127.0.0.1:{server.port}/hello", issuer.sign())
    assert (reply.status_code, reply.headers.get("WWW-Authenticate")) == (503, None)
    assert reply.headers["Retry-After"] == "5"


def test_the_one_in_go_does_not_start_without_keys() -> None:
    with ExitStack() as stack, pytest.raises(ServerFailedError, match="LATCHKEY_URL"):
        stack.enter_context(example("go", latchkey=f"http://localhost:{free_port()}"))


@pytest.mark.parametrize("name", NAMES)
def test_an_audience_can_be_named(name: str, issuer: Issuer) -> None:
    with example(name, latchkey=f"{issuer.url}/", AUDIENCE="https://api.example") as server:
        protected = f"http://127.0.0.1:{server.port}/hello"
        assert ask(protected, issuer.sign()).status_code == 401
        assert ask(protected, issuer.sign(aud="https://api.example")).status_code == 200


def test_each_finds_a_new_key_when_it_signs(started: Callable[[str], str], issuer: Issuer) -> None:
    assert statuses(started, issuer.sign()) == dict.fromkeys(NAMES, 200)
    kid = rotate(issuer)
    token = log_in(issuer.latchkey.base_url, "ann").json()["data"]["access_token"]
    assert jwt.get_unverified_header(token)["kid"] == kid
    wait_until(lambda: statuses(started, token) == dict.fromkeys(NAMES, 200), 6 * COOLDOWN_SECONDS)
    assert statuses(started, issuer.sign()) == dict.fromkeys(NAMES, 200)


def rotate(issuer: Issuer) -> str:
    """Rotate the keys as an operator does, and let the time pass until the new one signs; its kid."""
    kid = flask(issuer.settings, "keys", "rotate").split()[0]
    with closing(sql_store(issuer.settings["DATABASE_URL"])) as store:
        stored = store.keyrings.load()
        assert stored is not None
        keys = tuple(replace(key, signs_from=datetime.now(UTC)) if key.kid == kid else key for key in stored.keys)
        assert store.keyrings.save(StoredKeyring(stored.version + 1, keys))
    issuer.latchkey.stop()
    issuer.latchkey.start()
    return kid


def ask(url: str, token: str | None = None) -> httpx.Response:
    """The reply of an example to the bearer of this token."""
    return httpx.get(url, headers=bearer(token) if token is not None else {}, timeout=PATIENCE)


def statuses(started: Callable[[str], str], token: str) -> dict[str, int]:
    """What each example answers to the bearer of this token."""
    return {name: ask(started(name), token).status_code for name in NAMES}


def fetched(issuer: Issuer) -> int:
    """How often the key set was fetched so far."""
    return len(logged(issuer.latchkey, route="/.well-known/jwks.json"))


def first_key(settings: dict[str, str]) -> SigningKey:
    """The key that signs, opened as Latchkey itself opens it."""
    with closing(sql_store(settings["DATABASE_URL"])) as store:
        (stored,) = (store.keyrings.load() or StoredKeyring(0, ())).keys
    return unseal(stored, SecretKeys(settings["SECRET_KEY"]))


def encoded(part: dict[str, Any]) -> str:
    return unpadded(json.dumps(part).encode())


def unpadded(part: bytes) -> str:
    return urlsafe_b64encode(part).rstrip(b"=").decode()


def now() -> int:
    return int(time.time())
