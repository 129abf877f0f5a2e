"""Users in MongoDB.

The document is the whole account:

_id, email, email_key, email_verified, username, username_key, name, roles, status, created_at, last_login_at,
password_hash, auth_epoch, kept_session, codes, pending_email, pending_email_key, undo_offers, notices, due_at, revision

Codes, pending e-mail, undo offers and notices are documents in it, with the fields of their dataclasses. What a user
does not have is absent, never null. A document from before there was a revision counts as one of revision 0.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from app.accounts.model import Account, AlreadyThereError, Credentials, LiveCode, Notice, PendingEmail, UndoOffer, User
from app.platform.errors import EmailTaken, Unavailable, UsernameTaken
from app.platform.identifiers import email_key, username_key
from app.store.mongo.connection import Connection, Document, answering, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

T = TypeVar("T")
_ATTEMPTS: Final = 20
"""How often a write is tried whose name others keep taking and giving up, before the name is refused."""

USER_FIELDS: Final = (
    "email", "email_verified", "username", "name", "roles", "status", "created_at", "last_login_at",
)  # fmt: skip
"""The fields of a document that make up a `User`, besides `_id`."""

_USER: Final = dict.fromkeys(USER_FIELDS, 1)
_CREDENTIALS: Final = _USER | {"password_hash": 1, "auth_epoch": 1}


class MongoUsers:
    """`app.accounts.model.Users` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("users", "email_key", unique=True),
        Index("users", "username_key", unique=True),
        Index("users", "pending_email_key", sparse=True),
        Index("users", "due_at", sparse=True),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answering()
    def add(self, account: Account) -> None:
        user = account.user
        first = {"_id": user.id, "created_at": user.created_at, "last_login_at": user.last_login_at}
        document = without_none(first | _fields_of(account) | {"revision": account.revision})
        self._write(account, lambda: self._connection.users.insert_one(document), adds=True)

    @answering()
    def account(self, user_id: str) -> Account | None:
        return self._account({"_id": user_id})

    @answering()
    def account_by_email(self, email_key: str) -> Account | None:
        return self._account({"email_key": email_key})

    @answering()
    def accounts_changing_to(self, email_key: str, limit: int) -> list[Account]:
        found = self._connection.users.find({"pending_email_key": email_key}).sort("_id", DESCENDING).limit(limit)
        return [_account_of(document) for document in found]

    @answering()
    def save(self, account: Account) -> bool:
        guard = {"_id": account.user.id, "revision": account.revision or {"$in": [0, None]}}
        fields = _fields_of(account)
        change: Document = {"$set": without_none(fields), "$inc": {"revision": 1}}
        if missing := {name: "" for name, value in fields.items() if value is None}:
            change["$unset"] = missing
        return self._write(account, lambda: self._connection.users.update_one(guard, change)).matched_count == 1

    @answering()
    def due(self, now: datetime, limit: int) -> list[str]:
        found = self._connection.users.find({"due_at": {"$lte": now}}, {"_id": 1}).sort("due_at", ASCENDING)
        return [document["_id"] for document in found.limit(limit)]

    @answering()
    def any_with_role(self, role: str) -> bool:
        return self._has({"roles": role, "status": "active"})

    @answering()
    def remove(self, user_id: str) -> None:
        self._connection.users.delete_one({"_id": user_id})

    @answering()
    def credentials_by_email(self, email_key: str) -> Credentials | None:
        return self._credentials({"email_key": email_key})

    @answering()
    def credentials_by_username(self, username_key: str) -> Credentials | None:
        return self._credentials({"username_key": username_key})

    @answering()
    def replace_hash(self, user_id: str, verified: str, new: str) -> bool:
        guard = {"_id": user_id, "password_hash": verified}
        change = {"$set": {"password_hash": new}, "$inc": {"revision": 1}}
        return self._connection.users.update_one(guard, change).matched_count == 1

    @answering()
    def end_sessions(self, user_id: str, keep: str | None) -> bool:
        change: Document = {"$inc": {"auth_epoch": 1, "revision": 1}}
        change |= {"$unset": {"kept_session": ""}} if keep is None else {"$set": {"kept_session": keep}}
        return self._connection.users.update_one({"_id": user_id, "status": "active"}, change).matched_count == 1

    @answering()
    def page(self, *, after: str | None, limit: int, active_only: bool) -> list[User]:
        behind: Document = {} if after is None else {"_id": {"$gt": after}}
        status: Document = {"status": "active" if active_only else {"$ne": "deleted"}}
        found = self._connection.users.find(behind | status, _USER).sort("_id", ASCENDING).limit(limit)
        return [user_of(document["_id"], document) for document in found]

    def _account(self, key: Document) -> Account | None:
        found = self._connection.users.find_one(key)
        return None if found is None else _account_of(found)

    def _credentials(self, key: Document) -> Credentials | None:
        found = self._connection.users.find_one(key, _CREDENTIALS)
        if found is None:
            return None
        return Credentials(user_of(found["_id"], found), found.get("password_hash"), found["auth_epoch"])

    def _write(self, account: Account, write: Callable[[], T], *, adds: bool = False) -> T:
        """Run one write of names; raises EmailTaken, UsernameTaken, or, if it `adds` a user, AlreadyThereError."""
        user = account.user
        another = {"_id": {"$ne": user.id}}
        for _ in range(_ATTEMPTS):
            with suppress(DuplicateKeyError):
                return write()
            if user.email and self._has({"email_key": email_key(user.email)} | another):
                raise EmailTaken
            if user.username and self._has({"username_key": username_key(user.username)} | another):
                raise UsernameTaken
            if adds and self._has({"_id": user.id}):
                raise AlreadyThereError
            # The other user gave up the name before the read.
        raise Unavailable(retry_after=1)

    def _has(self, key: Document) -> bool:
        return self._connection.users.find_one(key, {"_id": 1}) is not None


