"""How many connections a process may have to a server, those included that it has given up on.

A statement that gets no answer in time goes on at the server: a commit that waits for a standby does so for as long as
the standby is away. Were its connection forgotten and another one opened in its place, a server that is slow would soon
have none left for anybody.
"""

from __future__ import annotations

from contextlib import suppress
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING, Final, Protocol

import structlog
from sqlalchemy import event
from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.store.sql.product import PLACE_SECONDS
from app.store.sql.waits import seconds_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from sqlalchemy import Engine

CANCEL_SECONDS: Final = 2
"""How long a server may take to take note of a cancellation, and then to end the statement, before it is told again."""
_log = structlog.get_logger("latchkey.store")


class Placed(Protocol):
    """A connection that calls `gone` once, when the server has nothing more to do for it."""

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
    """Have the server end what it does for a connection that was given up, in a thread, and then `close` it.

    `cancel` asks for that over another connection, and raises when the server cannot be reached: then no more
    connections can be opened there, either. `ended` waits so many seconds for the end.
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
