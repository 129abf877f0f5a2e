"""Key sets that others publish (RFC 7517): what verifies the tokens that they sign."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

if TYPE_CHECKING:
    from collections.abc import Mapping

_SHORTEST_RSA: Final = 2048
"""Bits (RFC 7518 section 3.3)."""


class PublicKey(jwt.PyJWK):
    """A public key. `issuer` is the one that it signs for, if the publisher of the keys of several says so."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        super().__init__(dict(entry))
        issuer = entry.get("issuer")
        self.issuer = issuer if isinstance(issuer, str) else None


def signing_keys(found: Mapping[str, Any]) -> tuple[PublicKey, ...]:
    """The public signing keys of a key set; those that are not understood, or too short, are left out."""
    entries, keys = found.get("keys"), []
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("kty") != "oct" and entry.get("use", "sig") == "sig":
            try:
                key = PublicKey(entry)
            except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
                continue
            if not isinstance(key.key, RSAPublicKey) or key.key.key_size >= _SHORTEST_RSA:
                keys.append(key)
    return tuple(keys)


def named(keys: tuple[PublicKey, ...], key_id: str | None) -> PublicKey | None:
    """The key of this `kid`; without one, the only one that there is."""
    if key_id is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.key_id == key_id), None)


def may_sign(key: jwt.PyJWK, algorithm: str) -> bool:
    """Whether a key is for this algorithm. One of RSA without `alg`, which PyJWT takes for RS256, is for all of RSA."""
    return algorithm == key.algorithm_name or (
        key.algorithm_name == "RS256" and algorithm in {"RS384", "RS512", "PS256", "PS384", "PS512"}
    )
