"""Sessions in MongoDB: one document each, with the fields of `Session`; one that ends is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import pymongo
from pymongo.errors import AutoReconnect

from app.accounts.mongo import USER_FIELDS, user_of
from app.accounts.principal import Principal
from app.audit.mongo import add_events, take_back
from app.roles.mongo import WITH_BOOK, book_version
from app.sessions.model import LiveSession, Session
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import CODEC, Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from app.audit.model import AuditEvent

_FIELDS: Final = (
    "user_id", "auth_epoch", "seed", "generation", "created_at", "last_used_at", "idle_expires_at", "expires_at",
    "ip", "user_agent", "rotated_at", "authenticated_at", "amr", "client_id", "first_party",
    "scopes", "resources", "parent_id", "dpop_jkt",
)  # fmt: skip
"""The fields of a document that make up a `Session`, besides `_id`."""

_USER_OF_SESSION: Final[tuple[Document, ...]] = (
    {"$lookup": {"from": "users", "localField": "user_id", "foreignField": "_id", "as": "user"}},
    {"$unwind": "$user"},
    *WITH_BOOK,
)
_WITH_ITS_USER: Final = (
    *_USER_OF_SESSION,
    {
        "$project": {
            "auth_epoch": 1,
            "created_at": 1,
            "last_used_at": 1,
            "client_id": 1,
            "first_party": 1,
            "scopes": 1,
            "book.version": 1,
            "user.auth_epoch": 1,
            "user.kept_session": 1,
            **{f"user.{name}": 1 for name in USER_FIELDS},
        }
    },
)


class MongoSessions:
    """`app.sessions.model.Sessions` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("sessions", "user_id"),
        Index("sessions", "expires_at"),
        Index("sessions", "idle_expires_at"),
        Index("sessions", "client_id"),
        Index("sessions", "parent_id"),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def open(self, session: Session, events: Sequence[AuditEvent] = (), *, most: int | None = None) -> bool:
        self._connection["sessions"].insert_one(
            without_none({"_id": session.id} | {name: getattr(session, name) for name in _FIELDS})
        )
        add_events(self._connection, events)
        # Look at the user after the inserts: the erasure of a deleted user either finds session and events, or has
        # marked them as deleted by now.
        unchanged = {"_id": session.user_id, "status": "active", "auth_epoch": session.auth_epoch}
        login = {"$max": {"last_login_at": session.created_at}}
        user = self._connection["users"].find_one_and_update(unchanged, login, {"kept_session": 1})
        # The parent behind the insert, too: whoever ends it looks for its children afterwards.
        if user is None or not self._is_there(session.parent_id):
            self._connection["sessions"].delete_one({"_id": session.id})
            take_back(self._connection, events)
            return False
        if most is not None:
            self._trim(session, user.get("kept_session"), most)
        return True

    def _is_there(self, parent_id: str | None) -> bool:
        return parent_id is None or self._connection["sessions"].find_one({"_id": parent_id}, {"_id": 1}) is not None

    def principal(self, session_id: str, user_id: str, now: datetime) -> Principal | None:
        # Every authenticated request comes through here. A plain command takes a tenth less CPU than
        # Collection.aggregate, whose cursor is not needed here. In return, the driver does not repeat it when the
        # connection is lost.
        live = {"_id": session_id, "user_id": user_id, **_unexpired(now)}
        with answer_or_unavailable():
            try:
                found = self._with_user(live)
            except AutoReconnect:
                found = self._with_user(live)
        if not found:
            return None
        session, user = found[0], found[0]["user"]
        if not _is_live(session, user):
            return None
        return Principal(
            user_of(user_id, user),
            session_id,
            session["created_at"],
            session["last_used_at"],
            roles_version=book_version(session),
            client_id=session.get("client_id"),
            first_party=session.get("first_party") or False,
            scopes=tuple((session.get("scopes") or "").split()),
        )

    @answer_or_unavailable()
    def find_live(self, session_id: str, now: datetime) -> LiveSession | None:
        live = {"_id": session_id, **_unexpired(now)}
        found = list(self._connection["sessions"].aggregate([{"$match": live}, *_USER_OF_SESSION]))
        if not found or not _is_live(found[0], found[0]["user"]):
            return None
        user = user_of(found[0]["user_id"], found[0]["user"])
        return LiveSession(_session_of(found[0]), user, book_version(found[0]))

    @answer_or_unavailable()
    def of_user(self, user_id: str, now: datetime) -> list[Session]:
        epochs = {"auth_epoch": 1, "kept_session": 1}
        user = self._connection["users"].find_one({"_id": user_id, "status": "active"}, epochs)
        if user is None:
            return []
        of_this_epoch = [{"auth_epoch": user["auth_epoch"]}, {"_id": user.get("kept_session")}]
        live = {"user_id": user_id, "$or": of_this_epoch, **_unexpired(now)}
        return [
            _session_of(document) for document in self._connection["sessions"].find(live).sort("_id", pymongo.ASCENDING)
        ]

    @answer_or_unavailable()
    def rotate(self, session_id: str, generation: int, *, now: datetime, idle_expires_at: datetime, ip: str) -> bool:
        guard = {"_id": session_id, "generation": generation}
        renewed = {"rotated_at": now, "last_used_at": now, "idle_expires_at": idle_expires_at, "ip": ip}
        change = {"$inc": {"generation": 1}, "$set": renewed}
        return self._connection["sessions"].update_one(guard, change).matched_count == 1

    @answer_or_unavailable()
    def reauthenticate(self, session_id: str, *, at: datetime, amr: str) -> bool:
        change = {"$set": {"authenticated_at": at, "amr": amr}}
        return self._connection["sessions"].update_one({"_id": session_id}, change).matched_count == 1

    @answer_or_unavailable()
    def touch(self, session_id: str, now: datetime) -> None:
        self._connection["sessions"].update_one({"_id": session_id}, {"$max": {"last_used_at": now}})

    @answer_or_unavailable()
    def end(
        self, session_id: str, user_id: str, events: Sequence[AuditEvent] = (), *, heir_id: str | None = None
    ) -> bool:
        # What is below it before and behind it: so a crash leaves none without a parent, and whoever opens one at the
        # same moment looks for the parent afterwards.
        self._end_below(session_id, user_id, heir_id)
        if self._connection["sessions"].delete_one({"_id": session_id, "user_id": user_id}).deleted_count == 0:
            return False
        self._end_below(session_id, user_id, heir_id)
        add_events(self._connection, events)
        # After the events, for the same reason as in `open`.
        there = {"_id": user_id, "status": {"$ne": "deleted"}}
        if self._connection["users"].update_one(there, {"$inc": {"revision": 1}}).matched_count == 1:
            return True
        take_back(self._connection, events)
        return False

    def _end_below(self, session_id: str, user_id: str, heir_id: str | None) -> None:
        parent_id = session_id
        if heir_id is not None:
            below = {"parent_id": session_id, "user_id": user_id}
            self._connection["sessions"].update_many(below, {"$set": {"parent_id": heir_id}})
            # The heir behind the write: whoever ends it looks for what is below it afterwards.
            if self._is_there(heir_id):
                return
            parent_id = heir_id
        self._connection["sessions"].delete_many({"parent_id": parent_id, "user_id": user_id})

    @answer_or_unavailable()
    def of_clients(self, user_id: str) -> list[Session]:
        these = {"user_id": user_id, "client_id": {"$exists": True}}
        return [_session_of(found) for found in self._connection["sessions"].find(these).sort("_id", pymongo.ASCENDING)]

    @answer_or_unavailable()
    def end_of_grant(self, user_id: str, client_id: str) -> int:
        ended = self._connection["sessions"].delete_many({"user_id": user_id, "client_id": client_id}).deleted_count
        self._raise_revisions([user_id])
        return ended

    @answer_or_unavailable()
    def end_some_of_client(
        self, client_id: str, limit: int, before: Callable[[Mapping[str, str]], None] | None = None
    ) -> int:
        found = list(self._connection["sessions"].find({"client_id": client_id}, {"user_id": 1}).limit(limit))
        if not found:
            return 0
        if before is not None:
            before({session["_id"]: session["user_id"] for session in found})
        self._connection["sessions"].delete_many({"_id": {"$in": [session["_id"] for session in found]}})
        self._raise_revisions([session["user_id"] for session in found])
        return len(found)

    @answer_or_unavailable()
    def end_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["sessions"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        passed = {"$lte": now}
        expired = {"$or": [{"idle_expires_at": passed}, {"expires_at": passed}]}
        return delete_batch(self._connection["sessions"], expired, limit)

    def _raise_revisions(self, user_ids: list[str]) -> None:
        there = {"_id": {"$in": user_ids}, "status": {"$ne": "deleted"}}
        self._connection["users"].update_many(there, {"$inc": {"revision": 1}})

    def _trim(self, opened: Session, kept: str | None, most: int) -> None:
        """End the sessions of a user and client that exceed `most`; epoch and `kept` say which of them are live.

        Logins at once all use the same order, and whoever looks last sees all sessions. If each spared its own session
        instead, two of them could end each other's.
        """
        epoch = opened.auth_epoch
        while surplus := self._surplus(opened, epoch, kept, most):
            user = self._connection["users"].find_one({"_id": opened.user_id}, {"auth_epoch": 1, "kept_session": 1})
            if user is None:
                return  # their erasure ends the sessions
            if (epoch, kept) == (user["auth_epoch"], user.get("kept_session")):
                these = {"$in": surplus}
                self._connection["sessions"].delete_many({"$or": [{"_id": these}, {"parent_id": these}]})
                return
            epoch, kept = user["auth_epoch"], user.get("kept_session")  # others are live by now

    def _surplus(self, opened: Session, epoch: int, kept: str | None, most: int) -> list[str]:
        """All sessions of a user and client but `most`: first the live ones count, then those used most recently."""
        live = {"$or": [{"$eq": ["$auth_epoch", epoch]}, {"$eq": ["$_id", kept]}]}
        found = self._connection["sessions"].aggregate(
            [
                {"$match": {"user_id": opened.user_id, "client_id": opened.client_id}},
                {"$project": {"last_used_at": 1, "live": live}},
                {"$sort": {"live": pymongo.DESCENDING, "last_used_at": pymongo.DESCENDING, "_id": pymongo.DESCENDING}},
                {"$skip": most},
            ]
        )
        return [document["_id"] for document in found]

    def _with_user(self, live: Document) -> list[Document]:
        reply = self._connection.database.command(
            {"aggregate": "sessions", "pipeline": [{"$match": live}, *_WITH_ITS_USER], "cursor": {}},
            codec_options=CODEC,
        )
        found: list[Document] = reply["cursor"]["firstBatch"]
        return found


def _is_live(session: Document, user: Document) -> bool:
    """Whether a session that has not expired is live for its user."""
    if user["status"] != "active":
        return False
    same_epoch: bool = session["auth_epoch"] == user["auth_epoch"]
    return same_epoch or session["_id"] == user.get("kept_session")


def _unexpired(now: datetime) -> Document:
    return {"expires_at": {"$gt": now}, "idle_expires_at": {"$gt": now}}


def _session_of(document: Document) -> Session:
    fields: dict[str, Any] = {name: document.get(name) for name in _FIELDS}
    return Session(document["_id"], **fields)
