"""Audit events in MongoDB: one document each, with the fields of `AuditEvent`; a field without a value is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from app.audit.model import AuditEvent
from app.store.mongo.connection import Connection, Document, answering, without_none
from app.store.mongo.indexes import Index
from app.store.mongo.purge import purge

if TYPE_CHECKING:
    from datetime import datetime


class MongoEvents:
    """`app.audit.model.Events` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("events", "user_id", newest_first=True),
        Index("events", "expires_at"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answering()
    def add(self, event: AuditEvent) -> None:
        self._connection.events.insert_one(_document_of(event))

    @answering()
    def record(self, event: AuditEvent) -> bool:
        try:
            self._connection.events.insert_one(_document_of(event))
        except DuplicateKeyError:
            return False
        # Look at the user after the insert: the purge of a deleted user either finds the event, or has marked them as
        # deleted by now.
        there = {"_id": event.user_id, "status": {"$ne": "deleted"}}
        if self._connection.users.find_one(there, {"_id": 1}) is not None:
            return True
        self._connection.events.delete_one({"_id": event.id})
        return False

    @answering()
    def page(self, user_id: str, *, before: str | None, limit: int) -> list[AuditEvent]:
        older: Document = {} if before is None else {"_id": {"$lt": before}}
        found = self._connection.events.find({"user_id": user_id} | older).sort("_id", DESCENDING).limit(limit)
        return [_event_of(document) for document in found]

    @answering()
    def anonymise_some(self, user_id: str, *, after: str | None, limit: int) -> str | None:
        behind: Document = {} if after is None else {"_id": {"$gt": after}}
        found = self._connection.events.find({"user_id": user_id} | behind, {"_id": 1}).sort("_id", ASCENDING)
        ids = [document["_id"] for document in found.limit(limit)]
        change = {"$unset": {"ip": "", "user_agent": "", "details": ""}}
        self._connection.events.update_many({"_id": {"$in": ids}}, change)
        return ids[-1] if len(ids) == limit else None

    @answering()
    def purge(self, now: datetime, limit: int) -> int:
        return purge(self._connection.events, {"expires_at": {"$lte": now}}, limit)


def _document_of(event: AuditEvent) -> Document:
    return without_none(
        {
            "_id": event.id,
            "user_id": event.user_id,
            "action": event.action,
            "at": event.at,
            "ip": event.ip,
            "user_agent": event.user_agent,
            "expires_at": event.expires_at,
            "details": dict(event.details) or None,
        }
    )


def _event_of(document: Document) -> AuditEvent:
    return AuditEvent(
        document["_id"],
        document["user_id"],
        document["action"],
        document["at"],
        document.get("ip"),
        document.get("user_agent"),
        document["expires_at"],
        document.get("details", {}),
    )
