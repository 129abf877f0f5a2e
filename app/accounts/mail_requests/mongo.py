"""Requests for mail in MongoDB: one document each, with the fields of `MailRequest` and the `email_key`.

A field without a value is absent, never null.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ASCENDING

from app.accounts.mail_requests.model import MailRequest, PendingRegistration
from app.platform import identifiers
from app.store.codec import Codec
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_REGISTRATION: Final = Codec(PendingRegistration)


class MongoMailRequests:
    """`app.accounts.mail_requests.model.MailRequests` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("mail_requests", "due_at"),
        Index("mail_requests", "email_key"),
        Index("mail_requests", "expires_at"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, request: MailRequest) -> None:
        self._connection["mail_requests"].insert_one(_document_of(request))

    @answer_or_unavailable()
    def get(self, request_id: str) -> MailRequest | None:
        found = self._connection["mail_requests"].find_one({"_id": request_id})
        return _request_of(found) if found else None

    @answer_or_unavailable()
    def registrations(self, email_key: str, now: datetime, limit: int) -> list[MailRequest]:
        waiting = {"email_key": email_key, "kind": "register", "expires_at": {"$gt": now}}
        found = self._connection["mail_requests"].find(waiting).sort("_id", ASCENDING).limit(limit)
        return [_request_of(document) for document in found]

    @answer_or_unavailable()
    def due(self, now: datetime, limit: int) -> list[MailRequest]:
        due = {"due_at": {"$lte": now}}
        found = self._connection["mail_requests"].find(due).sort("due_at", ASCENDING).limit(limit)
        return [_request_of(document) for document in found]

    @answer_or_unavailable()
    def reschedule(self, request: MailRequest, due_at: datetime | None, attempts: int) -> bool:
        # A guard of None matches an absent field.
        still_seen = {"_id": request.id, "due_at": request.due_at}
        change: Document = {"$set": without_none({"attempts": attempts, "due_at": due_at})}
        if due_at is None:
            change["$unset"] = {"due_at": ""}
        return self._connection["mail_requests"].update_one(still_seen, change).matched_count == 1

    @answer_or_unavailable()
    def remove(self, request_id: str) -> bool:
        return self._connection["mail_requests"].delete_one({"_id": request_id}).deleted_count == 1

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        return delete_batch(self._connection["mail_requests"], {"expires_at": {"$lte": now}}, limit)


def _document_of(request: MailRequest) -> Document:
    registration = request.registration and _REGISTRATION.document(request.registration)
    return without_none(
        {
            "_id": request.id,
            "kind": request.kind,
            "email": request.email,
            "email_key": identifiers.comparable_email(request.email),
            "created_at": request.created_at,
            "expires_at": request.expires_at,
            "due_at": request.due_at,
            "attempts": request.attempts,
            "registration": registration,
        }
    )


def _request_of(document: Document) -> MailRequest:
    return MailRequest(
        document["_id"],
        document["kind"],
        document["email"],
        document["created_at"],
        document["expires_at"],
        document.get("due_at"),
        document["attempts"],
        _REGISTRATION.entity(document["registration"]) if "registration" in document else None,
    )
