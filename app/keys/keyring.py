"""The signing keys in memory: makes them, seals them for the store, opens and publishes them.

The store holds a private key as a JWK (RFC 7517), sealed with AES-256-GCM; its kid and algorithm are the associated
data, so that a sealed key cannot be passed off as another.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa_key
from jwt import get_algorithm_by_name

from app.security import sealing
from app.security.secret_keys import SealedError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from app.security.secret_keys import RootKey, SecretKeys

Algorithm = Literal["ES256", "HS256", "EdDSA", "RS256"]

_SEAL = "latchkey keyring seal"
_HS256 = "latchkey hs256 "
_GENERATORS: dict[str, Callable[[], Any]] = {
    "ES256": lambda: generate_private_key(SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate,
    "RS256": lambda: generate_rsa_key(public_exponent=65537, key_size=3072),
}


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the store keeps it. `sealed` is empty for HS256, whose key is derived and not stored.

    `wrapped_by` names the secret that seals it, or that it is derived from; it signs from `signs_from` on. An HS256 key
    derived from a former secret is sealed like any other (`reseal`).
    """

    kid: str
    alg: str
    created_at: datetime
    signs_from: datetime
    wrapped_by: str
    sealed: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SigningKey:
    """An open key: it signs from `signs_from` on, and verifies with its own algorithm only."""

    kid: str
    alg: str
    signs_from: datetime
    signing: Any = field(repr=False)
    verifying: Any = field(repr=False)

    def public_jwk(self) -> dict[str, Any] | None:
        """The public part of the key (RFC 7517); None for HS256, which has none."""
        if self.alg == "HS256":
            return None
        jwk = get_algorithm_by_name(self.alg).to_jwk(self.verifying, as_dict=True)
        return {"kid": self.kid, "use": "sig", "alg": self.alg} | {
            name: value for name, value in jwk.items() if name != "key_ops"
        }


_Key = TypeVar("_Key", StoredKey, SigningKey)


@dataclass(frozen=True, slots=True)
class OpenKeyring:
    """The open keys, by kid; `version` changes with each set of keys that a process opens."""

    version: int
    keys: Mapping[str, SigningKey]

    def signing_key(self, now: datetime, algorithm: Algorithm) -> SigningKey:
        """The key that signs at `now`, as `that_signs` picks it."""
        return that_signs(self.keys.values(), now, algorithm)

    def jwks(self) -> dict[str, Any]:
        """The JWK set that is published (RFC 7517 section 5)."""
        published = (key.public_jwk() for key in self.keys.values())
        return {"keys": [jwk for jwk in published if jwk is not None]}


def that_signs(keys: Collection[_Key], now: datetime, algorithm: Algorithm) -> _Key:
    """The newest active key of the algorithm, else the newest active one of any, else the newest."""
    begun = [key for key in keys if key.signs_from <= now]
    wanted = [key for key in begun if key.alg == algorithm]
    return max(wanted or begun or keys, key=lambda key: (key.signs_from, key.kid))


def generate(alg: Algorithm, root: RootKey, *, now: datetime, signs_from: datetime) -> StoredKey:
    """A new key of this algorithm, sealed under `root`."""
    kid = secrets.token_urlsafe(12)
    if alg == "HS256":
        return StoredKey(kid, alg, now, signs_from, root.name, "")
    jwk = get_algorithm_by_name(alg).to_jwk(_GENERATORS[alg](), as_dict=True)
    return StoredKey(kid, alg, now, signs_from, root.name, _seal(kid, alg, jwk, root))


def reseal(key: StoredKey, roots: SecretKeys) -> StoredKey:
    """The key sealed under the current secret, unchanged if it already is; raises SealedError.

    An HS256 key cannot be derived from another secret. It is sealed instead, and still verifies what it signed.
    """
    if key.wrapped_by == roots.current.name:
        return key
    jwk = get_algorithm_by_name(key.alg).to_jwk(unseal(key, roots).signing, as_dict=True)
    return replace(key, wrapped_by=roots.current.name, sealed=_seal(key.kid, key.alg, jwk, roots.current))


def unseal(key: StoredKey, roots: SecretKeys) -> SigningKey:
    """Open a key; raises SealedError if no secret opens it."""
    root = roots.named(key.wrapped_by)
    if root is None:
        raise SealedError(
            f"the signing key {key.kid} is sealed under another SECRET_KEY (its name is {key.wrapped_by})"
        )
    if key.alg == "HS256" and not key.sealed:
        derived = root.derive(_HS256 + key.kid)
        return SigningKey(key.kid, key.alg, key.signs_from, derived, derived)
    try:
        jwk = sealing.unseal(key.sealed, root, _SEAL, key.kid, key.alg)
    except SealedError:
        raise SealedError(f"the signing key {key.kid} was altered in the store") from None
    private = get_algorithm_by_name(key.alg).from_jwk(jwk.decode())
    verifying = private if key.alg == "HS256" else private.public_key()
    return SigningKey(key.kid, key.alg, key.signs_from, private, verifying)


def _seal(kid: str, alg: str, jwk: dict[str, Any], root: RootKey) -> str:
    return sealing.seal(json.dumps(jwk).encode(), root, _SEAL, kid, alg)
