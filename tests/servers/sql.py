"""What the SQL servers share: a URL of SQLAlchemy, and fresh empty databases."""

import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, text
from sqlalchemy.exc import DBAPIError

from tests.servers.process import Server


class SqlServer(Server):
    """A server that a SQLAlchemy URL leads to."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        folder: Path,
        address: URL,
        user: str | None,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        """`address`: the URL, port and password included, of the database that it begins with."""
        super().__init__(command, folder=folder, port=address.port or 0, user=user, stop_signal=stop_signal)
        self.address = address

    @property
    def url(self) -> str:
        """The URL of its first database, password included."""
        return self.address.render_as_string(hide_password=False)

    def create_database(self) -> str:
        """Make a fresh empty database and return its URL."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name}")
        return self.address.set(database=name).render_as_string(hide_password=False)

    def through(self, port: int) -> str:
        """The URL of its first database by way of another port, as of a proxy."""
        return self.address.set(port=port).render_as_string(hide_password=False)

    def answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except DBAPIError:
            return False
        return True

    def execute(self, statement: str) -> None:
        """Execute a statement in its first database."""
        # PostgreSQL makes no database inside a transaction.
        engine = create_engine(self.address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
