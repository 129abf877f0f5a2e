"""Users, sessions, failed logins, the keyring and leases."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import INSTANT, LONG_TEXT, exact

revision = "0001"
down_revision = None
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
    create_table(
        "users",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column("email", sa.String(320)),
        sa.Column("email_key", exact(320)),
        sa.Column("email_verified", sa.Boolean, nullable=False),
        sa.Column("username", sa.String(64)),
        sa.Column("username_key", exact(64)),
        sa.Column("name", sa.String(255)),
        sa.Column("roles", sa.Text, nullable=False),
        sa.Column("status", exact(16), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_login_at", INSTANT),
        sa.Column("password_hash", exact(512), nullable=False),
        sa.Column("auth_epoch", sa.Integer, nullable=False),
        sa.Column("kept_session", exact(36)),
    )
    create_index("users_by_email", "users", "email_key", unique=True)
    create_index("users_by_username", "users", "username_key", unique=True)
    create_table(
        "sessions",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column(
            "user_id",
            exact(36),
            sa.ForeignKey("users.id", name="sessions_of_user", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("auth_epoch", sa.Integer, nullable=False),
        sa.Column("seed", sa.LargeBinary(32), nullable=False),
        sa.Column("generation", sa.Integer, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT, nullable=False),
        sa.Column("idle_expires_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("ip", sa.String(64), nullable=False),
        sa.Column("user_agent", sa.String(512), nullable=False),
        sa.Column("rotated_at", INSTANT),
    )
    create_index("sessions_by_user", "sessions", "user_id")
    create_index("sessions_by_idle_expiry", "sessions", "idle_expires_at")
    create_index("sessions_by_expiry", "sessions", "expires_at")
    create_table(
        "login_failures",
        sa.Column("digest", exact(64), primary_key=True),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("blocked_until", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
    )
    create_index("login_failures_by_expiry", "login_failures", "expires_at")
    create_table(
        "keyrings",
        sa.Column("name", exact(32), primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("document", LONG_TEXT, nullable=False),
    )
    create_table(
        "leases",
        sa.Column("job", exact(64), primary_key=True),
        sa.Column("holder", exact(128), nullable=False),
        sa.Column("until", INSTANT, nullable=False),
    )


# MySQL commits each statement at once: after a crash in the middle, what already exists is skipped.


def create_table(name: str, *columns: sa.Column[object]) -> None:
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **ON_MYSQL)


def create_index(name: str, table: str, column: str, *, unique: bool = False) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, [column], unique=unique)
