"""The connection to Redis, and which errors mean that it cannot answer."""

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
"""The most connections that a process keeps open: commands are so short that more would only be slower."""


def pool(url: str, *, places: int, place_seconds: float, answer_seconds: float, name: str) -> BlockingConnectionPool:
    """At most `places` connections of one process, opened at their first use; Redis lists them under the name.

    `place_seconds` is the longest wait for a free one, `answer_seconds` that for a new one and for each answer. Options
    in the URL's query override these. Raises ValueError for a wrong one.
    """
    return BlockingConnectionPool.from_url(
        url,
        max_connections=places,
        timeout=place_seconds,
        socket_connect_timeout=answer_seconds,
        socket_timeout=answer_seconds,
        # A command that got no answer may have been executed. If it were sent again, it would count twice.
        retry=Retry(NoBackoff(), 0),
        client_name=name,
    )


class RedisConnection:
    """A client of one Redis server; nothing is opened before the first command, in the process that sends it."""

    def __init__(self, url: str) -> None:
        """Options in the URL's query override those set here. Raises ValueError for a wrong one."""
        made = pool(url, places=_PLACES, place_seconds=_PLACE_SECONDS, answer_seconds=ANSWER_SECONDS, name="latchkey")
        self.client: Redis = Redis.from_pool(made)

    def ping(self) -> None:
        """Check that Redis answers; raises Unavailable if it does not."""
        with answer_or_unavailable():
            self.client.ping()

    def close(self) -> None:
        """Close all connections; the next command opens new ones."""
        self.client.close()


@contextmanager
def answer_or_unavailable() -> Iterator[None]:
    """Raise Unavailable if Redis does not execute the commands inside."""
    try:
        yield
    except RedisError as error:
        raise Unavailable(retry_after=1) from error
