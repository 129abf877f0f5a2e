"""Proofs of a key (DPoP, RFC 9449), as clients make them, and as nobody should."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from app.platform.identifiers import new_id

if TYPE_CHECKING:
    from datetime import datetime

_MEMBERS = {"EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x"), "RSA": ("e", "kty", "n")}


def base64url(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()


def digest(text: str) -> str:
    return base64url(sha256(text.encode()).digest())


def _new_key(alg: str) -> Any:
    if alg == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate() if alg == "EdDSA" else rsa.generate_private_key(65537, 2048)


@dataclass(frozen=True)
class Key:
    """A key of a client."""

    alg: str = "ES256"
    private: Any = None
    jwk: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def new(cls, alg: str = "ES256") -> Key:
        private = _new_key(alg)
        algorithm: Any = jwt.get_algorithm_by_name(alg)
        jwk = json.loads(algorithm.to_jwk(private.public_key()))
        return cls(alg, private, {name: jwk[name] for name in _MEMBERS[jwk["kty"]]})

    @property
    def thumbprint(self) -> str:
        return digest(json.dumps(self.jwk, sort_keys=True, separators=(",", ":")))

    def proof(
        self,
        method: str,
        url: str,
        at: datetime,
        token: str | None = None,
        *,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """A proof for a request; `header` and `claims` replace what is usual, and None leaves one out."""
        usual: dict[str, Any] = {"htm": method, "htu": url, "iat": int(at.timestamp()), "jti": new_id()}
        if token is not None:
            usual["ath"] = digest(token)
        content = {name: value for name, value in (usual | claims).items() if value is not None}
        return jwt.encode(content, self.private, self.alg, {"typ": "dpop+jwt", "jwk": self.jwk} | (header or {}))
