"""Audit events in MongoDB: one document each, with the fields of `AuditEvent`, without those that are None.

The events of a change of an account lie in the user's document at first, in the field `new_events`, so that one write
holds both. They are moved from there to the others: by the request, right after its write, and by whoever comes before
it or after its crash. An event that was moved twice is there once, since its identifier is the same.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import BulkWriteError, DuplicateKeyError

from app.audit.model import SUCCESS, AuditEvent
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from app.audit.model import Place, Search

NEW_EVENTS: Final = "new_events"
"""The field of a user's document with the events that have not been moved."""
LEFT_TO_THE_REQUEST: Final = timedelta(minutes=1)
"""Within this time a request moves its events itself, or takes one back (`record`)."""
_DUPLICATE_KEY: Final = 11000
_ERASURE: Final = {"$unset": dict.fromkeys(("ip", "user_agent", "details", "request_id", "salt"), "")}


class MongoEvents:
    """`app.audit.model.Events` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("events", "user_id", newest_first=True),
        Index("events", "expires_at"),
        Index("events", "user_id", then=("at", "_id")),
        Index("events", "action", then=("at", "_id")),
        Index("events", "at", then=("_id",)),
        Index("events", "seq", then=("_id",)),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, event: AuditEvent) -> None:
        self._connection["events"].insert_one(_document_of(event))

    @answer_or_unavailable()
    def record(self, event: AuditEvent) -> bool:
        try:
            self._connection["events"].insert_one(_document_of(event))
        except DuplicateKeyError:
            return False
        # Look at the user after the insert: the erasure of a deleted user either finds the event, or has marked them as
        # deleted by now.
        there = {"_id": event.user_id, "status": {"$ne": "deleted"}}
        if self._connection["users"].find_one(there, {"_id": 1}) is not None:
            return True
        take_back(self._connection, [event])
        return False

    @answer_or_unavailable()
    def page_of(self, user_id: str, *, before: str | None, limit: int) -> list[AuditEvent]:
        move_all_events(self._connection, user_id)
        older: Document = {} if before is None else {"_id": {"$lt": before}}
        found = self._connection["events"].find({"user_id": user_id} | older).sort("_id", DESCENDING).limit(limit)
        return [event_of(document) for document in found]

    @answer_or_unavailable()
    def search(self, wanted: Search, *, before: Place | None, limit: int) -> list[AuditEvent]:
        conditions: list[Document] = []
        if wanted.user_id is not None:
            move_all_events(self._connection, wanted.user_id)
            conditions.append({"user_id": wanted.user_id})
        if wanted.action is not None:
            conditions.append({"action": wanted.action})
        if wanted.since is not None:
            conditions.append({"at": {"$gte": wanted.since}})
        if before is not None:
            at, event_id = before
            conditions.append({"at": {"$lte": at}})
            conditions.append({"$or": [{"at": {"$lt": at}}, {"at": at, "_id": {"$lt": event_id}}]})
        found = self._connection["events"].find({"$and": conditions} if conditions else {})
        newest_first = found.sort([("at", DESCENDING), ("_id", DESCENDING)]).limit(limit)
        return [event_of(document) for document in newest_first]

    @answer_or_unavailable()
    def anonymise_some(self, user_id: str, *, after: str | None, limit: int) -> str | None:
        if after is None:
            move_all_events(self._connection, user_id)
        behind: Document = {} if after is None else {"_id": {"$gt": after}}
        found = self._connection["events"].find({"user_id": user_id} | behind, {"_id": 1}).sort("_id", ASCENDING)
        ids = [document["_id"] for document in found.limit(limit)]
        self._connection["events"].update_many({"_id": {"$in": ids}}, _ERASURE)
        return ids[-1] if len(ids) == limit else None

    @answer_or_unavailable()
    def gather(self, now: datetime, limit: int) -> int:
        left = {f"{NEW_EVENTS}.at": {"$lte": now - LEFT_TO_THE_REQUEST}}
        users = list(self._connection["users"].find(left, {NEW_EVENTS: 1}).limit(limit))
        for user in users:
            move_events(self._connection, user["_id"], user[NEW_EVENTS])
        return sum(len(user[NEW_EVENTS]) for user in users)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["events"], {"expires_at": {"$lte": now}}, limit)


def add_events(connection: Connection, events: Sequence[AuditEvent]) -> None:
    """Store the events of a write that is not one of their user's document.

    Look at the user after it, and `take_back` the events if the user is deleted: the erasure either finds the events,
    or has marked the user as deleted by then.
    """
    if events:
        _insert(connection, documents_of(events))


def take_back(connection: Connection, events: Sequence[AuditEvent]) -> None:
    """Delete events that were just added; one that was sealed meanwhile stays, and is erased."""
    if events:
        these = {"_id": {"$in": [event.id for event in events]}}
        if connection["events"].delete_many(these | {"seq": None}).deleted_count < len(events):
            connection["events"].update_many(these, _ERASURE)


def documents_of(events: Iterable[AuditEvent]) -> list[Document]:
    """The documents of events, for the field NEW_EVENTS of their user."""
    return [_document_of(event) for event in events]


def move_all_events(connection: Connection, user_id: str) -> None:
    """Move whatever events of a user have not been moved; one read when there are none."""
    user = connection["users"].find_one({"_id": user_id, NEW_EVENTS: {"$exists": True}}, {NEW_EVENTS: 1})
    if user is not None:
        move_events(connection, user_id, user[NEW_EVENTS])


def move_events(connection: Connection, user_id: str, documents: Sequence[Document]) -> None:
    """Put events of a user among the others, then take them from the user's document; idempotent."""
    if documents:
        _insert(connection, documents)
    ids = [document["_id"] for document in documents]
    users, unset = connection["users"], {"$unset": {NEW_EVENTS: ""}}
    others = {"$elemMatch": {"_id": {"$nin": ids}}}
    if users.update_one({"_id": user_id, NEW_EVENTS: {"$not": others}}, unset).matched_count:
        return
    users.update_one({"_id": user_id}, {"$pull": {NEW_EVENTS: {"_id": {"$in": ids}}}})
    # Of two who find each other's events here, both pull their own: the later one leaves an empty list.
    users.update_one({"_id": user_id, NEW_EVENTS: []}, unset)


def _insert(connection: Connection, documents: Sequence[Document]) -> None:
    try:
        connection["events"].insert_many(documents, ordered=False)
    except BulkWriteError as error:
        if any(each["code"] != _DUPLICATE_KEY for each in error.details["writeErrors"]):
            raise


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
            "actor_id": event.actor_id,
            "outcome": event.outcome,
            "request_id": event.request_id,
            "salt": event.salt,
            "digest": event.digest,
            "signature": event.signature,
        }
    )


def event_of(document: Document) -> AuditEvent:
    """The event in a document."""
    return AuditEvent(
        document["_id"],
        document["user_id"],
        document["action"],
        document["at"],
        document.get("ip"),
        document.get("user_agent"),
        document["expires_at"],
        document.get("details", {}),
        document.get("actor_id"),
        document.get("outcome", SUCCESS),
        document.get("request_id"),
        document.get("salt"),
        document.get("digest"),
        document.get("signature"),
    )
