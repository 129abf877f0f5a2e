"""Second factors: logins that are not finished, and what a session has proven.

It only adds: during a rolling update the former version runs on this schema, too. So new columns are nullable or have a
default of the server.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import INSTANT, exact

revision = "0006"
down_revision = "0005"
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
    add_column("sessions", sa.Column("authenticated_at", INSTANT))
    add_column("sessions", sa.Column("amr", sa.String(64)))
    _pending_logins()
    _totp_secrets()


def _pending_logins() -> None:
    """Logins whose first factor was right."""
    create_table(
        "pending_logins",
        sa.Column("id", exact(64), primary_key=True),
        sa.Column(
            "user_id",
            exact(36),
            sa.ForeignKey("users.id", name="pending_logins_of_user", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("auth_epoch", sa.Integer, nullable=False),
        sa.Column("amr", sa.String(64), nullable=False),
        sa.Column("proven_at", INSTANT, nullable=False),
        sa.Column("opens", exact(16), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("name", sa.String(400)),
        sa.Column("device_id", exact(36)),
        sa.Column("tries", sa.Integer, nullable=False),
    )
    create_index("pending_logins_by_user", "pending_logins", "user_id")
    create_index("pending_logins_by_expiry", "pending_logins", "expires_at")


def _totp_secrets() -> None:
    """The secrets of authenticator apps, and the last time step of each that was spent."""
    create_table(
        "totp_secrets",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column(
            "user_id",
            exact(36),
            sa.ForeignKey("users.id", name="totp_secrets_of_user", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("wrapped_by", exact(16), nullable=False),
        sa.Column("sealed", sa.String(512), nullable=False),
        sa.Column("expires_at", INSTANT),
        sa.Column("last_step", sa.BigInteger),
        sa.Column("last_used_at", INSTANT),
    )
    create_index("totp_secrets_by_user", "totp_secrets", "user_id")
    create_index("totp_secrets_by_seal", "totp_secrets", "wrapped_by", "id")
    create_index("totp_secrets_by_expiry", "totp_secrets", "expires_at")


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
