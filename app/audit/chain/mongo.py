"""The chain in MongoDB: a document for each link and each checkpoint.

The links are written one after the other, then their events say so. A crash in between is healed by whoever looks for
events to seal next: the link decides.
"""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ASCENDING, DESCENDING, UpdateOne
from pymongo.errors import BulkWriteError, DuplicateKeyError

from app.audit.chain.model import Checkpoint, Link, Sealed
from app.audit.model import DELETIONS
from app.audit.mongo import LEFT_TO_THE_REQUEST, event_of
from app.store.mongo.connection import Connection, Document, answer_or_unavailable
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence
    from datetime import datetime

    from app.audit.model import AuditEvent

_DUPLICATE_KEY: Final = 11000
_IN_LINK: Final = tuple(each.name for each in fields(Link)[1:])
_IN_CHECKPOINT: Final = tuple(each.name for each in fields(Checkpoint)[1:])
_ANY_IS_LEFT: Final[list[Document]] = [{name: {"$exists": True}} for name in ("ip", "user_agent", "details")]


class MongoLinks:
    """`app.audit.chain.model.Links` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("event_links", "event_id", unique=True),
        Index("event_links", "sealed_at"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def last(self) -> Link | None:
        found = self._connection["event_links"].find_one(sort=[("_id", DESCENDING)])
        return None if found is None else _link_of(found)

    @answer_or_unavailable()
    def append(self, links: Sequence[Link]) -> bool:
        try:
            # In their order: it stops at the first that is there already, so that no link follows a gap.
            self._connection["event_links"].insert_many([_document_of(link) for link in links], ordered=True)
        except BulkWriteError as error:
            if any(each["code"] != _DUPLICATE_KEY for each in error.details["writeErrors"]):
                raise
            return False
        self._say({link.event_id: link.seq for link in links})
        return True

    @answer_or_unavailable()
    def unsealed(self, now: datetime, *, after: str | None, limit: int) -> list[AuditEvent]:
        wanted: Document = {"seq": None, "at": {"$lte": now - LEFT_TO_THE_REQUEST}}
        if after is not None:
            wanted["_id"] = {"$gt": after}
        found = list(self._connection["events"].find(wanted).sort("_id", ASCENDING).limit(limit))
        ids = [document["_id"] for document in found]
        links = self._connection["event_links"].find({"event_id": {"$in": ids}}, {"event_id": 1}) if ids else ()
        known = {link["event_id"]: link["_id"] for link in links}
        self._say(known)
        return [event_of(document) for document in found if document["_id"] not in known]

    @answer_or_unavailable()
    def complete(self, events: Sequence[AuditEvent]) -> None:
        writes = [
            UpdateOne(
                {"_id": event.id, "digest": None} | ({} if event.is_bare else {"$or": _ANY_IS_LEFT}),
                {"$set": {"salt": event.salt, "digest": event.digest}},
            )
            for event in events
        ]
        self._connection["events"].bulk_write(writes, ordered=False)

    @answer_or_unavailable()
    def page(self, *, after: int, limit: int) -> list[Link]:
        found = self._connection["event_links"].find({"_id": {"$gt": after}}).sort("_id", ASCENDING).limit(limit)
        return [_link_of(document) for document in found]

    @answer_or_unavailable()
    def sealed(self, first: int, last: int | None, limit: int) -> list[Sealed]:
        within: Document = {"$gte": first} | ({} if last is None else {"$lte": last})
        found = self._connection["events"].find({"seq": within}).sort([("seq", ASCENDING), ("_id", ASCENDING)])
        return _sealed_of(found.limit(limit))

    @answer_or_unavailable()
    def events(self, ids: Collection[str]) -> list[Sealed]:
        return _sealed_of(self._connection["events"].find({"_id": {"$in": list(ids)}})) if ids else []

    @answer_or_unavailable()
    def first_since(self, at: datetime) -> int | None:
        found = self._connection["event_links"].find_one(
            {"sealed_at": {"$gte": at}}, {"_id": 1}, sort=[("sealed_at", ASCENDING), ("_id", ASCENDING)]
        )
        return None if found is None else int(found["_id"])

    @answer_or_unavailable()
    def deleted(self, user_ids: Collection[str]) -> frozenset[str]:
        if not user_ids:
            return frozenset()
        present = {"_id": {"$in": list(user_ids)}, "status": {"$ne": "deleted"}}
        there = {user["_id"] for user in self._connection["users"].find(present, {"_id": 1})}
        ends = {"user_id": {"$in": list(there)}, "action": {"$in": DELETIONS}}
        once = {event["user_id"] for event in self._connection["events"].find(ends, {"user_id": 1})} if there else set()
        return frozenset(user_ids) - there | once

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        covering = self._connection["event_checkpoints"].find_one(
            {"kept_until": {"$lte": now}}, {"seq": 1}, sort=[("_id", DESCENDING)]
        )
        if covering is None:
            return 0
        links = self._connection["event_links"]
        last = links.find_one({}, {"_id": 1}, sort=[("_id", DESCENDING)])
        covered = {"_id": {"$lte": covering["seq"], "$lt": last["_id"] if last else 0}}
        found = links.find(covered, {"_id": 1}).sort("_id", ASCENDING).limit(limit)
        return links.delete_many({"_id": {"$in": [link["_id"] for link in found]}}).deleted_count

    def _say(self, seals: dict[str, int]) -> None:
        if seals:
            writes = [UpdateOne({"_id": event_id}, {"$set": {"seq": seq}}) for event_id, seq in seals.items()]
            self._connection["events"].bulk_write(writes, ordered=False)


class MongoCheckpoints:
    """`app.audit.chain.model.Checkpoints` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def last(self) -> Checkpoint | None:
        found = self._connection["event_checkpoints"].find_one(sort=[("_id", DESCENDING)])
        return None if found is None else _checkpoint_of(found)

    @answer_or_unavailable()
    def add(self, checkpoint: Checkpoint) -> bool:
        document = asdict(checkpoint)
        try:
            self._connection["event_checkpoints"].insert_one({"_id": document.pop("number"), **document})
        except DuplicateKeyError:
            return False
        return True

    @answer_or_unavailable()
    def page(self, *, after: int, limit: int) -> list[Checkpoint]:
        found = self._connection["event_checkpoints"].find({"_id": {"$gt": after}}).sort("_id", ASCENDING)
        return [_checkpoint_of(document) for document in found.limit(limit)]


def _document_of(link: Link) -> Document:
    document = asdict(link)
    return {"_id": document.pop("seq"), **document}


def _link_of(document: Document) -> Link:
    return Link(document["_id"], *(document[name] for name in _IN_LINK))


def _checkpoint_of(document: Document) -> Checkpoint:
    return Checkpoint(document["_id"], *(document[name] for name in _IN_CHECKPOINT))


def _sealed_of(found: Iterable[Document]) -> list[Sealed]:
    return [Sealed(document.get("seq"), event_of(document)) for document in found]
