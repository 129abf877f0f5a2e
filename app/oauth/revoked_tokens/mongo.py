"""Revoked tokens in MongoDB: one document each, whose `_id` is the `jti`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pymongo.errors import DuplicateKeyError

from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, answer_or_unavailable
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime


class MongoRevokedTokens:
    """`app.oauth.revoked_tokens.model.RevokedTokens` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (Index("revoked_tokens", "expires_at"),)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, token_id: str, expires_at: datetime) -> bool:
        kept = {"$setOnInsert": {"expires_at": expires_at}}
        try:
            return self._connection["revoked_tokens"].update_one({"_id": token_id}, kept, upsert=True).did_upsert
        except DuplicateKeyError:  # somebody else was faster
            return False

    @answer_or_unavailable()
    def has(self, token_id: str) -> bool:
        return self._connection["revoked_tokens"].find_one({"_id": token_id}, {"_id": 1}) is not None

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["revoked_tokens"], {"expires_at": {"$lte": now}}, limit)
