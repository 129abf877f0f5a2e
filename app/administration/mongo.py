"""Looking for users in MongoDB: ranges of the indexes of their collection."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ASCENDING

from app.accounts.mongo import USER_FIELDS, user_of
from app.administration.model import FoundUser, StoredKeys
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from app.accounts.model import Status
    from app.administration.model import KeyName

_KEYS: Final = ("email_key", "username_key", "name_key")
_FIELDS: Final = dict.fromkeys((*USER_FIELDS, *_KEYS), 1)
_STORED: Final = dict.fromkeys(("name", "status", "name_key", "listed_status"), 1)
_HIGHEST: Final = "\U0010ffff"
"""Sorts behind every character of a key."""


class MongoUserSearch:
    """`app.administration.model.UserSearch` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("users", "name_key", sparse=True, oldest_first=True),
        Index("users", "listed_status", sparse=True, oldest_first=True),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def by_id(self, after: str, limit: int) -> list[FoundUser]:
        return self._behind({}, after, limit)

    def by_status(self, status: Status, after: str, limit: int) -> list[FoundUser]:
        return self._behind({"listed_status": status}, after, limit)

    def by_role(self, role: str, after: str, limit: int) -> list[FoundUser]:
        return self._behind({"roles": role}, after, limit)

    def by_key(self, name: KeyName, prefix: str, *, key: str, after: str, limit: int) -> list[FoundUser]:
        if not key:
            return self._in_range(name, {"$gte": prefix, "$lt": prefix + _HIGHEST}, limit)
        same = self._behind({name: key}, after, limit) if name == "name_key" else []
        if len(same) == limit:
            return same
        return same + self._in_range(name, {"$gt": key, "$lt": prefix + _HIGHEST}, limit - len(same))

    @answer_or_unavailable()
    def keys(self, after: str, limit: int) -> list[StoredKeys]:
        users = self._connection["users"].find({"_id": {"$gt": after}}, _STORED)
        return [
            StoredKeys(user["_id"], user.get("name"), user["status"], user.get("name_key"), user.get("listed_status"))
            for user in users.sort("_id", ASCENDING).limit(limit)
        ]

    @answer_or_unavailable()
    def set_keys(self, keys: StoredKeys) -> None:
        new: Document = {"name_key": keys.name_key, "listed_status": keys.listed_status}
        change: Document = {}
        if present := without_none(new):
            change["$set"] = present
        if absent := {name: "" for name, content in new.items() if content is None}:
            change["$unset"] = absent
        unchanged = {"_id": keys.user_id, "name": keys.name, "status": keys.status}
        self._connection["users"].update_one(unchanged, change)

    @answer_or_unavailable()
    def _behind(self, which: Document, after: str, limit: int) -> list[FoundUser]:
        users = self._connection["users"].find({**which, "_id": {"$gt": after}}, _FIELDS)
        return [_found(user) for user in users.sort("_id", ASCENDING).limit(limit)]

    @answer_or_unavailable()
    def _in_range(self, name: KeyName, bounds: Document, limit: int) -> list[FoundUser]:
        users = self._connection["users"].find({name: bounds}, _FIELDS)
        return [_found(user) for user in users.sort([(name, ASCENDING), ("_id", ASCENDING)]).limit(limit)]


def _found(document: Document) -> FoundUser:
    return FoundUser(user_of(document["_id"], document), *(document.get(key) for key in _KEYS))
