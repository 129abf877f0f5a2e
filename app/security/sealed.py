"""Seals what has to be read again and must not lie open in the store: with AES-256-GCM, under SECRET_KEY."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from app.security.secret_keys import RootKey

_NONCE_BYTES: Final = 12


class AlteredError(Exception):
    """What was to be opened is not what was sealed for this use, or not under this secret."""


def seal(content: bytes, root: RootKey, label: str, bound: bytes) -> str:
    """The content sealed under the key that `root` has for `label`.

    It opens only together with `bound`, the associated data: so it cannot be passed off as something else.
    """
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return urlsafe_b64encode(nonce + AESGCM(root.derive(label)).encrypt(nonce, content, bound)).decode()


def unseal(sealed: str, root: RootKey, label: str, bound: bytes) -> bytes:
    """The content; raises AlteredError."""
    try:
        both = urlsafe_b64decode(sealed)
        return AESGCM(root.derive(label)).decrypt(both[:_NONCE_BYTES], both[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):  # ValueError: not base64, or too short for a nonce
        raise AlteredError from None
