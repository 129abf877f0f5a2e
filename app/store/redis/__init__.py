"""Redis, where the settings name a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import redis


class RedisServer(Protocol):
    """One Redis server. `connection.RedisConnection` implements it; its driver is imported only where it is used."""

    @property
    def client(self) -> redis.Redis: ...

    def ping(self) -> None:
        """Ask Redis for a sign of life; raises Unavailable when there is none."""

    def close(self) -> None:
        """Close all connections; the next command opens new ones."""
