"""Consents in MongoDB: one document each, with the fields of `Consent`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, ClassVar, Final

from pymongo import ASCENDING
from pymongo.errors import DuplicateKeyError

from app.audit.mongo import add_events, take_back
from app.oauth.consents.model import COVERED, Consent, Outcome
from app.platform.errors import Unavailable
from app.sessions.mongo import MongoSessions
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from app.audit.model import AuditEvent

_FIELDS: Final = tuple(field.name for field in fields(Consent) if field.name != "id")
_LISTS: Final = ("scopes", "resources")
_ATTEMPTS: Final = 100


class MongoConsents:
    """`app.oauth.consents.model.Consents` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("oauth_consents", "user_id", unique=True, then=("client_id",)),
        Index("oauth_consents", "client_id"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sessions = MongoSessions(connection)

    @answer_or_unavailable()
    def allow(self, consent: Consent, session_id: str, events: Sequence[AuditEvent] = (), *, most: int) -> Outcome:
        for _ in range(_ATTEMPTS):
            before = self.find(consent.user_id, consent.client_id)
            written = consent if before is None else before.widened(consent)
            if not self._write(before, written):
                continue  # another was faster: read it
            add_events(self._connection, events)
            outcome = self._outcome(consent, session_id, None if before else most)
            if outcome != "kept":
                self._undo(before, written)
                take_back(self._connection, events)
            return outcome
        raise Unavailable

    @answer_or_unavailable()
    def find(self, user_id: str, client_id: str) -> Consent | None:
        found = self._connection["oauth_consents"].find_one({"user_id": user_id, "client_id": client_id})
        return None if found is None else _consent_of(found)

    @answer_or_unavailable()
    def of_user(self, user_id: str) -> list[Consent]:
        found = self._connection["oauth_consents"].find({"user_id": user_id}).sort("_id", ASCENDING)
        return [_consent_of(document) for document in found]

    @answer_or_unavailable()
    def touch(self, user_id: str, client_id: str, now: datetime) -> bool:
        this, used = {"user_id": user_id, "client_id": client_id}, {"$max": {"last_used_at": now}}
        return self._connection["oauth_consents"].update_one(this, used).matched_count == 1

    @answer_or_unavailable()
    def remove(self, user_id: str, client_id: str, events: Sequence[AuditEvent] = ()) -> bool:
        this = {"user_id": user_id, "client_id": client_id}
        if self._connection["oauth_consents"].delete_one(this).deleted_count == 0:
            return False
        add_events(self._connection, events)
        # The user behind the events: the erasure of a deleted user either finds these, or has marked them by now.
        if self._connection["users"].find_one({"_id": user_id, "status": {"$ne": "deleted"}}, {"_id": 1}):
            return True
        take_back(self._connection, events)
        return False

    @answer_or_unavailable()
    def remove_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["oauth_consents"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def remove_some_of_client(self, client_id: str, limit: int) -> int:
        return delete_batch(self._connection["oauth_consents"], {"client_id": client_id}, limit)

    def _write(self, before: Consent | None, written: Consent) -> bool:
        """Add a consent, or put it in the place of `before`; False if that is not what is stored."""
        document = _document_of(written)
        if before is not None:
            change = {"$set": {name: document[name] for name in COVERED if name in document}}
            return self._connection["oauth_consents"].update_one(_unchanged(before), change).matched_count == 1
        try:
            self._connection["oauth_consents"].insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    def _outcome(self, consent: Consent, session_id: str, most: int | None) -> Outcome:
        """Looked at behind the write: a deleted user has no sessions left, so their erasure finds the consent, or this
        finds no session. Of those that are added at once, the last one counts all."""
        if self._sessions.principal(session_id, consent.user_id, consent.created_at) is None:
            return "ended"
        if most is not None and self._connection["oauth_consents"].count_documents({"user_id": consent.user_id}) > most:
            return "full"
        return "kept"

    def _undo(self, before: Consent | None, written: Consent) -> None:
        """Take a write back. What others have widened meanwhile stays, unless the user is deleted."""
        if before is None:
            self._connection["oauth_consents"].delete_one(_unchanged(written))
        else:
            back = {name: list(getattr(before, name)) for name in _LISTS} | {"revision": written.revision + 1}
            self._connection["oauth_consents"].update_one(_unchanged(written), {"$set": back})
        there = {"_id": written.user_id, "status": {"$ne": "deleted"}}
        if self._connection["users"].find_one(there, {"_id": 1}) is None:
            self._connection["oauth_consents"].delete_many({"user_id": written.user_id})


def _unchanged(consent: Consent) -> Document:
    return {"_id": consent.id, "revision": consent.revision}


def _document_of(consent: Consent) -> Document:
    document = {"_id": consent.id} | {name: getattr(consent, name) for name in _FIELDS}
    return without_none(document | {name: list(getattr(consent, name)) for name in _LISTS})


def _consent_of(document: Document) -> Consent:
    known: dict[str, Any] = {name: document[name] for name in _FIELDS if name in document}
    return Consent(document["_id"], **known | {name: tuple(document[name]) for name in _LISTS})
