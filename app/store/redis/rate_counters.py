"""Counts of requests in Redis, by the library `limits`."""

from __future__ import annotations

from typing import Final

from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter

from app.store.redis.connection import answer_or_unavailable, pool

ANSWER_SECONDS: Final = 0.1
"""The longest wait for Redis, which many requests would have to wait for: after that, a process counts by itself."""
_PLACES: Final = 8


class RedisCounters:
    """`app.web.rates.Counters` on one Redis server."""

    def __init__(self, url: str) -> None:
        """Nothing is opened yet."""
        self._pool = pool(
            url, places=_PLACES, place_seconds=ANSWER_SECONDS, answer_seconds=ANSWER_SECONDS, name="latchkey-limits"
        )
        self._storage = RedisStorage(url, connection_pool=self._pool, key_prefix="latchkey:limits")
        self._limiter = FixedWindowRateLimiter(self._storage)

    def hit(self, key: str, most: int, seconds: int) -> tuple[int, float]:
        """Count a request, in two round trips. Raises Unavailable."""
        item = RateLimitItemPerSecond(most, seconds)
        with answer_or_unavailable():
            allowed = self._limiter.hit(item, key)
            stats = self._limiter.get_window_stats(item, key)
        return (stats.remaining if allowed else -1), stats.reset_time

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        self._pool.disconnect()
