"""Accounts at providers in MongoDB: one document each, with the fields of `Identity`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from app.social.identities.model import Identity
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(Identity) if field.name != "id")


class MongoIdentities:
    """`app.social.identities.model.Identities` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("provider_identities", "digest", unique=True),
        Index("provider_identities", "user_id"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, identity: Identity) -> bool:
        document = {"_id": identity.id} | {name: getattr(identity, name) for name in _FIELDS}
        try:
            self._connection["provider_identities"].insert_one(without_none(document))
        except DuplicateKeyError:
            return False
        return True

    @answer_or_unavailable()
    def find(self, digest: str) -> Identity | None:
        found = self._connection["provider_identities"].find_one({"digest": digest})
        return None if found is None else _identity_of(found)

    @answer_or_unavailable()
    def of_user(self, user_id: str) -> list[Identity]:
        found = self._connection["provider_identities"].find({"user_id": user_id}).sort("_id", ASCENDING)
        return [_identity_of(document) for document in found]

    @answer_or_unavailable()
    def touch(self, identity_id: str, now: datetime) -> None:
        self._connection["provider_identities"].update_one({"_id": identity_id}, {"$set": {"last_used_at": now}})

    @answer_or_unavailable()
    def remove(self, identity_id: str) -> None:
        self._connection["provider_identities"].delete_one({"_id": identity_id})

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["provider_identities"], {"user_id": user_id}, limit)


def _identity_of(document: Document) -> Identity:
    known: dict[str, Any] = {name: document.get(name) for name in _FIELDS}
    return Identity(document["_id"], **known)
