"""Held addresses in MongoDB: `_id` is the address's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pymongo.errors import DuplicateKeyError

from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime


class MongoHeldEmails:
    """`app.accounts.held_emails.model.HeldEmails` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (Index("held_emails", "expires_at"),)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def hold(self, email_key: str, user_id: str, *, now: datetime, until: datetime) -> bool:
        free = {"_id": email_key, "$or": [{"user_id": user_id}, {"expires_at": {"$lte": now}}]}
        # Another user's hold that is free has expired, so $max replaces its end by `until`, too.
        change = {"$set": {"user_id": user_id}, "$max": {"expires_at": until}}
        # If two upserts find nothing, both insert and MongoDB refuses the later one, even if both are for this user.
        # The second try then finds this user's hold.
        return self._upsert(free, change) or self._upsert(free, change)

    @answer_or_unavailable()
    def holder(self, email_key: str, now: datetime) -> str | None:
        found = self._connection["held_emails"].find_one({"_id": email_key, "expires_at": {"$gt": now}}, {"user_id": 1})
        return found["user_id"] if found else None

    @answer_or_unavailable()
    def release(self, email_key: str, user_id: str) -> None:
        self._connection["held_emails"].delete_one({"_id": email_key, "user_id": user_id})

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["held_emails"], {"expires_at": {"$lte": now}}, limit)

    def _upsert(self, free: Document, change: Document) -> bool:
        try:
            self._connection["held_emails"].update_one(free, change, upsert=True)
        except DuplicateKeyError:
            # The hold exists and is not free, so the upsert tried to insert a second one.
            return False
        return True
