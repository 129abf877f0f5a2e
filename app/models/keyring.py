"""The signing keys as they are kept, and what a store can do with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from app.security.keyring import StoredKey

__all__ = ["Keyrings", "StoredKey", "StoredKeyring"]


@dataclass(frozen=True, slots=True)
class StoredKeyring:
    """All signing keys: one document, whose version changes with every write (1 is the first).

    `leaked` names secrets that are never to be used again; they stand here so that one write ends both.
    """

    version: int
    keys: tuple[StoredKey, ...]
    leaked: tuple[str, ...] = ()


class Keyrings(Protocol):
    """The verbs of a store for the keyring. Each raises `Unavailable` when the store does not answer."""

    def load(self) -> StoredKeyring | None:
        """The keyring, or None before the first start."""

    def save(self, keyring: StoredKeyring) -> bool:
        """Put the keyring in the place of the one with the version before its own (1: there is none yet).

        One atomic conditional write: False, and nothing changed, if another was faster.
        """
