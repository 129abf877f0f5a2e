"""More ways to log in: by mail.

It only adds: during a rolling update the former version runs on this schema, too. So new columns are nullable or have a
default of the server.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import INSTANT, exact

revision = "0007"
down_revision = "0006"
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
    _mail_logins()


def _mail_logins() -> None:
    """Logins that were asked for by mail."""
    create_table(
        "mail_logins",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column("email", sa.String(320), nullable=False),
        sa.Column("ip", sa.String(64), nullable=False),
        sa.Column("device", sa.String(512), nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("due_at", INSTANT),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("user_id", exact(36)),
        sa.Column("auth_epoch", sa.Integer),
        sa.Column("tries", sa.Integer, nullable=False),
    )
    create_index("mail_logins_by_due", "mail_logins", "due_at")
    create_index("mail_logins_by_user", "mail_logins", "user_id")
    create_index("mail_logins_by_expiry", "mail_logins", "expires_at")


# MySQL commits each statement at once: after a crash in the middle, what already exists is skipped.


def create_table(name: str, *columns: sa.Column[Any]) -> None:
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **ON_MYSQL)


def create_index(name: str, table: str, *columns: str, unique: bool = False) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns, unique=unique)
