"""Audit events in MongoDB: a document each, with the fields of `AuditEvent`; what one does not have is absent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo import DESCENDING

from app.models.event import AuditEvent
from app.models.mongo.connection import Connection, Document, answering, without_none
from app.models.mongo.purge import purge

if TYPE_CHECKING:
    from datetime import datetime


class MongoEvents:
    """`app.models.event.Events` on MongoDB."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answering()
    def add(self, event: AuditEvent) -> None:
        document = {
            "_id": event.id,
            "user_id": event.user_id,
            "action": event.action,
            "at": event.at,
            "ip": event.ip,
            "user_agent": event.user_agent,
            "expires_at": event.expires_at,
            "details": dict(event.details) or None,
        }
        self._connection.events.insert_one(without_none(document))

    @answering()
    def page(self, user_id: str, *, before: str | None, limit: int) -> list[AuditEvent]:
        older: Document = {} if before is None else {"_id": {"$lt": before}}
        found = self._connection.events.find({"user_id": user_id} | older).sort("_id", DESCENDING).limit(limit)
        return [_event_of(document) for document in found]

    @answering()
    def anonymise(self, user_id: str) -> int:
        change = {"$unset": {"ip": "", "user_agent": "", "details": ""}}
        return self._connection.events.update_many({"user_id": user_id}, change).matched_count

    @answering()
    def purge(self, now: datetime, limit: int) -> int:
        return purge(self._connection.events, {"expires_at": {"$lte": now}}, limit)


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
