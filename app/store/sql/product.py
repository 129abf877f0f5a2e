"""What the SQL products have in common, and what each has to say for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Engine

    from app.store.sql.answers import Answer
    from app.store.sql.readers import Rows

PLACE_SECONDS: Final = 0.9
"""The longest wait for a free connection to a server."""
ANSWER_SECONDS: Final = 2
"""The longest wait for a new connection, and for the answer to one statement."""
OPERATION_SECONDS: Final = PLACE_SECONDS + ANSWER_SECONDS
"""The longest that a read or a transaction takes, the wait for its connection included: a request is refused in 3 s."""
MIGRATION_SECONDS: Final = 60
"""The longest wait for another process that is migrating the schema."""


class Product(Protocol):
    """A kind of SQL database, at one URL. Engines are made, and nothing is opened, when it is made."""

    name: str
    """What people call it."""
    kept_readers: int
    """How many connections a process keeps open for reading."""
    shares_commits: bool
    """Whether writes of several threads go into one transaction, since they would only wait for each other."""
    reader: Engine
    """For single statements that read: in AUTOCOMMIT, and without a pool."""
    writer: Engine
    """For transactions that write."""
    server_time: ColumnElement[datetime] | None
    """What asks the server for its time; None if it has no clock of its own."""
    probe: str
    """The statement whose rows tell `unwritable` whether the database takes writes."""

    def create(self) -> None:
        """Make the database itself where it is ours to make; idempotent, and safe when several do it at once."""

    def migrating(self) -> AbstractContextManager[Connection]:
        """A connection for changing the schema: nobody else has one, and what was done is kept at the end."""

    def server_problems(self) -> list[str]:
        """What is wrong with the database's own settings, a line each."""

    def answer_of(self, error: BaseException) -> Answer:
        """What an error of the driver means."""

    def remedy(self, error: BaseException) -> str | None:
        """What an operator has to do about an error that does not pass by itself; None for any other."""

    def unwritable(self, probed: Rows) -> str | None:
        """Why the database takes no writes at the moment; None if it does. `probed` is what `probe` gave."""
