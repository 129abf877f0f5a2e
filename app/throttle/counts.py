"""Counts that all instances share: each step is one conditional write, so none is lost and none counts twice."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import TYPE_CHECKING

from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.security.secret_keys import SecretKeys
    from app.throttle.model import FailureCount, LoginFailures

_ATTEMPTS = 1000


class Counts:
    """Counts by name. The store sees a digest of the name only: people type passwords into the wrong field."""

    def __init__(self, kept: LoginFailures, secrets: SecretKeys, namespace: str) -> None:
        """`namespace` says what is counted, and keeps the counters apart."""
        self._kept = kept
        self._key = secrets.current.derive(f"latchkey {namespace}")

    def get(self, name: str) -> FailureCount | None:
        """The count of this name, expired or not."""
        return self._kept.get(self._digest(name))

    def change(self, name: str, step: Callable[[FailureCount | None], FailureCount | None]) -> FailureCount | None:
        """Replace the count with the result of `step`; returns the count as it is stored now.

        `step` gets the count, expired or not, or None; it may be called again if the count changed meanwhile.
        It returns None to change nothing, and raises to refuse. Raises Unavailable.
        """
        key = self._digest(name)
        for _ in range(_ATTEMPTS):
            seen = self._kept.get(key)
            to = step(seen)
            if to is None:
                return seen
            if self._kept.advance(key, seen, to):
                return to
        raise Unavailable

    def clear(self, name: str, check: Callable[[FailureCount], None] = lambda _: None) -> None:
        """Forget the count, unless `check` raises when called with it. Raises Unavailable."""
        key = self._digest(name)
        for _ in range(_ATTEMPTS):
            seen = self._kept.get(key)
            if seen is None:
                return
            check(seen)
            if self._kept.clear(key, seen):
                return
        raise Unavailable

    def _digest(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), sha256).hexdigest()
