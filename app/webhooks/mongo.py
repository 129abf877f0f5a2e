"""Webhooks in MongoDB: one document, whose version guards each write; and a document for each delivery."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from app.platform import pieces
from app.store.codec import Codec
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index
from app.store.mongo.versioned import VersionedDocuments
from app.webhooks.model import Delivery, Webhook, WebhookBook

if TYPE_CHECKING:
    from datetime import datetime

_ID: Final = "webhooks"
_WEBHOOK: Final = Codec(Webhook)
_DELIVERIES: Final = "webhook_deliveries"
_FIELDS: Final = tuple(field.name for field in fields(Delivery) if field.name != "id")
_CHANGING: Final = ("next_attempt_at", "expires_at", "status", "attempts", "response_status", "error")
_WAITS: Final[Document] = {"next_attempt_at": {"$exists": True}}
_DONE: Final[Document] = {"next_attempt_at": {"$exists": False}}


class MongoWebhookBooks:
    """`app.webhooks.model.WebhookBooks` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._documents = VersionedDocuments("webhook_books", connection)

    @answer_or_unavailable()
    def load(self) -> WebhookBook:
        found = self._documents.load(_ID)
        if found is None:
            return WebhookBook()
        return WebhookBook(found["version"], tuple(_WEBHOOK.entity(webhook) for webhook in found["webhooks"]))

    @answer_or_unavailable()
    def save(self, book: WebhookBook) -> bool:
        webhooks = [_WEBHOOK.document(webhook) for webhook in book.webhooks]
        return self._documents.save(_ID, book.version, {"webhooks": webhooks})


class MongoDeliveries:
    """`app.webhooks.model.Deliveries` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index(_DELIVERIES, "webhook_id", newest_first=True),
        Index(_DELIVERIES, "webhook_id", then=("next_attempt_at",)),
        Index(_DELIVERIES, "user_id", sparse=True),
        Index(_DELIVERIES, "expires_at"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, delivery: Delivery) -> bool:
        try:
            self._connection[_DELIVERIES].insert_one(_document_of(delivery))
        except DuplicateKeyError:
            return False
        return True

    @answer_or_unavailable()
    def get(self, delivery_id: str) -> Delivery | None:
        found = self._connection[_DELIVERIES].find_one({"_id": delivery_id})
        return None if found is None else _delivery_of(found)

    @answer_or_unavailable()
    def due(self, webhook_id: str, now: datetime, limit: int) -> list[Delivery]:
        due = {"webhook_id": webhook_id, "next_attempt_at": {"$lte": now}}
        found = self._connection[_DELIVERIES].find(due).sort("next_attempt_at", ASCENDING).limit(limit)
        return [_delivery_of(document) for document in found]

    @answer_or_unavailable()
    def replace(self, seen: Delivery, by: Delivery) -> bool:
        guard: Document = {"_id": seen.id, "attempts": seen.attempts}
        guard |= _DONE if seen.next_attempt_at is None else {"next_attempt_at": seen.next_attempt_at}
        changed = {name: getattr(by, name) for name in _CHANGING}
        change: Document = {"$set": without_none(changed)}
        if missing := {name: "" for name, value in changed.items() if value is None}:
            change["$unset"] = missing
        return self._connection[_DELIVERIES].update_one(guard, change).matched_count == 1

    @answer_or_unavailable()
    def page_of(self, webhook_id: str, *, before: str | None, limit: int) -> list[Delivery]:
        older: Document = {} if before is None else {"_id": {"$lt": before}}
        found = self._connection[_DELIVERIES].find({"webhook_id": webhook_id} | older).sort("_id", DESCENDING)
        return [_delivery_of(document) for document in found.limit(limit)]

    @answer_or_unavailable()
    def waiting(self, webhook_id: str, limit: int) -> int:
        waiting = self._connection[_DELIVERIES].find({"webhook_id": webhook_id} | _WAITS, {"_id": 1})
        return len(list(waiting.limit(limit)))

    @answer_or_unavailable()
    def prune(self, webhook_id: str, keep: int) -> int:
        done = self._connection[_DELIVERIES].find({"webhook_id": webhook_id} | _DONE, {"_id": 1})
        surplus = done.sort("_id", DESCENDING).skip(keep).limit(pieces.AT_ONCE)
        ids = [found["_id"] for found in surplus]
        if not ids:
            return 0
        return self._connection[_DELIVERIES].delete_many({"_id": {"$in": ids}} | _DONE).deleted_count

    @answer_or_unavailable()
    def remove(self, delivery_id: str) -> None:
        self._connection[_DELIVERIES].delete_one({"_id": delivery_id})

    @answer_or_unavailable()
    def remove_some_of(self, webhook_id: str, limit: int) -> int:
        return delete_batch(self._connection[_DELIVERIES], {"webhook_id": webhook_id}, limit)

    @answer_or_unavailable()
    def erase_some_of(self, user_id: str, limit: int, *, but: str) -> int:
        return delete_batch(self._connection[_DELIVERIES], {"user_id": user_id, "event": {"$ne": but}}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection[_DELIVERIES], {"expires_at": {"$lte": now}}, limit)


def _document_of(delivery: Delivery) -> Document:
    return without_none({"_id": delivery.id} | {name: getattr(delivery, name) for name in _FIELDS})


def _delivery_of(document: Document) -> Delivery:
    known = {name: document[name] for name in _FIELDS if name in document}
    return Delivery(document["_id"], **{"next_attempt_at": None, **known})
