"""Logins at providers in MongoDB: one document each, with the fields of `Flow`.

A field without a value is absent, never null.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pymongo import ReturnDocument

from app.social.flows.model import Flow
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = tuple(field.name for field in fields(Flow) if field.name != "id")
_ABSENT: Final = {"$exists": False}


class MongoFlows:
    """`app.social.flows.model.Flows` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("provider_flows", "code", unique=True),
        Index("provider_flows", "user_id", sparse=True),
        Index("provider_flows", "expires_at"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, flow: Flow) -> None:
        document = {"_id": flow.id} | {name: getattr(flow, name) for name in _FIELDS}
        self._connection["provider_flows"].insert_one(without_none(document))

    @answer_or_unavailable()
    def keep_answer(self, flow_id: str, answer: str, now: datetime) -> bool:
        waiting = {"_id": flow_id, "expires_at": {"$gt": now}, "taken_at": _ABSENT, "answer": _ABSENT}
        change = {"$set": {"answer": answer}}
        return self._connection["provider_flows"].update_one(waiting, change).matched_count == 1

    @answer_or_unavailable()
    def take(self, flow_id: str, browser: str, now: datetime) -> Flow | None:
        waiting = {"_id": flow_id, "browser": browser, "expires_at": {"$gt": now}, "taken_at": _ABSENT}
        return _flow_of(
            self._connection["provider_flows"].find_one_and_update(
                waiting, {"$set": {"taken_at": now}}, return_document=ReturnDocument.AFTER
            )
        )

    @answer_or_unavailable()
    def finish(self, flow_id: str, code: str, outcome: str, expires_at: datetime) -> bool:
        taken = {"_id": flow_id, "taken_at": {"$exists": True}, "code": _ABSENT}
        change = {"$set": {"code": code, "outcome": outcome, "expires_at": expires_at}, "$unset": {"answer": ""}}
        return self._connection["provider_flows"].update_one(taken, change).matched_count == 1

    @answer_or_unavailable()
    def redeem(self, code: str) -> Flow | None:
        return _flow_of(self._connection["provider_flows"].find_one_and_delete({"code": code}))

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["provider_flows"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["provider_flows"], {"expires_at": {"$lte": now}}, limit)


def _flow_of(document: Document | None) -> Flow | None:
    if document is None:
        return None
    known: dict[str, Any] = {name: document.get(name) for name in _FIELDS}
    return Flow(document["_id"], **known)
