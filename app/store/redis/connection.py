"""How Redis is talked to, and what it means when no answer comes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from redis import BlockingConnectionPool, Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_SECONDS: Final = 1.0
"""The longest wait for a new connection, and for the answer to one command."""
_PLACE_SECONDS: Final = 0.9
"""The longest wait for a free connection. With ANSWER_SECONDS it makes less than 2 s."""
_PLACES: Final = 16
"""Connections that a process keeps open at the most: a command takes so little time that more would only be slower."""


class RedisConnection:
    """A client of one Redis server; nothing is opened before the first command, in the process that sends it."""

    def __init__(self, url: str) -> None:
        """What the URL's query says goes before what is set here. Raises ValueError for a wrong word in it."""
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_PLACES,
            timeout=_PLACE_SECONDS,
            socket_connect_timeout=ANSWER_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            # A command that got no answer may have been done: sent again, it would count twice.
            retry=Retry(NoBackoff(), 0),
            client_name="latchkey",
        )
        self.client: Redis = Redis.from_pool(pool)

    def ping(self) -> None:
        """Ask Redis for a sign of life; raises Unavailable when there is none."""
        with answering():
            self.client.ping()

    def close(self) -> None:
        """Close all connections; the next command opens new ones."""
        self.client.close()


@contextmanager
def answering() -> Iterator[None]:
    """Raise Unavailable when Redis does not do what is asked inside."""
    try:
        yield
    except RedisError as error:
        raise Unavailable(retry_after=1) from error
