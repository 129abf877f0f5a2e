"""Users in SQL: one row for each account. Codes, offers, outbox and the like are JSON in one column of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    Select,
    String,
    Table,
    Text,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.accounts.model import AlreadyThereError, User
from app.accounts.stored_form import FORMS, UNDER_WAY, account_of, credentials_of, fields_of, unmarked
from app.audit.sql import add_events
from app.platform.errors import EmailTaken, Unavailable, UsernameTaken
from app.platform.identifiers import LONGEST_NAME_KEY
from app.store.codec import from_json
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from sqlalchemy import ColumnElement, Executable

    from app.accounts.account import Account
    from app.accounts.model import Credentials
    from app.audit.model import AuditEvent
    from app.store.sql.connection import Connection
    from app.store.sql.database import Database

USERS: Final = Table(
    "users",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column("email", String(320)),
    Column("email_key", exact(320)),
    Column("email_verified", Boolean, nullable=False),
    Column("username", String(64)),
    Column("username_key", exact(64)),
    Column("name", String(255)),
    Column("name_key", exact(LONGEST_NAME_KEY)),
    # Names separated by commas. Every request reads them in its user's row; a second table would have to be joined, and
    # aggregated differently on each product. What is looked for by role is in USER_ROLES.
    Column("roles", Text, nullable=False),
    Column("status", exact(16), nullable=False),
    # The status of the few who are disabled or invited. An index on `status` itself would tempt MySQL to lock by it, in
    # another order than by the identifier: a deadlock.
    Column("listed_status", exact(16)),
    Column("created_at", INSTANT, nullable=False),
    Column("last_login_at", INSTANT),
    Column("password_hash", exact(512)),
    Column("auth_epoch", Integer, nullable=False),
    Column("kept_session", exact(36)),
    # What is under way, as JSON: only the whole account is read with it, and nothing is looked for in it. Text, since
    # PostgreSQL's jsonb refuses the character NUL, which a device may have in its name.
    Column("under_way", LONG_TEXT),
    # What of it is looked for.
    Column("pending_email_key", exact(320)),
    Column("due_at", INSTANT),
    # The default lets instances of an earlier version go on adding users until all are replaced.
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("kind", exact(16)),
    Index("users_by_email", "email_key", unique=True),
    Index("users_by_username", "username_key", unique=True),
    Index("users_by_pending_email", "pending_email_key"),
    Index("users_by_due", "due_at"),
    Index("users_by_kind", "kind", "id"),
    Index("users_by_name", "name_key", "id"),
    Index("users_by_status", "listed_status", "id"),
    **ON_MYSQL,
)
USER_ROLES: Final = Table(
    "user_roles",
    METADATA,
    # Written in the transaction of the user's row. The former version does not write it: who registers there is missing
    # until their account is next saved here.
    Column("role", exact(64), primary_key=True),
    Column("user_id", exact(36), ForeignKey("users.id", name="roles_of_user", ondelete="CASCADE"), primary_key=True),
    Index("user_roles_by_user", "user_id"),
    **ON_MYSQL,
)


_ATTEMPTS: Final = 20
"""How often a write is tried whose name others keep taking and giving up, before the name is refused."""
_COLUMNS: Final = USERS.c
USER_COLUMNS: Final = (
    _COLUMNS.id,
    _COLUMNS.email,
    _COLUMNS.email_verified,
    _COLUMNS.username,
    _COLUMNS.name,
    _COLUMNS.roles,
    _COLUMNS.status,
    _COLUMNS.created_at,
    _COLUMNS.last_login_at,
    _COLUMNS.kind,
)
"""The columns that `user_of` makes a user from."""

_THIS: Final = _COLUMNS.id == bindparam("user_id")
_OTHERS: Final = _COLUMNS.id != bindparam("user_id")
_BY_EMAIL: Final = _COLUMNS.email_key == bindparam("key")
_BY_USERNAME: Final = _COLUMNS.username_key == bindparam("key")
_NEXT_REVISION: Final = _COLUMNS.revision + 1

_ACCOUNTS: Final = select(
    *USER_COLUMNS,
    _COLUMNS.password_hash,
    _COLUMNS.auth_epoch,
    _COLUMNS.kept_session,
    _COLUMNS.under_way,
    _COLUMNS.due_at,
    _COLUMNS.revision,
)
_ACCOUNT: Final = _ACCOUNTS.where(_THIS)
_ACCOUNT_BY_EMAIL: Final = _ACCOUNTS.where(_BY_EMAIL)
_CHANGING_TO: Final = (
    _ACCOUNTS.where(_COLUMNS.pending_email_key == bindparam("key"))
    .order_by(_COLUMNS.id.desc())
    .limit(bindparam("limit"))
)
_CREDENTIALS: Final = select(*USER_COLUMNS, _COLUMNS.password_hash, _COLUMNS.auth_epoch, _COLUMNS.under_way)
_CREDENTIALS_BY_EMAIL: Final = _CREDENTIALS.where(_BY_EMAIL)
_CREDENTIALS_BY_USERNAME: Final = _CREDENTIALS.where(_BY_USERNAME)
_EMAIL_OF_ANOTHER: Final = select(_COLUMNS.id).where(_BY_EMAIL, _OTHERS)
_USERNAME_OF_ANOTHER: Final = select(_COLUMNS.id).where(_BY_USERNAME, _OTHERS)
_DUE: Final = (
    select(_COLUMNS.id).where(_COLUMNS.due_at <= bindparam("now")).order_by(_COLUMNS.due_at).limit(bindparam("limit"))
)
_LOOKED_AT: Final = 20_000
"""Users in which roles are looked for by one statement, so that it has an answer in time however many there are."""
_LAST_LOOKED_AT: Final = (
    select(_COLUMNS.id).where(_COLUMNS.id > bindparam("after")).order_by(_COLUMNS.id).limit(1).offset(_LOOKED_AT - 1)
)
_ROLES: Final = USER_ROLES.c
_ROLES_OF: Final = select(_ROLES.role).where(_ROLES.user_id == bindparam("user_id"))
_ADD_ROLE: Final = insert(USER_ROLES)
_REMOVE_ROLE: Final = delete(USER_ROLES).where(_ROLES.role == bindparam("gone"), _ROLES.user_id == bindparam("of"))
_HELD: Final = select(_ROLES.role).where(_ROLES.role == bindparam("role")).limit(1)
_ADD: Final = insert(USERS)
_SAVE: Final = update(USERS).where(_THIS, _COLUMNS.revision == bindparam("seen")).values(revision=_NEXT_REVISION)
_REMOVE: Final = delete(USERS).where(_THIS)
_REPLACE_HASH: Final = (
    update(USERS)
    .where(_THIS, _COLUMNS.password_hash == bindparam("verified"))
    .values(password_hash=bindparam("new"), revision=_NEXT_REVISION)
)
_IS_PERSON: Final = _COLUMNS.kind.is_(None)
_HAS_ROLE: Final = (
    _COLUMNS.status == "active",
    _IS_PERSON,
    or_(
        _COLUMNS.roles == bindparam("only"),
        *(_COLUMNS.roles.like(bindparam(name)) for name in ("first", "last", "between")),
    ),
)
"""Whether an active person has a role. Those that are asked for contain neither `%` nor `_`."""
_CONFIRM_ROLE: Final = update(USERS).where(_THIS, *_HAS_ROLE).values(revision=_NEXT_REVISION)
_WITH_ROLE: Final = select(_COLUMNS.id).where(
    _COLUMNS.id > bindparam("after"), _COLUMNS.id <= bindparam("until"), *_HAS_ROLE
)
_BEHIND_ALL: Final = "~"
"""Sorts after every identifier, since these are made of hexadecimal digits and hyphens."""


def _page(*conditions: ColumnElement[bool]) -> Select[Any]:
    behind = _COLUMNS.id > bindparam("after")
    return select(*USER_COLUMNS).where(behind, *conditions).order_by(_COLUMNS.id).limit(bindparam("limit"))


_PAGE: Final = _page(_COLUMNS.status != "deleted", _IS_PERSON)
_PAGE_OF_ACTIVE: Final = _page(_COLUMNS.status == "active", _IS_PERSON)
_SERVICE_ACCOUNTS: Final = _page(_COLUMNS.status != "deleted", _COLUMNS.kind == "service")


_PAGE_OF_ACCOUNTS: Final = (
    _ACCOUNTS.where(_COLUMNS.id > bindparam("after"), _COLUMNS.status != "deleted", _IS_PERSON)
    .order_by(_COLUMNS.id)
    .limit(bindparam("limit"))
)
_PAGE_OF_HASHES: Final = _PAGE_OF_ACCOUNTS.with_only_columns(_COLUMNS.id, _COLUMNS.password_hash)
_HOLDS_APPS: Final = _COLUMNS.under_way.like(bindparam("sought")).label("holds_apps")
_PAGE_OF_IMPORTED_APPS: Final = _PAGE_OF_ACCOUNTS.with_only_columns(_COLUMNS.id, _HOLDS_APPS)


def user_of(fields: Iterable[Any]) -> User:
    """The user whose USER_COLUMNS have these values."""
    user_id, email, email_verified, username, name, roles, status, created_at, last_login_at, kind = fields
    names = tuple(roles.split(",")) if roles else ()
    return User(user_id, email, email_verified, username, name, names, status, created_at, last_login_at, kind)


def ids_of_listed_keys(under_way: str | None) -> frozenset[str]:
    """The identifiers of the API keys that an account has, whose column `under_way` holds this text."""
    return frozenset(key["id"] for key in from_json(under_way).get("listed_keys", ()))


class SqlUsers:
    """`app.accounts.model.Users` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, account: Account, events: Sequence[AuditEvent] = ()) -> None:
        user = account.user
        first = {"id": user.id, "created_at": user.created_at, "last_login_at": user.last_login_at}
        self._write(_ADD, _row_of(account) | first | {"revision": account.revision}, user.id, events)

    def account(self, user_id: str) -> Account | None:
        rows = self._database.rows(_ACCOUNT, {"user_id": user_id})
        return _account_of(rows[0]) if rows else None

    def account_by_email(self, email_key: str) -> Account | None:
        rows = self._database.rows(_ACCOUNT_BY_EMAIL, {"key": email_key})
        return _account_of(rows[0]) if rows else None

    def accounts_changing_to(self, email_key: str, limit: int) -> list[Account]:
        rows = self._database.rows(_CHANGING_TO, {"key": email_key, "limit": limit})
        return [_account_of(row) for row in rows]

    def save(self, account: Account, events: Sequence[AuditEvent] = ()) -> bool:
        guard = {"user_id": account.user.id, "seen": account.revision}
        return self._write(_SAVE, _row_of(account) | guard, account.user.id, events) == 1

    def due(self, now: datetime, limit: int) -> list[str]:
        return [row[0] for row in self._database.rows(_DUE, {"now": now, "limit": limit})]

    def confirm_role(self, user_id: str, role: str) -> bool:
        return self._database.change(_CONFIRM_ROLE, {"user_id": user_id, **_patterns(role)}) == 1

    def is_role_held(self, role: str) -> bool:
        return bool(self._database.rows(_HELD, {"role": role}))

    def some_with_role(self, role: str, after: str | None) -> tuple[list[str], str | None]:
        begin = {"after": after or ""}
        last = self._database.rows(_LAST_LOOKED_AT, begin)
        until = last[0][0] if last else None
        rows = self._database.rows(_WITH_ROLE, {**begin, "until": until or _BEHIND_ALL, **_patterns(role)})
        return [row[0] for row in rows], until

    def remove(self, user_id: str) -> None:
        self._database.change(_REMOVE, {"user_id": user_id})

    def credentials_by_email(self, email_key: str) -> Credentials | None:
        return self._credentials(_CREDENTIALS_BY_EMAIL, email_key)

    def credentials_by_username(self, username_key: str) -> Credentials | None:
        return self._credentials(_CREDENTIALS_BY_USERNAME, username_key)

    def replace_hash(self, user_id: str, verified: str, new: str) -> bool:
        return any(
            self._database.change(
                _REPLACE_HASH, {"user_id": user_id, "verified": as_stored(verified), "new": as_stored(new)}
            )
            for as_stored in FORMS
        )

    def page(self, *, after: str | None, limit: int, active_only: bool) -> list[User]:
        statement = _PAGE_OF_ACTIVE if active_only else _PAGE
        rows = self._database.rows(statement, {"after": after or "", "limit": limit})
        return [user_of(row) for row in rows]

    def service_accounts(self, *, after: str | None, limit: int) -> list[User]:
        rows = self._database.rows(_SERVICE_ACCOUNTS, {"after": after or "", "limit": limit})
        return [user_of(row) for row in rows]

    def page_of_accounts(self, *, after: str | None, limit: int) -> list[Account]:
        rows = self._database.rows(_PAGE_OF_ACCOUNTS, {"after": after or "", "limit": limit})
        return [_account_of(row) for row in rows]

    def page_of_hashes(self, *, after: str | None, limit: int) -> list[tuple[str, str | None]]:
        rows = self._database.rows(_PAGE_OF_HASHES, {"after": after or "", "limit": limit})
        return [(user_id, unmarked(stored)) for user_id, stored in rows]

    def page_of_imported_apps(self, *, after: str | None, limit: int) -> list[tuple[str, bool]]:
        sought = '%"wrapped_by"%'  # a field of SealedTotp alone; in what users wrote, its quotes are escaped
        rows = self._database.rows(_PAGE_OF_IMPORTED_APPS, {"after": after or "", "limit": limit, "sought": sought})
        return [(user_id, bool(holds_apps)) for user_id, holds_apps in rows]

    def _credentials(self, statement: Select[Any], key: str) -> Credentials | None:
        rows = self._database.rows(statement, {"key": key})
        if not rows:
            return None
        *fields, stored, auth_epoch, text = rows[0]
        # Most accounts have none: then the text is not parsed.
        has_some = text and ('"totp"' in text or '"passkeys"' in text)
        return credentials_of(user_of(fields), stored, from_json(text) if has_some else {}, auth_epoch=auth_epoch)

    def _write(self, statement: Executable, row: dict[str, Any], user_id: str, events: Sequence[AuditEvent]) -> int:
        """Run one conditional write that sets names, and add the events if it met a row; returns how many it changed.

        Raises EmailTaken, UsernameTaken or, for a new user, AlreadyThereError.
        """
        for _ in range(_ATTEMPTS):
            try:
                return self._write_once(statement, row, user_id, events)
            except IntegrityError:
                pass
            except Unavailable as failure:
                if not _is_rolled_back(failure):
                    raise
                continue
            # Each product words the broken constraint differently; a read tells which one in the same way on all.
            if self._database.rows(_EMAIL_OF_ANOTHER, {"key": row["email_key"], "user_id": user_id}):
                raise EmailTaken
            if self._database.rows(_USERNAME_OF_ANOTHER, {"key": row["username_key"], "user_id": user_id}):
                raise UsernameTaken
            if statement is _ADD and self.account(user_id) is not None:
                raise AlreadyThereError
            # The other user gave up the name before the read.
        raise Unavailable(retry_after=1)

    def _write_once(
        self, statement: Executable, row: dict[str, Any], user_id: str, events: Sequence[AuditEvent]
    ) -> int:
        def write(connection: Connection) -> int:
            met = connection.execute(statement, row).rowcount
            if met:  # of an INSERT, SQLAlchemy does not always know it: -1
                _write_roles(connection, user_id, row["roles"], new=statement is _ADD)
                add_events(connection, events)
            return met

        return self._database.write(write)


