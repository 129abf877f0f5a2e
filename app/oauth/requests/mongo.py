"""Kept authorization requests in MongoDB: one document each, with the fields of `StoredRequest`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, ClassVar

from app.oauth.requests.model import StoredRequest
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, answer_or_unavailable
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime


class MongoStoredRequests:
    """`app.oauth.requests.model.StoredRequests` on MongoDB. The parameters are JSON, as in SQL."""

    INDEXES: ClassVar[tuple[Index, ...]] = (Index("oauth_requests", "expires_at"),)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, request: StoredRequest) -> None:
        self._connection["oauth_requests"].insert_one(
            {
                "_id": request.id,
                "client_id": request.client_id,
                "parameters": json.dumps(dict(request.parameters)),
                "pushed": request.pushed,
                "created_at": request.created_at,
                "expires_at": request.expires_at,
            }
        )

    @answer_or_unavailable()
    def find(self, request_id: str, now: datetime) -> StoredRequest | None:
        found = self._connection["oauth_requests"].find_one({"_id": request_id, "expires_at": {"$gt": now}})
        if found is None:
            return None
        parameters = {name: tuple(values) for name, values in json.loads(found["parameters"]).items()}
        return StoredRequest(
            request_id, found["client_id"], parameters, found["created_at"], found["expires_at"], found["pushed"]
        )

    @answer_or_unavailable()
    def take(self, request_id: str, now: datetime) -> bool:
        live = {"_id": request_id, "expires_at": {"$gt": now}}
        return self._connection["oauth_requests"].delete_one(live).deleted_count == 1

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["oauth_requests"], {"expires_at": {"$lte": now}}, limit)
