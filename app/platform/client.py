"""Whether the client of the request under way still waits for its reply.

Work that is costly and has waited for its turn asks before it begins: under load, clients give up and try again.
"""

from __future__ import annotations

import select
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

_connection: ContextVar[socket.socket | None] = ContextVar("connection", default=None)


class connected:  # noqa: N801 - used as a function; see `deadline.begin`
    """Take this connection for the client's meanwhile, in this context; None if it is not known."""

    __slots__ = ("_connection", "_token")

    def __init__(self, connection: socket.socket | None) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._token = _connection.set(self._connection)

    def __exit__(self, *_: object) -> None:
        _connection.reset(self._token)


def has_gone() -> bool:
    """Whether the client has closed its side of the connection, or lost it; False where that is not known.

    A client that closes only its own side and goes on reading looks the same. nginx counts it as gone too.
    """
    connection = _connection.get()
    if connection is None:
        return False
    if connection.fileno() < 0:
        return True
    asked = select.poll()
    asked.register(connection, select.POLLRDHUP)  # hang-ups and errors are always told
    return bool(asked.poll(0))
