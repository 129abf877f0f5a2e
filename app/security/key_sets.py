"""Key sets that others publish (RFC 7517): what verifies the tokens that they sign."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

KEPT_FOR: Final = 3600.0
"""Seconds."""
RETRIED_AFTER: Final = 60.0
"""Seconds until keys are fetched once more because a token names one that is not among them."""
_SHORTEST_RSA: Final = 2048
"""Bits (RFC 7518 section 3.3)."""


@dataclass(slots=True)
class KeySet:
    """The keys of one publisher, kept for KEPT_FOR. A new one is found at once, one that is none costs one request a
    minute. `now` is in seconds, from any beginning."""

    keys: tuple[jwt.PyJWK, ...] = ()
    until: float = float("-inf")
    retried_at: float = float("-inf")

    def key(self, key_id: str | None, fetch: Callable[[], Mapping[str, Any]], now: float) -> jwt.PyJWK | None:
        """The key that a token names; a token that names none means the only one. What `fetch` raises is raised."""
        if self.until <= now:
            self._take(fetch(), now)
        found = named(self.keys, key_id)
        if found is None and self.retried_at + RETRIED_AFTER <= now:
            self.retried_at = now
            self._take(fetch(), now)
            found = named(self.keys, key_id)
        return found

    def _take(self, found: Mapping[str, Any], now: float) -> None:
        self.keys, self.until = signing_keys(found), now + KEPT_FOR


def signing_keys(found: Mapping[str, Any]) -> tuple[jwt.PyJWK, ...]:
    """The public signing keys of a key set; those that are not understood, or too short, are left out."""
    entries, keys = found.get("keys"), []
    for entry in entries if isinstance(entries, list) else ():
        if isinstance(entry, dict) and entry.get("kty") != "oct" and entry.get("use", "sig") == "sig":
            try:
                key = jwt.PyJWK(entry)
            except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError):
                continue
            if not isinstance(key.key, RSAPublicKey) or key.key.key_size >= _SHORTEST_RSA:
                keys.append(key)
    return tuple(keys)


def named(keys: tuple[jwt.PyJWK, ...], key_id: str | None) -> jwt.PyJWK | None:
    """The key of this `kid`; without one, the only one that there is."""
    if key_id is None:
        return keys[0] if len(keys) == 1 else None
    return next((key for key in keys if key.key_id == key_id), None)


def may_sign(key: jwt.PyJWK, algorithm: str) -> bool:
    """Whether a key is for this algorithm. One of RSA without `alg`, which PyJWT takes for RS256, is for all of RSA."""
    return algorithm == key.algorithm_name or (
        key.algorithm_name == "RS256" and algorithm in {"RS384", "RS512", "PS256", "PS384", "PS512"}
    )
