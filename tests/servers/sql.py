"""What the SQL servers share: a URL of SQLAlchemy, and fresh empty databases."""

import secrets
import signal
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import URL, NullPool, create_engine, make_url, text
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

    def fill(self, url: str, like: str) -> None:
        """Give an empty database all that is in another, which nobody uses: quicker than migrating again."""
        target, source = make_url(url).database, make_url(like).database
        if self.address.get_backend_name() == "postgresql":
            self.execute(f"DROP DATABASE {target}", f"CREATE DATABASE {target} TEMPLATE {source}")
            return
        engine = create_engine(url, poolclass=NullPool)
        with engine.begin() as connection:
            connection.execute(text("SET foreign_key_checks = 0"))
            for table in connection.scalars(text(f"SHOW TABLES FROM {source}")).all():
                _, created = connection.execute(text(f"SHOW CREATE TABLE {source}.{table}")).one()
                connection.exec_driver_sql(created)
                connection.execute(text(f"INSERT INTO {table} SELECT * FROM {source}.{table}"))  # noqa: S608 - ours

    def through(self, port: int) -> str:
        """The URL of its first database by way of another port, as of a proxy."""
        return self.address.set(port=port).render_as_string(hide_password=False)

    def answers(self) -> bool:
        try:
            self.execute("SELECT 1")
        except DBAPIError:
            return False
        return True

    def execute(self, *statements: str) -> None:
        """Execute statements in its first database, each by itself."""
        # PostgreSQL makes no database inside a transaction.
        engine = create_engine(self.address, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
