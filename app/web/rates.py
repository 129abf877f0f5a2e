"""Counts requests in windows of time: in Redis if there is one, which all instances share, else in this process.

The counting is that of the library `limits`. Redis that does not answer stops nothing and opens nothing: this process
counts by itself until it does.
"""

from __future__ import annotations

import math
import time
from contextlib import suppress
from hashlib import blake2b
from threading import Lock
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import structlog

from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from limits.storage import MemoryStorage

MOST_COUNTED: Final = 100_000
"""Counts that a process keeps at a time, some 40 MB. Beyond them, those who are new share SHARED counts."""
SHARED: Final = 4096
_PAUSE_SECONDS: Final = 1.0
"""How long a process counts by itself before it asks a silent Redis again."""
_log = structlog.get_logger("latchkey.throttle")


class Standing(NamedTuple):
    """How a count stands after a request: whether it is allowed, how many more are, and when counting begins anew."""

    allowed: bool
    left: int
    seconds: int
    """At least 1, until the window ends."""


class Counters(Protocol):
    """Where requests are counted. `RedisCounters` in `app/store/redis` is one, too."""

    def hit(self, key: str, most: int, seconds: int) -> tuple[int, float]:
        """Count a request; returns how many are left, negative beyond the limit, and when the window ends (Unix time).

        Of concurrent requests at the last free place exactly one gets it. Raises Unavailable.
        """


class Rates:
    """Takes requests from the quotas of whoever sends them."""

    def __init__(
        self,
        shared: Counters | None,
        *,
        own: Counters | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`shared` are the counters that all instances share; None if there are none."""
        self._shared = shared
        self._own = own or ProcessCounters(now)
        self._now = now
        self._silent_until = 0.0
        self._is_silent = False

    def take(self, name: str, who: str, most: int, seconds: int) -> Standing:
        """Count a request of `who` under this name. Never raises and hardly waits, whatever happens to Redis."""
        key = _key(name, who)
        left, ends_at = self._hit(key, most, seconds)
        until = min(max(1, math.ceil(ends_at - self._now())), seconds)
        return Standing(left >= 0, max(left, 0), until)

    def _hit(self, key: str, most: int, seconds: int) -> tuple[int, float]:
        if self._shared is not None and time.monotonic() >= self._silent_until:
            with suppress(Unavailable):
                hit = self._shared.hit(key, most, seconds)
                self._note(silent=False)
                return hit
            self._silent_until = time.monotonic() + _PAUSE_SECONDS
            self._note(silent=True)
        return self._own.hit(key, most, seconds)

    def _note(self, *, silent: bool) -> None:
        """Log the change once, not each request."""
        if silent is not self._is_silent:
            self._is_silent = silent
            if silent:
                _log.warning("rate limits", problem="Redis does not answer, so each process counts by itself")
            else:
                _log.info("rate limits", recovered="Redis answers again")


class ProcessCounters:
    """Counts in the memory of this process. Nothing is made before the first use: a thread would not outlive a fork."""

    def __init__(self, now: Callable[[], float] = time.time, most: int = MOST_COUNTED) -> None:
        self._now, self._most = now, most
        self._storage: MemoryStorage | None = None
        self._lock = Lock()  # limits 5.8 counts wrongly in threads (its issue 352)

    def hit(self, key: str, most: int, seconds: int) -> tuple[int, float]:
        """As `Counters` says; never Unavailable."""
        with self._lock:
            if self._storage is None:
                from limits.storage import MemoryStorage  # noqa: PLC0415 - its thread belongs to this process

                self._storage = MemoryStorage()
            storage = self._storage
            if len(storage.storage) >= self._most and key not in storage.storage:
                key = f"shared {int.from_bytes(blake2b(key.encode(), digest_size=4).digest()) % SHARED}"
            count = storage.incr(key, seconds)
            return most - count, storage.get_expiry(key)


def _key(name: str, who: str) -> str:
    """Not who it is: people type passwords into the wrong field, and Redis need not know addresses."""
    return f"{name} {blake2b(who.encode(errors='surrogatepass'), digest_size=16).hexdigest()}"
