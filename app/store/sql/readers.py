"""Connections that stay open between reads."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, LifoQueue
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoPlaceError

from app.store.sql.backend import PLACE_SECONDS
from app.store.sql.waits import seconds_for

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import Connection, Engine, Executable, Row

    Rows: TypeAlias = Sequence[Row[*tuple[Any, ...]]]

T = TypeVar("T")


class Readers:
    """A fixed number of places, each for a connection that is opened at its first use and then kept.

    Taking a connection from SQLAlchemy's pool and giving it back would cost two thirds as much as the read of an
    authenticated request. There is no transaction to end: the engine has to be in AUTOCOMMIT.
    """

    def __init__(self, engine: Engine, places: int) -> None:
        self._engine = engine
        # Last in, first out: the connection used last is the warmest, and a new one is opened only when all are in use.
        self._idle: LifoQueue[Connection | None] = LifoQueue()
        self._closings = 0
        """How often all were closed; a connection that was in use at the time is closed when it comes back."""
        for _ in range(places):
            self._idle.put(None)

    def rows(self, statement: Executable, parameters: Mapping[str, Any] | None) -> Rows:
        """All rows of a SELECT; raises what SQLAlchemy raises."""
        return self.use(lambda connection: connection.execute(statement, parameters).all())

    def use(self, work: Callable[[Connection], T]) -> T:
        """The result of `work` with one of the connections; raises what SQLAlchemy raises.

        If the connection is lost, the idle ones are closed, too: most likely they are lost as well.
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

    def _give_up(self, connection: Connection | None) -> None:
        # Free the place first: it must not be lost, whatever happens to the connection.
        self._idle.put(None)
        if connection is not None:
            connection.close()

    def _take(self) -> Connection:
        try:
            connection = self._idle.get(timeout=seconds_for(PLACE_SECONDS))
        except Empty:
            raise NoPlaceError("all connections for reading are in use") from None
        if connection is not None:
            return connection
        try:
            return self._engine.connect()
        except BaseException:
            self._give_up(None)
            raise
