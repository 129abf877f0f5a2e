"""Leases in MongoDB: `_id` is the job."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pymongo.errors import DuplicateKeyError

from app.store.mongo.connection import Connection, answer_or_unavailable

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.mongo.indexes import Index


class MongoLeases:
    """`app.jobs.model.Leases` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def take(self, job: str, *, holder: str, now: datetime, until: datetime) -> bool:
        free = {"_id": job, "until": {"$lte": now}}
        lease = {"$set": {"holder": holder, "until": until}}
        try:
            self._connection["leases"].update_one(free, lease, upsert=True)
        except DuplicateKeyError:
            # The lease exists and is not free, so the upsert tried to insert a second one.
            return False
        return True
