"""Proofs that the sender of a request holds a key (DPoP, RFC 9449): a token that is bound to it is worth nothing alone.

A proof is a JWT that its own header brings the key of. So it proves no more than that the sender holds that key: who
may use what is for the token to say, which names the key by its thumbprint (RFC 7638).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from hmac import compare_digest
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol
from urllib.parse import quote, unquote, urlsplit

import jwt

from app.security.digests import s256

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.platform.clock import Clock

ALGORITHMS: Final = ("ES256", "EdDSA", "PS256", "RS256")
"""What a proof may be signed with: asymmetric ones alone, and never `none`."""
TYPE: Final = "dpop+jwt"
PAST: Final = timedelta(seconds=60)
"""How old a proof may be."""
FUTURE: Final = timedelta(seconds=5)
"""How far the clock of its sender may be ahead."""
_KEPT_LONGER: Final = timedelta(seconds=60)
"""Behind its time, for instances whose clocks differ."""
_LONGEST: Final = 4096
_LONGEST_ID: Final = 256
_LATEST: Final = 2**40
"""Seconds since 1970, and more than any proof has."""
_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}


class _Form(NamedTuple):
    """What a key of an algorithm looks like: its `kty`, its `crv` if it has one, and its members (RFC 7638)."""

    kty: str
    crv: str | None
    members: tuple[str, ...]


_RSA: Final = _Form("RSA", None, ("e", "kty", "n"))
_FORMS: Final[Mapping[str, _Form]] = {
    "ES256": _Form("EC", "P-256", ("crv", "kty", "x", "y")),
    "EdDSA": _Form("OKP", "Ed25519", ("crv", "kty", "x")),
    "PS256": _RSA,
    "RS256": _RSA,
}
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
"""The members of a JWK that nobody but its owner may have (RFC 7518 section 6)."""
_LEAST_BITS: Final = 2048
_LONGEST_MODULUS: Final = 683
"""Characters: 4096 bits."""
_LONGEST_EXPONENT: Final = 6
"""Characters: a longer one costs time with each signature."""


class ProofRefusedError(Exception):
    """A proof that proves nothing. The text says why, and holds nothing of what was sent."""


@dataclass(frozen=True, slots=True)
class SentProof:
    """The header `DPoP` of a request, "" if it has none, and what it has to speak of: the method, and our own path."""

    value: str = field(repr=False)
    method: str
    path: str


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof that is genuine. `key` is the thumbprint of its key, and `id` stands for it among those of all keys."""

    key: str
    id: str
    issued_at: datetime


