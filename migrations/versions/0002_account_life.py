"""What is under way in an account, held addresses, mail requests and audit events."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import INSTANT, LONG_TEXT, exact

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ON_MYSQL: dict[str, Any] = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
    "mariadb_engine": "InnoDB",
    "mariadb_charset": "utf8mb4",
    "mariadb_collate": "utf8mb4_bin",
}


def upgrade() -> None:
    # SQLite has no such change: Alembic builds a new table with the old rows, and puts it in the old one's place.
    with op.batch_alter_table("users") as users:
        users.alter_column("password_hash", existing_type=exact(512), nullable=True)
    add_column("users", sa.Column("codes", LONG_TEXT))
    add_column("users", sa.Column("pending_email", LONG_TEXT))
    add_column("users", sa.Column("pending_email_key", exact(320)))
    add_column("users", sa.Column("undo_offers", LONG_TEXT))
    add_column("users", sa.Column("notices", LONG_TEXT))
    add_column("users", sa.Column("due_at", INSTANT))
    add_column("users", sa.Column("revision", sa.Integer, nullable=False, server_default="0"))
    create_index("users_by_pending_email", "users", "pending_email_key")
    create_index("users_by_due", "users", "due_at")
    create_table(
        "held_emails",
        sa.Column("email_key", exact(320), primary_key=True),
        sa.Column("user_id", exact(36), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    create_index("held_emails_by_expiry", "held_emails", "expires_at")
    create_table(
        "mail_requests",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column("kind", exact(16), nullable=False),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("email_key", exact(320), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("registration", LONG_TEXT),
    )
    create_index("mail_requests_by_due", "mail_requests", "due_at")
    create_index("mail_requests_by_email", "mail_requests", "email_key")
    create_index("mail_requests_by_expiry", "mail_requests", "expires_at")
    create_table(
        "events",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column("user_id", exact(36), nullable=False),
        sa.Column("action", exact(64), nullable=False),
        sa.Column("at", INSTANT, nullable=False),
        sa.Column("ip", sa.String(64)),
        sa.Column("user_agent", sa.String(512)),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("details", LONG_TEXT),
    )
    create_index("events_by_user", "events", "user_id", "id")
    create_index("events_by_expiry", "events", "expires_at")


# MySQL commits each statement at once: after a crash in the middle, what already exists is skipped.


def add_column(table: str, column: sa.Column[Any]) -> None:
    if column.name not in {found["name"] for found in sa.inspect(op.get_bind()).get_columns(table)}:
        op.add_column(table, column)


def create_table(name: str, *columns: sa.Column[Any]) -> None:
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **ON_MYSQL)


def create_index(name: str, table: str, *columns: str) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
