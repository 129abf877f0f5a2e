"""Products in MongoDB: one document each, with the fields of `SampleProduct`; the price is a Decimal128."""

from __future__ import annotations

from typing import ClassVar

from bson import Decimal128
from pymongo import ASCENDING

from app.samples.products.model import SampleProduct
from app.sessions.mongo import MongoSessions
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index


class MongoSampleProducts:
    """`app.samples.products.model.SampleProducts` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        # Read from its end: the oldest come first.
        Index("sample_products", "owner_id", newest_first=True),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sessions = MongoSessions(connection)

    @answer_or_unavailable()
    def add(self, product: SampleProduct, session_id: str | None) -> bool:
        document = {
            "_id": product.id,
            "owner_id": product.owner_id,
            "name": product.name,
            "price": Decimal128(product.price),
            "description": product.description,
            "created_at": product.created_at,
        }
        self._connection["sample_products"].insert_one(without_none(document))
        # Look at the session after the insert. A deleted owner has no sessions left: either their erasure finds the
        # product, or this look finds no session.
        if self._may_own(product, session_id):
            return True
        self._connection["sample_products"].delete_one({"_id": product.id})
        return False

    def page(self, *, after: str | None, limit: int) -> list[SampleProduct]:
        return self._page({}, after, limit)

    def page_of(self, owner_id: str, *, after: str | None, limit: int) -> list[SampleProduct]:
        return self._page({"owner_id": owner_id}, after, limit)

    @answer_or_unavailable()
    def remove(self, product_id: str, owner_id: str) -> bool:
        own = {"_id": product_id, "owner_id": owner_id}
        return self._connection["sample_products"].delete_one(own).deleted_count == 1

    @answer_or_unavailable()
    def remove_some_of(self, owner_id: str, limit: int) -> int:
        return delete_batch(self._connection["sample_products"], {"owner_id": owner_id}, limit)

    def _may_own(self, product: SampleProduct, session_id: str | None) -> bool:
        if session_id is not None:
            return self._sessions.principal(session_id, product.owner_id, product.created_at) is not None
        active = {"_id": product.owner_id, "status": "active"}
        return self._connection["users"].find_one(active, {"_id": 1}) is not None

    @answer_or_unavailable()
    def _page(self, whose: Document, after: str | None, limit: int) -> list[SampleProduct]:
        behind: Document = {} if after is None else {"_id": {"$gt": after}}
        found = self._connection["sample_products"].find(whose | behind).sort("_id", ASCENDING).limit(limit)
        return [_product_of(document) for document in found]


def _product_of(document: Document) -> SampleProduct:
    return SampleProduct(
        document["_id"],
        document["owner_id"],
        document["name"],
        document["price"].to_decimal(),
        document.get("description"),
        document["created_at"],
    )
