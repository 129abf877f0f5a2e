"""Secrets of others, sealed for the store: AES-256-GCM under a key that is derived from SECRET_KEY."""

from __future__ import annotations

import json
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from app.security.secret_keys import SealedError

if TYPE_CHECKING:
    from app.security.secret_keys import RootKey

_NONCE_BYTES: Final = 12


def seal(plain: bytes, root: RootKey, label: str, *bound: str) -> str:
    """What to store for a secret. `label` names its use; it opens only where it is `bound` to, such as its owner."""
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return urlsafe_b64encode(nonce + AESGCM(root.derive(label)).encrypt(nonce, plain, _associated(bound))).decode()


def unseal(sealed: str, root: RootKey, label: str, *bound: str) -> bytes:
    """The secret that was sealed under this root, label and bounds. Raises SealedError if it was altered or moved."""
    try:
        content = urlsafe_b64decode(sealed)
        nonce, encrypted = content[:_NONCE_BYTES], content[_NONCE_BYTES:]
        return AESGCM(root.derive(label)).decrypt(nonce, encrypted, _associated(bound))
    except (InvalidTag, ValueError):  # ValueError: not base64, or too short for a nonce
        raise SealedError("it was altered in the store") from None


def _associated(bound: tuple[str, ...]) -> bytes:
    return json.dumps(bound).encode()
