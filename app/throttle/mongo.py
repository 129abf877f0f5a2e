"""Failed logins in MongoDB: `_id` is the key."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, ClassVar

from pymongo.errors import DuplicateKeyError

from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, answer_or_unavailable
from app.store.mongo.indexes import Index
from app.throttle.model import FailureCount

if TYPE_CHECKING:
    from datetime import datetime


class MongoLoginFailures:
    """`app.throttle.model.LoginFailures` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (Index("login_failures", "expires_at"),)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def get(self, key: str) -> FailureCount | None:
        found = self._connection["login_failures"].find_one({"_id": key}, {"_id": 0})
        return FailureCount(**found) if found else None

    @answer_or_unavailable()
    def advance(self, key: str, seen: FailureCount | None, to: FailureCount) -> bool:
        if seen is None:
            return self._begin(key, to)
        changed = self._connection["login_failures"].update_one(_still_seen(key, seen), {"$set": asdict(to)})
        return changed.matched_count == 1

    @answer_or_unavailable()
    def clear(self, key: str, seen: FailureCount) -> bool:
        return self._connection["login_failures"].delete_one(_still_seen(key, seen)).deleted_count == 1

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["login_failures"], {"expires_at": {"$lte": now}}, limit)

    def _begin(self, key: str, to: FailureCount) -> bool:
        try:
            self._connection["login_failures"].insert_one({"_id": key, **asdict(to)})
        except DuplicateKeyError:
            return False
        return True


def _still_seen(key: str, seen: FailureCount) -> dict[str, Any]:
    return {"_id": key, "count": seen.count, "expires_at": seen.expires_at}
