"""API keys in MongoDB: one document each, with the fields of `ApiKey`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ASCENDING

from app.accounts.mongo import USER_FIELDS, user_of
from app.api_keys.model import KEPT_EXPIRED, ApiKey, FoundKey
from app.roles.mongo import WITH_BOOK, book_version
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

_WITH_USER: Final[tuple[Document, ...]] = (
    {"$lookup": {"from": "users", "localField": "user_id", "foreignField": "_id", "as": "user"}},
    {"$unwind": "$user"},
    *WITH_BOOK,
    {
        "$project": {
            "user_id": 1,
            "digest": 1,
            "name": 1,
            "permissions": 1,
            "created_at": 1,
            "expires_at": 1,
            "last_used_at": 1,
            "user.listed_keys": 1,
            "book.version": 1,
            **{f"user.{name}": 1 for name in USER_FIELDS},
        }
    },
)


class MongoApiKeys:
    """`app.api_keys.model.ApiKeys` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (Index("api_keys", "user_id"), Index("api_keys", "expires_at"))

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, key: ApiKey) -> bool:
        document = {
            "_id": key.id,
            "user_id": key.user_id,
            "digest": key.digest,
            "name": key.name,
            "permissions": list(key.permissions),
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "last_used_at": key.last_used_at,
        }
        self._connection["api_keys"].insert_one(without_none(document))
        # The user after the key, so that the erasure of a deleted user either finds the key or this finds no user.
        if self._connection["users"].find_one({"_id": key.user_id, "status": {"$ne": "deleted"}}, {"_id": 1}):
            return True
        self._connection["api_keys"].delete_one({"_id": key.id})
        return False

    @answer_or_unavailable()
    def find(self, key_id: str) -> FoundKey | None:
        found = list(self._connection["api_keys"].aggregate([{"$match": {"_id": key_id}}, *_WITH_USER]))
        return _found(found[0]) if found else None

    @answer_or_unavailable()
    def some(self, key_ids: Collection[str]) -> list[ApiKey]:
        found = self._connection["api_keys"].find({"_id": {"$in": list(key_ids)}}).sort("_id", ASCENDING)
        return [_key_of(document) for document in found]

    @answer_or_unavailable()
    def page(self, *, after: str | None, limit: int) -> list[FoundKey]:
        behind: Document = {} if after is None else {"_id": {"$gt": after}}
        these: list[Document] = [{"$match": behind}, {"$sort": {"_id": ASCENDING}}, {"$limit": limit}]
        found = self._connection["api_keys"].aggregate([*these, *_WITH_USER, {"$sort": {"_id": ASCENDING}}])
        return [_found(document) for document in found]

    @answer_or_unavailable()
    def touch(self, key_id: str, now: datetime) -> None:
        self._connection["api_keys"].update_one({"_id": key_id}, {"$max": {"last_used_at": now}})

    @answer_or_unavailable()
    def remove(self, key_id: str) -> None:
        self._connection["api_keys"].delete_one({"_id": key_id})

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["api_keys"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["api_keys"], {"expires_at": {"$lte": now - KEPT_EXPIRED}}, limit)


def _found(document: Document) -> FoundKey:
    key, user = _key_of(document), document["user"]
    listed = any(each["id"] == key.id for each in user.get("listed_keys", ()))
    return FoundKey(key, user_of(key.user_id, user), listed, book_version(document))


def _key_of(document: Document) -> ApiKey:
    return ApiKey(
        document["_id"],
        document["user_id"],
        document["digest"],
        document["name"],
        tuple(document["permissions"]),
        document["created_at"],
        document["expires_at"],
        document.get("last_used_at"),
    )
