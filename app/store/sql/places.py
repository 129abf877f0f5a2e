"""Limits a process's connections to a server, including those that it has given up on.

A statement that gets no answer in time goes on at the server: a commit that waits for a standby does so for as long as
the standby is away. If its connection were forgotten and a new one opened instead, a slow server would soon have no
connections left.
"""

from __future__ import annotations

from contextlib import suppress
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from sqlalchemy import event
from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.store.sql.backend import PLACE_SECONDS
from app.store.sql.waits import seconds_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sqlalchemy import Engine

CANCEL_SECONDS: Final = 2
"""How long a server has to notice a cancellation, and then to end the statement, before it is asked again."""
_log = structlog.get_logger("latchkey.store")


class Placed(Protocol):
    """A connection that calls `gone` once, when the server has nothing left to do for it."""

    gone: Callable[[], None] | None


def limit_connections(engine: Engine, most: int, connect: Callable[..., Placed]) -> None:
    """Have `engine` open its connections with `connect`, and never have more than `most`."""
    free = BoundedSemaphore(most)

    def open_one(_: object, __: object, arguments: list[Any], keywords: dict[str, Any]) -> Placed:
        if not free.acquire(timeout=seconds_for(PLACE_SECONDS)):
            raise NoPlaceError("every connection is in use, or its statement has not ended yet")
        try:
            connection = connect(*arguments, **keywords)
        except BaseException:
            free.release()
            raise
        connection.gone = free.release
        return connection

    event.listen(engine, "do_connect", open_one)


def see_off(cancel: Callable[[], None], ended: Callable[[float], bool], close: Callable[[], None]) -> None:
    """Have the server end the statement of a connection that was given up, then `close` it; runs in a thread.

    `cancel` asks the server over another connection, and raises if the server cannot be reached: then no more
    connections can be opened there, either. `ended` waits for the end, for at most this many seconds.
    """

    def run() -> None:
        try:
            with suppress(Exception):  # whatever it is, nobody waits for this connection any more
                cancel()
                while not ended(CANCEL_SECONDS):
                    cancel()
        finally:
            close()

    Thread(target=run, name="see-off", daemon=True).start()
