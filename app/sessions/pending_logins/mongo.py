"""Pending logins in MongoDB: one document each, with the fields of `PendingLogin`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from app.sessions.pending_logins.model import PendingLogin
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(PendingLogin) if field.name != "id")


class MongoPendingLogins:
    """`app.sessions.pending_logins.model.PendingLogins` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("pending_logins", "user_id"),
        Index("pending_logins", "expires_at"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, login: PendingLogin) -> None:
        document = {"_id": login.id} | {name: getattr(login, name) for name in _FIELDS}
        self._connection["pending_logins"].insert_one(without_none(document))

    @answer_or_unavailable()
    def find(self, login_id: str, now: datetime) -> PendingLogin | None:
        found = self._connection["pending_logins"].find_one({"_id": login_id, "expires_at": {"$gt": now}})
        if found is None:
            return None
        known: dict[str, Any] = {name: found[name] for name in _FIELDS if name in found}
        return PendingLogin(found["_id"], **known)

    @answer_or_unavailable()
    def count_try(self, login_id: str, most: int) -> bool:
        guard = {"_id": login_id, "tries": {"$lt": most}}
        return self._connection["pending_logins"].update_one(guard, {"$inc": {"tries": 1}}).matched_count == 1

    @answer_or_unavailable()
    def take(self, login_id: str) -> bool:
        return self._connection["pending_logins"].delete_one({"_id": login_id}).deleted_count == 1

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["pending_logins"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["pending_logins"], {"expires_at": {"$lte": now}}, limit)
