"""Logins by mail in MongoDB: one document each, with the fields of `MailLogin`.

A field without a value is absent, never null.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pymongo import ASCENDING

from app.mail_login.model import MailLogin
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(MailLogin) if field.name != "id")


class MongoMailLogins:
    """`app.mail_login.model.MailLogins` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("mail_logins", "due_at"),
        Index("mail_logins", "user_id"),
        Index("mail_logins", "expires_at"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, login: MailLogin) -> None:
        document = {"_id": login.id} | {name: getattr(login, name) for name in _FIELDS}
        self._connection["mail_logins"].insert_one(without_none(document))

    @answer_or_unavailable()
    def find(self, login_id: str, now: datetime) -> MailLogin | None:
        found = self._connection["mail_logins"].find_one({"_id": login_id, "expires_at": {"$gt": now}})
        return _login_of(found) if found else None

    @answer_or_unavailable()
    def due(self, now: datetime, limit: int) -> list[MailLogin]:
        found = self._connection["mail_logins"].find({"due_at": {"$lte": now}}).sort("due_at", ASCENDING).limit(limit)
        return [_login_of(document) for document in found]

    @answer_or_unavailable()
    def reschedule(self, login: MailLogin, due_at: datetime | None, attempts: int) -> bool:
        # A guard of None matches an absent field.
        still_seen = {"_id": login.id, "due_at": login.due_at}
        change: Document = {"$set": without_none({"attempts": attempts, "due_at": due_at})}
        if due_at is None:
            change["$unset"] = {"due_at": ""}
        return self._connection["mail_logins"].update_one(still_seen, change).matched_count == 1

    @answer_or_unavailable()
    def bind(self, login_id: str, user_id: str, auth_epoch: int) -> bool:
        change = {"$set": {"user_id": user_id, "auth_epoch": auth_epoch}}
        guard = {"_id": login_id, "user_id": None}
        return self._connection["mail_logins"].update_one(guard, change).matched_count == 1

    @answer_or_unavailable()
    def count_try(self, login_id: str, most: int) -> bool:
        guard = {"_id": login_id, "tries": {"$lt": most}}
        return self._connection["mail_logins"].update_one(guard, {"$inc": {"tries": 1}}).matched_count == 1

    @answer_or_unavailable()
    def take(self, login_id: str) -> bool:
        return self._connection["mail_logins"].delete_one({"_id": login_id}).deleted_count == 1

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["mail_logins"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["mail_logins"], {"expires_at": {"$lte": now}}, limit)


def _login_of(document: Document) -> MailLogin:
    known: dict[str, Any] = {name: document.get(name) for name in _FIELDS}
    return MailLogin(document["_id"], **known)
