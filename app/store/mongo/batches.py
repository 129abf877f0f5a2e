"""Deletes documents in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from app.store.mongo.connection import Document


def delete_batch(collection: Collection[Document], matching: Document, limit: int) -> int:
    """Delete up to `limit` documents that `matching` finds; returns how many."""
    ids = [found["_id"] for found in collection.find(matching, {"_id": 1}).limit(limit)]
    # A document that has changed since it was found, such as one that was renewed, stays.
    return collection.delete_many({"_id": {"$in": ids}, **matching}).deleted_count