class UsedProofs(Protocol):
    """Where the proofs that were used are kept."""

    def add(self, proof_id: str, expires_at: datetime) -> bool:
        """Keep that a proof was used; False for all but one of those who use it. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Proofs:
    """Checks the proofs of requests to this service."""

    used: UsedProofs
    clock: Clock
    public_url: str

    def read(self, sent: SentProof, *, token: str | None = None) -> Proof:
        """The proof of a request, and of this access token if it comes with one. Nothing is written.

        Raises ProofRefusedError.
        """
        if not sent.value:
            raise ProofRefusedError("The header DPoP is missing.")
        key, claims = _verified(sent.value)
        issued_at = _time(claims.get("iat"))
        self._check_request(claims, sent)
        self._check_time(issued_at)
        if token is not None and not _is_same(claims.get("ath"), s256(token)):
            raise ProofRefusedError("The claim ath of the proof is not of this access token.")
        proof_id = claims.get("jti")
        if not isinstance(proof_id, str) or not 0 < len(proof_id) <= _LONGEST_ID:
            raise ProofRefusedError("The proof needs a jti of 1 to 256 characters.")
        known_as = sha256(f"{key} {proof_id}".encode("utf-8", "surrogatepass")).hexdigest()
        return Proof(key, known_as, issued_at)

    def use(self, proof: Proof) -> None:
        """Use a proof up: one conditional write, so that of those who send it one gets through.

        Raises ProofRefusedError if it was used, and Unavailable.
        """
        if not self.used.add(proof.id, proof.issued_at + PAST + _KEPT_LONGER):
            raise ProofRefusedError("The proof was used before.")

    def _check_request(self, claims: Mapping[str, Any], sent: SentProof) -> None:
        if claims.get("htm") != sent.method:
            raise ProofRefusedError("The claim htm of the proof is not the method of this request.")
        if _address(claims.get("htu")) != _address(f"{self.public_url}{quote(sent.path)}"):
            raise ProofRefusedError("The claim htu of the proof is not the address of this request.")

    def _check_time(self, issued_at: datetime) -> None:
        now = self.clock()
        if issued_at < now - PAST:
            raise ProofRefusedError("The proof is too old: make one for each request, and set the clock.")
        if issued_at > now + FUTURE:
            raise ProofRefusedError("The proof is from the future: set the clock.")


def challenge(error: str, description: str) -> str:
    """What `WWW-Authenticate` says where a proof, or the token that it comes with, is refused (section 7.1)."""
    return f'DPoP error="{error}", error_description="{description}", algs="{" ".join(ALGORITHMS)}"'


def _verified(text: str) -> tuple[str, dict[str, Any]]:
    """The thumbprint of the key in the header of a proof, and the claims that it signs."""
    if len(text) > _LONGEST:
        raise ProofRefusedError("The proof is too long.")
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise _malformed() from None
    if header.get("typ") != TYPE:
        raise ProofRefusedError(f"The proof has to be of the type {TYPE}.")
    if "crit" in header:
        raise ProofRefusedError("The proof has a critical header, and there are none here.")
    algorithm = header.get("alg")
    if algorithm not in ALGORITHMS:
        raise ProofRefusedError(f"The proof has to be signed with one of {', '.join(ALGORITHMS)}.")
    form = _FORMS[algorithm]
    members = _key_in(header.get("jwk"), form)
    try:
        key = jwt.PyJWK.from_dict(members, algorithm)
        if form is _RSA and key.key.key_size < _LEAST_BITS:
            raise _wrong_size()
        claims = jwt.decode(text, key.key, algorithms=[algorithm], options=_SIGNATURE_ALONE)
    except jwt.InvalidSignatureError:
        raise ProofRefusedError("The proof is not signed by the key in its header.") from None
    except (jwt.PyJWTError, ValueError, RecursionError, OverflowError, TypeError):
        raise _malformed() from None
    return s256(json.dumps(members, separators=(",", ":"))), claims


_SIGNATURE_ALONE: Final[Any] = {
    "verify_signature": True,
    **dict.fromkeys(("verify_exp", "verify_nbf", "verify_iat", "verify_aud", "verify_iss"), False),
    **dict.fromkeys(("verify_sub", "verify_jti"), False),
}
"""Its claims are looked at here: PyJWT knows those of tokens, which mean something else."""


def _key_in(jwk: object, form: _Form) -> dict[str, str]:
    """The members of a public key of this form. Raises ProofRefusedError."""
    if not isinstance(jwk, dict):
        raise ProofRefusedError("The header of the proof needs a jwk.")
    if not _PRIVATE.isdisjoint(jwk):
        raise ProofRefusedError("The jwk of the proof holds a private key.")
    if jwk.get("kty") != form.kty or (form.crv is not None and jwk.get("crv") != form.crv):
        raise ProofRefusedError("The jwk of the proof is not a key of its algorithm.")
    if not all(isinstance(jwk.get(name), str) and jwk[name].isascii() for name in form.members):
        raise _malformed()
    if form is _RSA and (len(jwk["n"]) > _LONGEST_MODULUS or len(jwk["e"]) > _LONGEST_EXPONENT):
        raise _wrong_size()
    return {name: jwk[name] for name in form.members}


def _address(url: object) -> tuple[str, str, int | None, str] | None:
    """Scheme, host, port and path of a URL, normalised (RFC 3986 sections 6.2.2 and 6.2.3); None if it is none."""
    if not isinstance(url, str):
        return None
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if "@" in parts.netloc or not parts.hostname:
        return None
    return parts.scheme, parts.hostname, port or _PORTS.get(parts.scheme), quote(unquote(parts.path)) or "/"


def _time(found: object) -> datetime:
    if not isinstance(found, int | float) or isinstance(found, bool) or not 0 <= found < _LATEST:
        raise ProofRefusedError("The proof needs a time iat.")
    try:
        return datetime.fromtimestamp(found, UTC)
    except (ValueError, OverflowError, OSError):
        raise ProofRefusedError("The proof needs a time iat.") from None


def _is_same(found: object, expected: str) -> bool:
    return isinstance(found, str) and compare_digest(found.encode("utf-8", "surrogatepass"), expected.encode())


def _wrong_size() -> ProofRefusedError:
    return ProofRefusedError("An RSA key of a proof has 2048 to 4096 bits, and a short exponent.")


def _malformed() -> ProofRefusedError:
    return ProofRefusedError("The header DPoP is not one proof: a JWT with its public key in the header.")
