"""Passkeys in MongoDB: one document each, with the fields of `Passkey`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from app.factors.passkeys.model import Passkey
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(Passkey) if field.name != "id")


class MongoPasskeys:
    """`app.factors.passkeys.model.Passkeys` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("passkey_credentials", "credential_digest", unique=True),
        Index("passkey_credentials", "user_id"),
        Index("passkey_credentials", "rp_id"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, passkey: Passkey) -> bool:
        document = {"_id": passkey.id} | {name: getattr(passkey, name) for name in _FIELDS}
        try:
            self._connection["passkey_credentials"].insert_one(without_none(document))
        except DuplicateKeyError:
            return False
        return True

    @answer_or_unavailable()
    def find(self, credential_digest: str) -> Passkey | None:
        found = self._connection["passkey_credentials"].find_one({"credential_digest": credential_digest})
        return None if found is None else _passkey_of(found)

    @answer_or_unavailable()
    def of_user(self, user_id: str) -> list[Passkey]:
        found = self._connection["passkey_credentials"].find({"user_id": user_id}).sort("_id", ASCENDING)
        return [_passkey_of(document) for document in found]

    @answer_or_unavailable()
    def record_use(self, passkey_id: str, sign_count: int, *, backed_up: bool, now: datetime) -> bool:
        before = {"$lt": sign_count} if sign_count else 0
        change = {"$set": {"sign_count": sign_count, "backed_up": backed_up, "last_used_at": now}}
        guard = {"_id": passkey_id, "sign_count": before}
        return self._connection["passkey_credentials"].update_one(guard, change).matched_count == 1

    @answer_or_unavailable()
    def rp_ids(self) -> dict[str, int]:
        by_rp_id: list[Document] = [{"$group": {"_id": "$rp_id", "many": {"$sum": 1}}}]
        return {found["_id"]: found["many"] for found in self._connection["passkey_credentials"].aggregate(by_rp_id)}

    @answer_or_unavailable()
    def remove(self, passkey_id: str) -> None:
        self._connection["passkey_credentials"].delete_one({"_id": passkey_id})

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["passkey_credentials"], {"user_id": user_id}, limit)


def _passkey_of(document: Document) -> Passkey:
    known: dict[str, Any] = {name: document[name] for name in _FIELDS if name in document}
    return Passkey(document["_id"], **known | {"transports": tuple(known["transports"])})
