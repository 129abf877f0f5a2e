"""Initial access tokens in MongoDB: one document each, with the fields of `RegistrationToken`."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, answer_or_unavailable
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

    from app.oauth.registration.model import RegistrationToken


class MongoRegistrationTokens:
    """`app.oauth.registration.model.RegistrationTokens` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (Index("registration_tokens", "expires_at"),)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, token: RegistrationToken) -> None:
        self._connection["registration_tokens"].insert_one(
            {
                "_id": token.id,
                "created_by": token.created_by,
                "created_at": token.created_at,
                "expires_at": token.expires_at,
                "uses_left": token.uses_left,
            }
        )

    @answer_or_unavailable()
    def use(self, token_id: str, now: datetime) -> bool:
        good = {"_id": token_id, "uses_left": {"$gt": 0}, "expires_at": {"$gt": now}}
        return self._connection["registration_tokens"].update_one(good, {"$inc": {"uses_left": -1}}).modified_count == 1

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["registration_tokens"], {"expires_at": {"$lte": now}}, limit)