def user_of(user_id: str, document: Document) -> User:
    """The user that a document with `USER_FIELDS` holds."""
    known = document.get
    return User(
        user_id,
        known("email"),
        document["email_verified"],
        known("username"),
        known("name"),
        tuple(document["roles"]),
        document["status"],
        document["created_at"],
        known("last_login_at"),
    )


def _fields_of(account: Account) -> Document:
    """The fields of an account that each replacement writes; one without a value is None."""
    user, pending = account.user, account.pending_email
    return {
        "email": user.email,
        "email_key": user.email and email_key(user.email),
        "email_verified": user.email_verified,
        "username": user.username,
        "username_key": user.username and username_key(user.username),
        "name": user.name,
        "roles": list(user.roles),
        "status": user.status,
        "password_hash": account.password_hash,
        "auth_epoch": account.auth_epoch,
        "kept_session": account.kept_session,
        "codes": _documents_of(account.codes),
        "pending_email": pending and asdict(pending),
        "pending_email_key": pending and email_key(pending.email),
        "undo_offers": _documents_of(account.undo_offers),
        "notices": _documents_of(account.notices),
        "due_at": account.due_at,
    }


def _documents_of(entities: Iterable[LiveCode | UndoOffer | Notice]) -> list[Document] | None:
    return [without_none(asdict(entity)) for entity in entities] or None


def _account_of(document: Document) -> Account:
    known = document.get
    pending = known("pending_email")
    return Account(
        user_of(document["_id"], document),
        known("password_hash"),
        document["auth_epoch"],
        known("kept_session"),
        tuple(LiveCode(**code) for code in known("codes", ())),
        pending and PendingEmail(**pending),
        tuple(UndoOffer(**offer) for offer in known("undo_offers", ())),
        tuple(Notice(**notice) for notice in known("notices", ())),
        known("due_at"),
        known("revision", 0),
    )
