"""Notices of logouts in MongoDB: one document each, with the fields of `LogoutNotice`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from app.oauth.logout_notices.model import LogoutNotice
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, answer_or_unavailable
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(LogoutNotice) if field.name != "id")


class MongoLogoutNotices:
    """`app.oauth.logout_notices.model.LogoutNotices` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (Index("logout_notices", "due_at"), Index("logout_notices", "expires_at"))

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, notices: Sequence[LogoutNotice]) -> None:
        for notice in notices:
            document = {"_id": notice.id} | {name: getattr(notice, name) for name in _FIELDS}
            try:
                self._connection["logout_notices"].insert_one(document)
            except DuplicateKeyError:
                continue

    @answer_or_unavailable()
    def due(self, now: datetime, limit: int, *, beside: Collection[str] = ()) -> list[LogoutNotice]:
        wanted = {"due_at": {"$lte": now}, "client_id": {"$nin": list(beside)}}
        found = self._connection["logout_notices"].find(wanted).sort("due_at", ASCENDING)
        return [
            LogoutNotice(document["_id"], **{name: document[name] for name in _FIELDS})
            for document in found.limit(limit)
        ]

    @answer_or_unavailable()
    def claim(self, notice: LogoutNotice, until: datetime) -> bool:
        unclaimed = {"_id": notice.id, "attempts": notice.attempts}
        change = {"$set": {"due_at": until}, "$inc": {"attempts": 1}}
        return self._connection["logout_notices"].update_one(unclaimed, change).matched_count == 1

    @answer_or_unavailable()
    def remove(self, notice_id: str) -> None:
        self._connection["logout_notices"].delete_one({"_id": notice_id})

    @answer_or_unavailable()
    def waiting(self, limit: int) -> int:
        return self._connection["logout_notices"].count_documents({}, limit=limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["logout_notices"], {"expires_at": {"$lte": now}}, limit)
