"""The count of visits in Redis: one key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.store.redis.connection import answer_or_unavailable

if TYPE_CHECKING:
    from app.store.redis import RedisServer

KEY: Final = "latchkey:visits"


class RedisVisits:
    """`app.samples.visits.model.Visits` on Redis."""

    def __init__(self, connection: RedisServer) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add_one(self) -> int:
        return int(self._connection.client.incr(KEY))
