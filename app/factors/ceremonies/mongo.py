"""Ceremonies in MongoDB: one document each, with the fields of `Ceremony`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from app.factors.ceremonies.model import Ceremony
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(Ceremony) if field.name != "id")


class MongoCeremonies:
    """`app.factors.ceremonies.model.Ceremonies` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("ceremonies", "user_id", sparse=True),
        Index("ceremonies", "expires_at"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, ceremony: Ceremony) -> None:
        document = {"_id": ceremony.id} | {name: getattr(ceremony, name) for name in _FIELDS}
        self._connection["ceremonies"].insert_one(without_none(document))

    @answer_or_unavailable()
    def take(self, ceremony_id: str) -> Ceremony | None:
        found = self._connection["ceremonies"].find_one_and_delete({"_id": ceremony_id})
        if found is None:
            return None
        known: dict[str, Any] = {name: found[name] for name in _FIELDS if name in found}
        return Ceremony(found["_id"], **known)

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["ceremonies"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["ceremonies"], {"expires_at": {"$lte": now}}, limit)
