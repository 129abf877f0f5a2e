"""Counts of requests in Redis, by the library `limits`."""

from __future__ import annotations

from typing import Final

from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis import BlockingConnectionPool, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.platform.errors import Unavailable

ANSWER_SECONDS: Final = 0.1
"""The longest wait for Redis, which many requests would have to wait for: after that, a process counts by itself."""
_PLACES: Final = 8


class RedisCounters:
    """`app.web.rates.Counters` on one Redis server."""

    def __init__(self, url: str) -> None:
        """Nothing is opened yet."""
        self._pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_PLACES,
            timeout=ANSWER_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            client_name="latchkey limits",
        )
        self._storage = RedisStorage(url, connection_pool=self._pool, key_prefix="latchkey:limits")
        self._limiter = FixedWindowRateLimiter(self._storage)

    def hit(self, key: str, most: int, seconds: int) -> tuple[int, float]:
        """Count a request, in two round trips. Raises Unavailable."""
        item = RateLimitItemPerSecond(most, seconds)
        try:
            allowed = self._limiter.hit(item, key)
            stats = self._limiter.get_window_stats(item, key)
        except RedisError as error:
            raise Unavailable(retry_after=1) from error
        return (stats.remaining if allowed else -1), stats.reset_time

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        self._pool.disconnect()
