"""The signing keys as they are stored, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.keys.keyring import StoredKey

__all__ = ["Keyrings", "StoredKey", "StoredKeyring"]


@dataclass(frozen=True, slots=True)
class StoredKeyring:
    """All signing keys: one document, whose version rises with every write (1 is the first).

    `leaked` names secrets that must never be used again; they are stored here so that one write drops the keys and
    distrusts the secret.
    """

    version: int
    keys: tuple[StoredKey, ...]
    leaked: tuple[str, ...] = ()


class Keyrings(Protocol):
    """The operations of a store on the keyring. Each raises `Unavailable` when the store does not answer."""

    def load(self) -> StoredKeyring | None:
        """The keyring, or None before the first start."""

    def save(self, keyring: StoredKeyring) -> bool:
        """Replace the keyring whose version is one less than that of `keyring` (1: there is none yet).

        One atomic conditional write: False, and nothing changed, if another write was faster.
        """