def _write_roles(connection: Connection, user_id: str, text: str, *, new: bool) -> None:
    """Bring the rows of a user in USER_ROLES up to date."""
    roles = set(text.split(",")) if text else set()
    known = set() if new else {role for (role,) in connection.execute(_ROLES_OF, {"user_id": user_id}).all()}
    if gone := known - roles:
        connection.execute(_REMOVE_ROLE, [{"gone": role, "of": user_id} for role in sorted(gone)])
    if added := roles - known:
        connection.execute(_ADD_ROLE, [{"role": role, "user_id": user_id} for role in sorted(added)])


def _patterns(role: str) -> dict[str, str]:
    """What _HAS_ROLE compares the text of a user's roles with."""
    return {"only": role, "first": f"{role},%", "last": f"%,{role}", "between": f"%,{role},%"}


def _is_rolled_back(failure: Unavailable) -> bool:
    """Whether the database itself rolled a statement back and wants it repeated (SQLSTATE class 40).

    It does so after a deadlock, which happens when many want the same name.
    """
    sqlstate = getattr(getattr(failure.__cause__, "orig", None), "sqlstate", None)
    return str(sqlstate).startswith("40")


def _row_of(account: Account) -> dict[str, Any]:
    """The columns of an account that each replacement writes."""
    return {
        **fields_of(account),
        "roles": ",".join(account.user.roles),
        "under_way": UNDER_WAY.text(account, account.unknown),
    }


def _account_of(row: Iterable[Any]) -> Account:
    """The account whose columns of `_ACCOUNTS` have these values."""
    *user, stored, auth_epoch, kept_session, text, due_at, revision = row
    return account_of(
        user_of(user),
        stored,
        from_json(text),
        auth_epoch=auth_epoch,
        kept_session=kept_session,
        due_at=due_at,
        revision=revision,
    )
