"""Device codes in MongoDB: one document each, with the fields of `DeviceCode`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from app.oauth.device_codes.model import (
    APPROVED,
    DENIED,
    KEPT,
    LONGER,
    LONGEST_PAUSE,
    PENDING,
    USED,
    Approval,
    DeviceCode,
    Polled,
)
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(DeviceCode) if field.name != "id")
_LISTS: Final = ("scopes", "resources")


class MongoDeviceCodes:
    """`app.oauth.device_codes.model.DeviceCodes` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("oauth_device_codes", "user_code", unique=True),
        Index("oauth_device_codes", "user_id"),
        Index("oauth_device_codes", "expires_at"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, code: DeviceCode) -> bool:
        document = {"_id": code.id} | {name: getattr(code, name) for name in _FIELDS}
        document |= {name: list(getattr(code, name)) for name in _LISTS}
        try:
            self._connection["oauth_device_codes"].insert_one(without_none(document))
        except DuplicateKeyError:
            return False
        return True

    @answer_or_unavailable()
    def find(self, code_id: str) -> DeviceCode | None:
        return _code_of(self._connection["oauth_device_codes"].find_one({"_id": code_id}))

    @answer_or_unavailable()
    def find_by_user_code(self, user_code: str, now: datetime) -> DeviceCode | None:
        waiting = {"user_code": user_code, "status": PENDING, "expires_at": {"$gt": now}}
        return _code_of(self._connection["oauth_device_codes"].find_one(waiting))

    @answer_or_unavailable()
    def poll(self, code_id: str, client_id: str, now: datetime) -> Polled:
        own = {"_id": code_id, "client_id": client_id}
        code = _code_of(self._connection["oauth_device_codes"].find_one(own))
        if code is None or not code.is_open(now):
            return Polled(code)
        in_time = own | {
            "pause": code.pause,
            "$or": [{"polled_at": {"$exists": False}}, {"polled_at": {"$lte": code.latest_poll(now)}}],
        }
        found = self._connection["oauth_device_codes"].find_one_and_update(
            in_time, {"$set": {"polled_at": now}}, return_document=ReturnDocument.AFTER
        )
        if found is not None:
            return Polled(_code_of(found))
        short = own | {"pause": {"$lte": LONGEST_PAUSE - LONGER}}
        self._connection["oauth_device_codes"].update_one(
            short, {"$inc": {"pause": LONGER}, "$max": {"polled_at": now}}
        )
        return Polled(code, too_fast=True)

    @answer_or_unavailable()
    def answer(self, code_id: str, approval: Approval | None, now: datetime) -> bool:
        waiting = {"_id": code_id, "status": PENDING, "expires_at": {"$gt": now}}
        decided: dict[str, Any] = {"status": DENIED} if approval is None else {"status": APPROVED, **approval._asdict()}
        if self._connection["oauth_device_codes"].update_one(waiting, {"$set": decided}).modified_count == 0:
            return False
        if approval is None:
            return True
        # The user after the answer: the erasure of a deleted user either finds the code, or has marked them by now.
        there = {"_id": approval.user_id, "status": "active", "auth_epoch": approval.auth_epoch}
        if self._connection["users"].find_one(there, {"_id": 1}):
            return True
        self._connection["oauth_device_codes"].delete_one({"_id": code_id})
        return False

    @answer_or_unavailable()
    def spend(self, code_id: str, client_id: str, now: datetime) -> DeviceCode | None:
        approved = {"_id": code_id, "client_id": client_id, "status": APPROVED, "expires_at": {"$gt": now}}
        return _code_of(
            self._connection["oauth_device_codes"].find_one_and_update(
                approved, {"$set": {"status": USED}}, return_document=ReturnDocument.AFTER
            )
        )

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["oauth_device_codes"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["oauth_device_codes"], {"expires_at": {"$lte": now - KEPT}}, limit)


def _code_of(document: Document | None) -> DeviceCode | None:
    if document is None:
        return None
    known: dict[str, Any] = {name: document[name] for name in _FIELDS if name in document}
    return DeviceCode(document["_id"], **known | {name: tuple(document[name]) for name in _LISTS})
