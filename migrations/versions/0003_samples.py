"""Products and the count of visits."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from app.store.sql.columns import INSTANT, PRICE, exact

revision = "0003"
down_revision = "0002"
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
        "sample_products",
        sa.Column("id", exact(36), primary_key=True),
        sa.Column(
            "owner_id",
            exact(36),
            sa.ForeignKey("users.id", name="sample_products_of_user", ondelete="CASCADE"),
            nullable=False,
        ),
        sa.Column("name", sa.String(100), nullable=False),
        sa.Column("price", PRICE, nullable=False),
        sa.Column("description", sa.String(1000)),
        sa.Column("created_at", INSTANT, nullable=False),
    )
    create_index("sample_products_by_owner", "sample_products", "owner_id", "id")
    create_table(
        "visits",
        sa.Column("name", exact(32), primary_key=True),
        sa.Column("count", sa.BigInteger, nullable=False),
    )


# MySQL commits each statement at once: after a crash in the middle, what already exists is skipped.


def create_table(name: str, *columns: sa.Column[Any]) -> None:
    if not sa.inspect(op.get_bind()).has_table(name):
        op.create_table(name, *columns, **ON_MYSQL)


def create_index(name: str, table: str, *columns: str) -> None:
    if name not in {index["name"] for index in sa.inspect(op.get_bind()).get_indexes(table)}:
        op.create_index(name, table, columns)
