"""Administration: roles, search, audit, API keys, service accounts, webhooks, impersonation, moving in.

It only adds: during a rolling update the former version runs on this schema, too. So new columns are nullable or have a
default of the server.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import exact

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

ON_MYSQL = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    _roles()
    _audit_actor()
    _search()
    _audit()
    _api_keys()
    _service_accounts()
    _webhooks()
    _impersonation()
    _transfer()


def _roles() -> None:
    """Roles as data, and users by role."""


def _audit_actor() -> None:
    """Who did what an audit event tells, if that is another user."""
    add_column("events", sa.Column("actor_id", exact(36)))


def _search() -> None:
    """Users by prefix."""


def _audit() -> None:
    """The chain of audit events, and queries of them."""


def _api_keys() -> None:
    """API keys."""


def _service_accounts() -> None:
    """Users that are no people."""


def _webhooks() -> None:
    """Webhooks and their deliveries."""


def _impersonation() -> None:
    """Sessions in which an administrator acts for a user."""


def _transfer() -> None:
    """Users from other systems."""


# MySQL commits each statement at once: after a crash in the middle, what already exists is skipped.


def create_table(name: str, *columns: sa.Column[Any]) -> None:
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **ON_MYSQL)


def create_index(name: str, table: str, *columns: str, unique: bool = False) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns, unique=unique)


def add_column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)
