"""Authorization codes in MongoDB: one document each, with the fields of `Code`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pymongo import ReturnDocument

from app.oauth.codes.model import KEPT, Code, Opened
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(Code) if field.name != "id")
_LISTS: Final = ("scopes", "resources")


class MongoCodes:
    """`app.oauth.codes.model.Codes` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (Index("oauth_codes", "user_id"), Index("oauth_codes", "expires_at"))

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, code: Code) -> bool:
        document = {"_id": code.id} | {name: getattr(code, name) for name in _FIELDS}
        document |= {name: list(getattr(code, name)) for name in _LISTS}
        self._connection["oauth_codes"].insert_one(without_none(document))
        # The user after the code: the erasure of a deleted user either finds the code, or has marked them by now.
        there = {"_id": code.user_id, "status": "active", "auth_epoch": code.auth_epoch}
        if self._connection["users"].find_one(there, {"_id": 1}):
            return True
        self._connection["oauth_codes"].delete_one({"_id": code.id})
        return False

    @answer_or_unavailable()
    def find(self, code_id: str) -> Code | None:
        return _code_of(self._connection["oauth_codes"].find_one({"_id": code_id}))

    @answer_or_unavailable()
    def spend(self, code_id: str, client_id: str, session_id: str, now: datetime) -> Code | None:
        unused = {"_id": code_id, "client_id": client_id, "used_at": {"$exists": False}, "expires_at": {"$gt": now}}
        use = {"$set": {"used_at": now, "session_id": session_id}}
        return _code_of(
            self._connection["oauth_codes"].find_one_and_update(unused, use, return_document=ReturnDocument.AFTER)
        )

    @answer_or_unavailable()
    def note_reuse(self, code_id: str, client_id: str, now: datetime) -> Opened | None:
        used = {"_id": code_id, "client_id": client_id, "used_at": {"$exists": True}}
        found = self._connection["oauth_codes"].find_one_and_update(used, {"$min": {"reused_at": now}})
        return None if found is None else Opened(found["session_id"], found["user_id"])

    @answer_or_unavailable()
    def was_reused(self, code_id: str) -> bool:
        reused = {"_id": code_id, "reused_at": {"$exists": True}}
        return self._connection["oauth_codes"].find_one(reused, {"_id": 1}) is not None

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["oauth_codes"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["oauth_codes"], {"expires_at": {"$lte": now - KEPT}}, limit)


def _code_of(document: Document | None) -> Code | None:
    if document is None:
        return None
    known: dict[str, Any] = {name: document[name] for name in _FIELDS if name in document}
    return Code(document["_id"], **known | {name: tuple(document[name]) for name in _LISTS})
