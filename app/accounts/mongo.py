"""Users in MongoDB.

The document is the whole account:

_id, email, email_key, email_verified, username, username_key, name, name_key, roles, status, listed_status, created_at,
last_login_at, kind, password_hash, auth_epoch, kept_session, codes, pending_email, pending_email_key, undo_offers,
outbox, listed_keys, impersonations, returns_as, given_email, imported, breach_told_in, totp, recovery_codes, passkeys,
user_handle, factor_recovery, identities, due_at, revision, new_events

Codes, pending e-mail, undo offers, the entries of the outbox, the listed API keys, impersonations, authenticator apps,
recovery codes, passkeys, the recovery of lost factors and the accounts at providers are documents in it, with the
fields of their dataclasses. What a user does not have is absent, never null. A document from before there was a
revision counts as one of revision 0. What only a newer version knows stays as it is. `new_events` is for
`app.audit.mongo`. The password hash of a user with a second factor is marked (`app.accounts.stored_form`).
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar, Final, TypeVar

from pymongo import ASCENDING, DESCENDING
from pymongo.errors import DuplicateKeyError

from app.accounts.model import AlreadyThereError, User
from app.accounts.notices import Notice
from app.accounts.stored_form import FORMS, PARTS, UNDER_WAY, account_of, credentials_of, fields_of, unmarked
from app.audit.mongo import NEW_EVENTS, documents_of, move_all_events, move_events
from app.platform.errors import EmailTaken, Unavailable, UsernameTaken
from app.platform.identifiers import email_key, username_key
from app.store.codec import Codec
from app.store.mongo.connection import Connection, Document, answer_or_unavailable, without_none
from app.store.mongo.indexes import Index

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from app.accounts.account import Account
    from app.accounts.model import Credentials
    from app.audit.model import AuditEvent

T = TypeVar("T")
_NOTICES: Final = "notices"
"""Where versions before there was an outbox kept the mails that wait."""
_NOTICE: Final = Codec(Notice)
_ATTEMPTS: Final = 20
"""How often a write is tried whose name others keep taking and giving up, before the name is refused."""
_LOOKED_AT: Final = 1000
"""Users with a certain role that are read at once."""

USER_FIELDS: Final = (
    "email", "email_verified", "username", "name", "roles", "status", "created_at", "last_login_at", "kind",
)  # fmt: skip
"""The fields of a document that make up a `User`, besides `_id`."""

_USER: Final = dict.fromkeys(USER_FIELDS, 1)
_FACTORS: Final = ("totp", "recovery_codes", "passkeys", "factor_recovery", "imported")
_CREDENTIALS: Final = _USER | dict.fromkeys(("password_hash", "auth_epoch", *_FACTORS), 1)


class MongoUsers:
    """`app.accounts.model.Users` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = (
        Index("users", "email_key", unique=True),
        Index("users", "username_key", unique=True),
        Index("users", "pending_email_key", sparse=True),
        Index("users", "due_at", sparse=True),
        Index("users", "new_events.at", sparse=True),
        Index("users", "roles", newest_first=True),
        Index("users", "kind", sparse=True),
    )

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, account: Account, events: Sequence[AuditEvent] = ()) -> None:
        user, new = account.user, documents_of(events)
        first = {"_id": user.id, "created_at": user.created_at, "last_login_at": user.last_login_at}
        document = without_none(first | _fields_of(account) | {"revision": account.revision, NEW_EVENTS: new or None})
        self._write(account, lambda: self._connection["users"].insert_one(document), adds=True)
        self._move(user.id, new)

    @answer_or_unavailable()
    def account(self, user_id: str) -> Account | None:
        return self._account({"_id": user_id})

    @answer_or_unavailable()
    def account_by_email(self, email_key: str) -> Account | None:
        return self._account({"email_key": email_key})

    @answer_or_unavailable()
    def accounts_changing_to(self, email_key: str, limit: int) -> list[Account]:
        found = self._connection["users"].find({"pending_email_key": email_key}).sort("_id", DESCENDING).limit(limit)
        return [_account_of(document) for document in found]

    @answer_or_unavailable()
    def save(self, account: Account, events: Sequence[AuditEvent] = ()) -> bool:
        guard = {"_id": account.user.id, "revision": account.revision or {"$in": [0, None]}}
        fields, new = _fields_of(account), documents_of(events)
        change: Document = {"$set": without_none(fields), "$inc": {"revision": 1}}
        if new:
            change["$push"] = {NEW_EVENTS: {"$each": new}}
        if missing := {name: "" for name, value in fields.items() if value is None}:
            change["$unset"] = missing
        saved = self._write(account, lambda: self._connection["users"].update_one(guard, change)).matched_count == 1
        if saved:
            self._move(account.user.id, new)
        return saved

    @answer_or_unavailable()
    def due(self, now: datetime, limit: int) -> list[str]:
        found = self._connection["users"].find({"due_at": {"$lte": now}}, {"_id": 1}).sort("due_at", ASCENDING)
        return [document["_id"] for document in found.limit(limit)]

    @answer_or_unavailable()
    def confirm_role(self, user_id: str, role: str) -> bool:
        active = {"_id": user_id, "roles": role, "status": "active", "kind": None}
        return self._connection["users"].update_one(active, {"$inc": {"revision": 1}}).matched_count == 1

    @answer_or_unavailable()
    def is_role_held(self, role: str) -> bool:
        return self._has({"roles": role})

    @answer_or_unavailable()
    def some_with_role(self, role: str, after: str | None) -> tuple[list[str], str | None]:
        these = {"roles": role, "status": "active", "kind": None, "_id": {"$gt": after or ""}}
        users = self._connection["users"].find(these, {"_id": 1}).sort("_id", ASCENDING).limit(_LOOKED_AT)
        found = [user["_id"] for user in users]
        return found, found[-1] if len(found) == _LOOKED_AT else None

    @answer_or_unavailable()
    def remove(self, user_id: str) -> None:
        move_all_events(self._connection, user_id)
        self._connection["users"].delete_one({"_id": user_id})

    @answer_or_unavailable()
    def credentials_by_email(self, email_key: str) -> Credentials | None:
        return self._credentials({"email_key": email_key})

    @answer_or_unavailable()
    def credentials_by_username(self, username_key: str) -> Credentials | None:
        return self._credentials({"username_key": username_key})

    @answer_or_unavailable()
    def replace_hash(self, user_id: str, verified: str, new: str) -> bool:
        return any(
            self._connection["users"]
            .update_one(
                {"_id": user_id, "password_hash": as_stored(verified)},
                {"$set": {"password_hash": as_stored(new)}, "$inc": {"revision": 1}},
            )
            .matched_count
            for as_stored in FORMS
        )

    @answer_or_unavailable()
    def page(self, *, after: str | None, limit: int, active_only: bool) -> list[User]:
        return self._page({"status": "active" if active_only else {"$ne": "deleted"}, "kind": None}, after, limit)

    @answer_or_unavailable()
    def page_of_accounts(self, *, after: str | None, limit: int) -> list[Account]:
        found = self._found({"status": {"$ne": "deleted"}, "kind": None}, after, limit, None)
        return [_account_of(document) for document in found]

    @answer_or_unavailable()
    def page_of_hashes(self, *, after: str | None, limit: int) -> list[tuple[str, str | None]]:
        found = self._found({"status": {"$ne": "deleted"}, "kind": None}, after, limit, {"password_hash": 1})
        return [(document["_id"], unmarked(document.get("password_hash"))) for document in found]

    @answer_or_unavailable()
    def page_of_imported_apps(self, *, after: str | None, limit: int) -> list[tuple[str, bool]]:
        shown = {"imported.totp.wrapped_by": 1}
        found = self._found({"status": {"$ne": "deleted"}, "kind": None}, after, limit, shown)
        return [(document["_id"], bool((document.get("imported") or {}).get("totp"))) for document in found]

    @answer_or_unavailable()
    def service_accounts(self, *, after: str | None, limit: int) -> list[User]:
        return self._page({"status": {"$ne": "deleted"}, "kind": "service"}, after, limit)

    def _page(self, which: Document, after: str | None, limit: int) -> list[User]:
        return [user_of(document["_id"], document) for document in self._found(which, after, limit, _USER)]

    def _found(self, which: Document, after: str | None, limit: int, shown: Document | None) -> Iterable[Document]:
        behind: Document = {} if after is None else {"_id": {"$gt": after}}
        return self._connection["users"].find(behind | which, shown).sort("_id", ASCENDING).limit(limit)

    def _account(self, key: Document) -> Account | None:
        found = self._connection["users"].find_one(key)
        return None if found is None else _account_of(found)

    def _credentials(self, key: Document) -> Credentials | None:
        found = self._connection["users"].find_one(key, _CREDENTIALS)
        if found is None:
            return None
        listed: Document = {name: found[name] for name in _FACTORS if name in found}
        return credentials_of(
            user_of(found["_id"], found), found.get("password_hash"), listed, auth_epoch=found["auth_epoch"]
        )

    def _move(self, user_id: str, events: list[Document]) -> None:
        """Put the events of a change that is done among the others. If it fails, they wait in the user's document."""
        if events:
            with suppress(Unavailable), answer_or_unavailable():
                move_events(self._connection, user_id, events)

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
        return self._connection["users"].find_one(key, {"_id": 1}) is not None


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
        known("kind"),
    )


def _fields_of(account: Account) -> Document:
    """The fields of an account that each replacement writes; one without a value is None."""
    return {
        **fields_of(account),
        "roles": list(account.user.roles),
        **dict.fromkeys(PARTS),
        **UNDER_WAY.document(account, account.unknown),
        _NOTICES: None,
    }


def _account_of(document: Document) -> Account:
    known = document.get
    under_way = {name: document[name] for name in PARTS if name in document}
    if _NOTICES in document:
        queued = [asdict(_NOTICE.entity(notice).entry()) for notice in document[_NOTICES]]
        under_way["outbox"] = [*queued, *under_way.get("outbox", ())]
    return account_of(
        user_of(document["_id"], document),
        known("password_hash"),
        under_way,
        auth_epoch=document["auth_epoch"],
        kept_session=known("kept_session"),
        due_at=known("due_at"),
        revision=known("revision", 0),
    )
