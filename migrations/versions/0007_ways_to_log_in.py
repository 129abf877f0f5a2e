"""Ways to log in beside the password: passkeys, and the ceremonies that use them.

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
    _passkeys()
    _ceremonies()


def _passkeys() -> None:
    """What verifies passkeys, and when each was last used."""
    create_table(
        "passkey_credentials",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column(
            "user_id",
            exact(36),
            sa.ForeignKey("users.id", name="passkey_credentials_of_user", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("credential_id", sa.String(1364), nullable=False),
        sa.Column("credential_digest", exact(64), nullable=False),
        sa.Column("public_key", sa.String(2048), nullable=False),
        sa.Column("rp_id", exact(253), nullable=False),
        sa.Column("aaguid", exact(36), nullable=False),
        sa.Column("transports", sa.String(512), nullable=False),
        sa.Column("backup_eligible", sa.Boolean, nullable=False),
        sa.Column("backed_up", sa.Boolean, nullable=False),
        sa.Column("sign_count", sa.BigInteger, nullable=False),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("last_used_at", INSTANT),
    )
    create_index("passkey_credentials_by_credential", "passkey_credentials", "credential_digest", unique=True)
    create_index("passkey_credentials_by_user", "passkey_credentials", "user_id")
    create_index("passkey_credentials_by_rp_id", "passkey_credentials", "rp_id")


def _ceremonies() -> None:
    """Challenges of WebAuthn that wait for their answer."""
    create_table(
        "ceremonies",
        sa.Column("id", exact(64), primary_key=True),
        sa.Column("purpose", exact(16), nullable=False),
        sa.Column("challenge", sa.String(64), nullable=False),
        sa.Column("expires_at", INSTANT, nullable=False),
        sa.Column("owner", exact(64)),
        sa.Column("user_id", exact(36), sa.ForeignKey("users.id", name="ceremonies_of_user", ondelete="CASCADE")),
    )
    create_index("ceremonies_by_user", "ceremonies", "user_id")
    create_index("ceremonies_by_expiry", "ceremonies", "expires_at")


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
