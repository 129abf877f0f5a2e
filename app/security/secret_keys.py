"""SECRET_KEY and its former values: the roots from which every key of this service is derived."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class RootKey:
    """One secret. `name` tells it from others and gives nothing of it away."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()
        self.derive = lru_cache(maxsize=64)(self._derive)
        self.name = self.derive("latchkey name of the secret")[:8].hex()

    def _derive(self, label: str) -> bytes:
        """A key of 32 bytes for one use (HKDF, RFC 5869): different labels give unrelated keys."""
        return HKDF(algorithm=SHA256(), length=32, salt=None, info=label.encode()).derive(self._secret)


class SecretKeys:
    """The secret that writes (`current`), and all that read."""

    def __init__(self, current: str, fallbacks: Sequence[str] = ()) -> None:
        self.current = RootKey(current)
        self._by_name = {key.name: key for key in (*map(RootKey, fallbacks), self.current)}

    def __iter__(self) -> Iterator[RootKey]:
        """All secrets that read, the one that writes first."""
        yield self.current
        yield from (key for key in self._by_name.values() if key is not self.current)

    def named(self, name: str) -> RootKey | None:
        """The secret of this name, if it is among SECRET_KEY and SECRET_KEY_FALLBACKS."""
        return self._by_name.get(name)
