"""Sessions in MongoDB: one document each, with the fields of `Session`; one that ends is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

import pymongo
from pymongo.errors import AutoReconnect

from app.accounts.mongo import USER_FIELDS, user_of
from app.accounts.principal import Principal
from app.roles.mongo import WITH_BOOK, book_version
from app.sessions.model import LiveSession, Session
from app.store.mongo.batches import delete_batch
from app.store.mongo.connection import CODEC, Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from datetime import datetime

_FIELDS: Final = (
    "user_id", "auth_epoch", "seed", "generation", "created_at", "last_used_at", "idle_expires_at", "expires_at",
    "ip", "user_agent", "rotated_at",
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
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def open(self, session: Session) -> bool:
        self._connection["sessions"].insert_one(
            without_none({"_id": session.id} | {name: getattr(session, name) for name in _FIELDS})
        )
        # Look at the user after the insert: the erasure of a deleted user either finds the session, or has marked them
        # as deleted by now.
        still_there = {"_id": session.user_id, "status": {"$ne": "deleted"}}
        login = {"$max": {"last_login_at": session.created_at}}
        if self._connection["users"].update_one(still_there, login).matched_count == 1:
            return True
        self._connection["sessions"].delete_one({"_id": session.id})
        return False

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
    def touch(self, session_id: str, now: datetime) -> None:
        self._connection["sessions"].update_one({"_id": session_id}, {"$max": {"last_used_at": now}})

    @answer_or_unavailable()
    def end(self, session_id: str, user_id: str) -> bool:
        if self._connection["sessions"].delete_one({"_id": session_id, "user_id": user_id}).deleted_count == 0:
            return False
        self._connection["users"].update_one({"_id": user_id}, {"$inc": {"revision": 1}})
        return True

    @answer_or_unavailable()
    def end_some_of(self, user_id: str, limit: int) -> int:
        return delete_batch(self._connection["sessions"], {"user_id": user_id}, limit)

    @answer_or_unavailable()
    def trim(self, user_id: str, keep: int) -> None:
        if not self._surplus(user_id, keep):
            return
        # A session that is no longer live takes no place from one that is.
        user = self._connection["users"].find_one({"_id": user_id}, {"auth_epoch": 1, "kept_session": 1})
        if user is not None:
            former = {"user_id": user_id, "auth_epoch": {"$lt": user["auth_epoch"]}}
            self._connection["sessions"].delete_many(former | {"_id": {"$ne": user.get("kept_session")}})
        if surplus := self._surplus(user_id, keep):
            self._connection["sessions"].delete_many({"_id": {"$in": surplus}})

    @answer_or_unavailable()
    def delete_expired(self, now: datetime, limit: int) -> int:
        passed = {"$lte": now}
        expired = {"$or": [{"idle_expires_at": passed}, {"expires_at": passed}]}
        return delete_batch(self._connection["sessions"], expired, limit)

    def _surplus(self, user_id: str, keep: int) -> list[str]:
        order = [("last_used_at", pymongo.DESCENDING), ("_id", pymongo.DESCENDING)]
        found = self._connection["sessions"].find({"user_id": user_id}, {"_id": 1}).sort(order).skip(keep)
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
