"""Products in SQL: one row each."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, ForeignKey, Index, String, Table, bindparam, delete, insert, select

from app.accounts.sql import USERS
from app.samples.products.model import SampleProduct
from app.sessions.sql import LIVE_SESSION
from app.store.sql.columns import INSTANT, PRICE, exact
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from app.store.sql.connection import Connection
    from app.store.sql.database import Database

SAMPLE_PRODUCTS: Final = Table(
    "sample_products",
    METADATA,
    Column("id", exact(36), primary_key=True),
    # As for sessions: the erasure of a deleted user deletes their products, and the cascade makes sure that none is
    # left.
    Column(
        "owner_id",
        exact(36),
        ForeignKey("users.id", name="sample_products_of_user", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("name", String(100), nullable=False),
    Column("price", PRICE, nullable=False),
    Column("description", String(1000)),
    Column("created_at", INSTANT, nullable=False),
    Index("sample_products_by_owner", "owner_id", "id"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(SampleProduct))
_COLUMNS: Final = SAMPLE_PRODUCTS.c
_OF_OWNER: Final = _COLUMNS.owner_id == bindparam("owner")

# The owner's row is locked until the product is committed: a deletion of the owner, or the end of a session, waits for
# it.
_OWNER: Final = select(USERS.c.status).where(USERS.c.id == bindparam("owner")).with_for_update(read=True)
_ADD: Final = insert(SAMPLE_PRODUCTS)
_PAGE: Final = (
    select(*(_COLUMNS[name] for name in _FIELDS))
    .where(_COLUMNS.id > bindparam("after"))
    .order_by(_COLUMNS.id)
    .limit(bindparam("limit"))
)
_PAGE_OF_OWNER: Final = _PAGE.where(_OF_OWNER)
_REMOVE: Final = delete(SAMPLE_PRODUCTS).where(_COLUMNS.id == bindparam("product"), _OF_OWNER)
_SOME_OF_OWNER: Final = select(_COLUMNS.id).where(_OF_OWNER).limit(bindparam("limit"))
_REMOVE_THESE: Final = delete(SAMPLE_PRODUCTS).where(_COLUMNS.id.in_(bindparam("ids", expanding=True)))


class SqlSampleProducts:
    """`app.samples.products.model.SampleProducts` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, product: SampleProduct, session_id: str | None) -> bool:
        row = {name: getattr(product, name) for name in _FIELDS}
        session = {"session_id": session_id, "user_id": product.owner_id, "now": product.created_at}

        def write(connection: Connection) -> bool:
            if connection.execute(_OWNER, {"owner": product.owner_id}).scalar() != "active":
                return False
            if session_id is not None and connection.execute(LIVE_SESSION, session).first() is None:
                return False
            connection.execute(_ADD, row)
            return True

        return self._database.write(write)

    def page(self, *, after: str | None, limit: int) -> list[SampleProduct]:
        rows = self._database.rows(_PAGE, {"after": after or "", "limit": limit})
        return [SampleProduct(*row) for row in rows]

    def page_of(self, owner_id: str, *, after: str | None, limit: int) -> list[SampleProduct]:
        rows = self._database.rows(_PAGE_OF_OWNER, {"owner": owner_id, "after": after or "", "limit": limit})
        return [SampleProduct(*row) for row in rows]

    def remove(self, product_id: str, owner_id: str) -> bool:
        return self._database.change(_REMOVE, {"product": product_id, "owner": owner_id}) == 1

    def remove_some_of(self, owner_id: str, limit: int) -> int:
        ids = [row[0] for row in self._database.rows(_SOME_OF_OWNER, {"owner": owner_id, "limit": limit})]
        return self._database.change(_REMOVE_THESE, {"ids": ids}) if ids else 0
