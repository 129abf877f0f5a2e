"""Connections that stay open between uses."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING, Generic, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.store.sql.backend import PLACE_SECONDS
from app.store.sql.connection import Connection
from app.store.sql.waits import seconds_for

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
ConnectionT = TypeVar("ConnectionT", bound=Connection)


class KeptConnections(Generic[ConnectionT]):
    """A fixed number of places, each for a connection that is opened at its first use and then kept.

    Taking a connection from SQLAlchemy's pool and giving it back would cost two thirds as much as the read of an
    authenticated request.
    """

    def __init__(self, connect: Callable[[], ConnectionT], places: int) -> None:
        self._connect = connect
        # Last in, first out: the connection used last is the warmest, and a new one is opened only when all are in use.
        self._idle: LifoQueue[ConnectionT | None] = LifoQueue()
        self._closings = 0
        """How often all were closed; a connection that was in use at the time is closed when it comes back."""
        for _ in range(places):
            self._idle.put(None)

    def use(self, work: Callable[[ConnectionT], T]) -> T:
        """The result of `work` with one of the connections, on which it leaves no transaction open.

        Raises what `work` raises; the connection is closed then, which rolls back. If it is lost, the idle ones are
        closed, too: most likely they are lost as well.
        """
        closings, connection = self._closings, self._take()
        try:
            result = work(connection)
        except BaseException as error:
            self._give_up(connection)
            if isinstance(error, DBAPIError) and error.connection_invalidated:
                self.close()
            raise
        if closings == self._closings:
            self._idle.put(connection)
        else:
            self._give_up(connection)
        return result

    def close(self) -> None:
        """Close all connections; those in use, when they come back. New ones are opened when needed."""
        self._closings += 1
        idle = []
        with suppress(Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for connection in idle:
            self._give_up(connection)

    def _give_up(self, connection: ConnectionT | None) -> None:
        # Free the place first: it must not be lost, whatever happens to the connection.
        self._idle.put(None)
        if connection is not None:
            connection.close()

    def _take(self) -> ConnectionT:
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self._wait()
        if connection is not None:
            return connection
        try:
            return self._connect()
        except BaseException:
            self._give_up(None)
            raise

    def _wait(self) -> ConnectionT | None:
        try:
            return self._idle.get(timeout=seconds_for(PLACE_SECONDS))
        except Empty:
            raise NoPlaceError("all connections are in use") from None
