"""Administration: roles, search, audit, API keys, service accounts, webhooks, impersonation, moving in.

It only adds: during a rolling update the former version runs on this schema, too. So new columns are nullable or have a
default of the server.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import INSTANT, LONG_TEXT, exact

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
    create_table(
        "webhook_books",
        sa.Column("name", exact(32), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
    )
    create_table(
        "webhook_deliveries",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column("webhook_id", exact(36), nullable=False),
        sa.Column("event", exact(64), nullable=False),
        sa.Column("body", LONG_TEXT, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("next_attempt_at", INSTANT),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("user_id", exact(36)),
        sa.Column("status", exact(16), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("response_status", sa.Integer),
        sa.Column("error", sa.String(200)),
    )
    create_index("webhook_deliveries_by_webhook", "webhook_deliveries", "webhook_id", "id")
    create_index("webhook_deliveries_by_due", "webhook_deliveries", "webhook_id", "next_attempt_at")
    create_index("webhook_deliveries_by_user", "webhook_deliveries", "user_id")
    create_index("webhook_deliveries_by_expiry", "webhook_deliveries", "expires_at")


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
