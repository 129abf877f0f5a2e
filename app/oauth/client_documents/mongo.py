"""Documents of clients in MongoDB: one document each, with the fields of `ClientDocument`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pymongo.errors import DuplicateKeyError

from app.oauth.client_documents.model import ClientDocument
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, answer_or_unavailable
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime


class MongoClientDocuments:
    """`app.oauth.client_documents.model.ClientDocuments` on MongoDB. `document` is its text, as in SQL."""

    INDEXES: ClassVar[tuple[Index, ...]] = (Index("client_documents", "expires_at"),)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def find(self, document_id: str, now: datetime) -> ClientDocument | None:
        found = self._connection["client_documents"].find_one({"_id": document_id, "expires_at": {"$gt": now}})
        if found is None:
            return None
        return ClientDocument(document_id, found["url"], found["document"], found["fetched_at"], found["expires_at"])

    @answer_or_unavailable()
    def keep(self, document: ClientDocument) -> None:
        earlier = {"_id": document.id, "fetched_at": {"$lte": document.fetched_at}}
        kept = {
            "url": document.url,
            "document": document.document,
            "fetched_at": document.fetched_at,
            "expires_at": document.expires_at,
        }
        documents = self._connection["client_documents"]
        try:
            documents.update_one(earlier, {"$set": kept}, upsert=True)
        except DuplicateKeyError:  # one that was fetched later is there, or another that was added meanwhile
            documents.update_one(earlier, {"$set": kept})

    @answer_or_unavailable()
    def remove(self, document_id: str) -> bool:
        return self._connection["client_documents"].delete_one({"_id": document_id}).deleted_count == 1

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["client_documents"], {"expires_at": {"$lte": now}}, limit)
