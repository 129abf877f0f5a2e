"""The interface of the SQL backends, and the time limits that they share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Engine

    from app.store.sql.answers import Answer
    from app.store.sql.connection import Rows
    from app.store.sql.sqlite_connection import DriverConnections

PLACE_SECONDS: Final = 0.9
"""The longest wait for a free connection to a server."""
ANSWER_SECONDS: Final = 2
"""The longest wait for a new connection, and for the answer to one statement."""
OPERATION_SECONDS: Final = PLACE_SECONDS + ANSWER_SECONDS
"""The longest that a read or a transaction takes, the wait for its connection included: a request is refused in 3 s."""
MIGRATION_SECONDS: Final = 60
"""The longest wait for another process that is migrating the schema."""


class Backend(Protocol):
    """A kind of SQL database, at one URL. Creating one creates its engines, and opens nothing."""

    name: str
    """Its common name."""
    kept_readers: int
    """How many connections a process keeps open for reading."""
    driver: DriverConnections | None
    """Opens the connections that are kept in place of SQLAlchemy's; their writes share commits. None: SQLAlchemy's."""
    reader: Engine
    """For single statements that read: in AUTOCOMMIT, and without a pool."""
    writer: Engine
    """For transactions that write."""
    server_time: ColumnElement[datetime] | None
    """The statement that asks the server for its time; None if it has no clock of its own."""
    probe: str
    """The statement from whose rows `unwritable` tells whether the database takes writes."""

    def create(self) -> None:
        """Create the database itself if that is ours to do; idempotent, and safe to run concurrently."""

    def migrating(self) -> AbstractContextManager[Connection]:
        """The only connection that may change the schema at the time; its changes are committed at the end."""

    def server_problems(self) -> list[str]:
        """What is wrong with the database's own settings, one line each."""

    def answer_of(self, error: BaseException) -> Answer:
        """What an error of the driver means."""

    def remedy(self, error: BaseException) -> str | None:
        """What an operator has to do about an error that waiting does not mend; None for any other."""

    def unwritable(self, probed: Rows) -> str | None:
        """Why the database takes no writes at the moment; None if it does. `probed` is the result of `probe`."""
