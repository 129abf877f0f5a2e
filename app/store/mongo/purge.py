"""Deletes expired documents in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pymongo.collection import Collection

    from app.store.mongo.connection import Document


def purge(collection: Collection[Document], expired: Document, limit: int) -> int:
    """Delete up to `limit` documents that `expired` matches; returns how many."""
    ids = [found["_id"] for found in collection.find(expired, {"_id": 1}).limit(limit)]
    # A document that was renewed after it was found stays.
    return collection.delete_many({"_id": {"$in": ids}, **expired}).deleted_count
