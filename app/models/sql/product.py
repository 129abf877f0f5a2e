"""What the SQL products have in common, and what each has to say for itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from datetime import datetime

    from sqlalchemy import ColumnElement, Connection, Engine

PLACE_SECONDS: Final = 0.9
"""The longest wait for a free connection to a server. With ANSWER_SECONDS it makes less than 3 s."""
ANSWER_SECONDS: Final = 2
"""The longest wait for a new connection, and for the answer to one statement."""
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

    def create(self) -> None:
        """Make the database itself where it is ours to make; idempotent, and safe when several do it at once."""

    def migrating(self) -> AbstractContextManager[Connection]:
        """A connection for changing the schema: nobody else has one, and what was done is kept at the end."""

    def server_problems(self) -> list[str]:
        """What is wrong with the database's own settings, a line each."""
