"""Secrets of authenticator apps in MongoDB: one document each, with the fields of `TotpSecret`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pymongo import ASCENDING

from app.factors.totp_secrets.model import TotpSecret
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(TotpSecret) if field.name != "id")


class MongoTotpSecrets:
    """`app.factors.totp_secrets.model.TotpSecrets` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("totp_secrets", "user_id"),
        Index("totp_secrets", "wrapped_by"),
        Index("totp_secrets", "expires_at", sparse=True),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, secret: TotpSecret) -> None:
        document = {"_id": secret.id} | {name: getattr(secret, name) for name in _FIELDS}
        self._connection["totp_secrets"].insert_one(without_none(document))

    @answer_or_unavailable()
    def get(self, secret_id: str) -> TotpSecret | None:
        found = self._connection["totp_secrets"].find_one({"_id": secret_id})
        return None if found is None else _secret_of(found)

    @answer_or_unavailable()
    def spend(self, secret_id: str, step: int, now: datetime) -> bool:
        earlier = {"_id": secret_id, "$or": [{"last_step": None}, {"last_step": {"$lt": step}}]}
        change = {"$set": {"last_step": step, "last_used_at": now}, "$unset": {"expires_at": ""}}
        return self._connection["totp_secrets"].update_one(earlier, change).matched_count == 1

    @answer_or_unavailable()
    def reseal(self, seen: TotpSecret, sealed: str, wrapped_by: str) -> bool:
        change = {"$set": {"sealed": sealed, "wrapped_by": wrapped_by}}
        guard = {"_id": seen.id, "sealed": seen.sealed}
        return self._connection["totp_secrets"].update_one(guard, change).matched_count == 1

    @answer_or_unavailable()
    def sealed_otherwise(self, wrapped_by: str, *, after: str, limit: int) -> list[TotpSecret]:
        others = {"_id": {"$gt": after}, "wrapped_by": {"$ne": wrapped_by}}
        found = self._connection["totp_secrets"].find(others).sort("_id", ASCENDING).limit(limit)
        return [_secret_of(document) for document in found]

    @answer_or_unavailable()
    def seals(self) -> dict[str, int]:
        by_name: list[Document] = [{"$group": {"_id": "$wrapped_by", "many": {"$sum": 1}}}]
        return {found["_id"]: found["many"] for found in self._connection["totp_secrets"].aggregate(by_name)}

    @answer_or_unavailable()
    def remove(self, secret_id: str) -> None:
        self._connection["totp_secrets"].delete_one({"_id": secret_id})

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["totp_secrets"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["totp_secrets"], {"expires_at": {"$lte": now}}, limit)


def _secret_of(document: Document) -> TotpSecret:
    known: dict[str, Any] = {name: document[name] for name in _FIELDS if name in document}
    return TotpSecret(document["_id"], **known)
