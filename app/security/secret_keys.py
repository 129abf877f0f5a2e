"""SECRET_KEY and its former values: the roots from which every key of this service is derived."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence


class LeakedSecretError(Exception):
    """SECRET_KEY leaked: nothing may be made with it, and nothing made with it is trusted."""


class SealedError(Exception):
    """Something in the store was sealed under a secret that is not at hand, or was tampered with."""


class RootKey:
    """One secret. `name` identifies it without revealing anything about it."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.derive = lru_cache(maxsize=64)(self._derive)
        self.name = self.derive("latchkey name of the secret")[:8].hex()

    def _derive(self, label: str) -> bytes:
        """A key of 32 bytes for one use (HKDF, RFC 5869): different labels give unrelated keys."""
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=label.encode()).derive(self._secret)


class SecretKeys:
    """The secret that signs and seals (`current`), and all secrets that verify and open.

    A leaked secret does neither once this process learns of it (`distrust`). The function passed to `follow` checks for
    that; it is called before each use, so it has to be cheap.
    """

    def __init__(self, current: str, fallbacks: Sequence[str] = ()) -> None:
        self._current = RootKey(current)
        self._by_name = {key.name: key for key in (*map(RootKey, fallbacks), self._current)}
        self._leaked: frozenset[str] = frozenset()
        self._look: Callable[[], object] = lambda: None

    @property
    def current(self) -> RootKey:
        """The secret that signs and seals; raises Unavailable if it leaked."""
        if self._current.name in self._leaked:
            raise Unavailable from LeakedSecretError("SECRET_KEY leaked; set the new one and start again")
        return self._current

    @property
    def current_name(self) -> str:
        """The name of SECRET_KEY, whether it leaked or not."""
        return self._current.name

    def __iter__(self) -> Iterator[RootKey]:
        """All secrets that verify and open, the current one first."""
        self._look()
        keys = (self._current, *(key for key in self._by_name.values() if key is not self._current))
        return iter([key for key in keys if key.name not in self._leaked])

    def named(self, name: str) -> RootKey | None:
        """The secret of this name, if it is among SECRET_KEY and SECRET_KEY_FALLBACKS, and did not leak."""
        return None if name in self._leaked else self._by_name.get(name)

    def distrust(self, names: Collection[str]) -> None:
        """Stop using the secrets of these names."""
        self._leaked = frozenset(names)

    def follow(self, look: Callable[[], object]) -> None:
        """Call `look` before secrets verify or open; it calls `distrust`, or raises Unavailable if it cannot tell."""
        self._look = look
