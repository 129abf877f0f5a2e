"""Sessions in SQL: one row each; one that ends is deleted."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    and_,
    bindparam,
    case,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from app.accounts.principal import Principal
from app.accounts.sql import USER_COLUMNS, USERS, user_of
from app.audit.sql import add_events
from app.platform.devices import LONGEST_USER_AGENT
from app.roles.sql import BOOK_VERSION
from app.sessions.model import LiveSession, Session
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from app.audit.model import AuditEvent
    from app.store.sql.connection import Connection
    from app.store.sql.database import Database

SESSIONS: Final = Table(
    "sessions",
    METADATA,
    Column("id", exact(36), primary_key=True),
    # The erasure of a deleted user deletes their sessions first, some at a time. The cascade makes sure that none is
    # left, even when an operator deletes a user by hand.
    Column("user_id", exact(36), ForeignKey("users.id", name="sessions_of_user", ondelete="CASCADE"), nullable=False),
    Column("auth_epoch", Integer, nullable=False),
    Column("seed", LargeBinary(32), nullable=False),
    Column("generation", Integer, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT, nullable=False),
    Column("idle_expires_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("ip", String(64), nullable=False),
    Column("user_agent", String(LONGEST_USER_AGENT), nullable=False),
    Column("rotated_at", INSTANT),
    Column("authenticated_at", INSTANT),
    Column("amr", String(64)),
    Column("client_id", exact(400)),
    Column("first_party", Boolean),
    Column("scopes", LONG_TEXT),
    Column("resources", LONG_TEXT),
    Column("parent_id", exact(36)),
    Column("dpop_jkt", exact(43)),
    Index("sessions_by_client", "client_id", "user_id"),
    Index("sessions_by_parent", "parent_id"),
    Index("sessions_by_user", "user_id"),
    Index("sessions_by_idle_expiry", "idle_expires_at"),
    Index("sessions_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(Session))
_COLUMNS: Final = tuple(SESSIONS.c[name] for name in _FIELDS)
_OPEN: Final = insert(SESSIONS)
_LOGGED_IN: Final = (
    update(USERS)
    .where(
        USERS.c.id == bindparam("user_id"),
        USERS.c.status == "active",
        USERS.c.auth_epoch == bindparam("epoch"),
    )
    .values(
        last_login_at=case(
            (USERS.c.last_login_at > bindparam("at", type_=USERS.c.last_login_at.type), USERS.c.last_login_at),
            else_=bindparam("at", type_=USERS.c.last_login_at.type),
        )
    )
)
_OF_THE_EPOCH: Final = or_(SESSIONS.c.auth_epoch == USERS.c.auth_epoch, SESSIONS.c.id == USERS.c.kept_session)
_HOLDS: Final = and_(
    SESSIONS.c.expires_at > bindparam("now"),
    SESSIONS.c.idle_expires_at > bindparam("now"),
    USERS.c.status == "active",
    _OF_THE_EPOCH,
)
_THIS: Final = SESSIONS.c.id == bindparam("session_id")
_OF_USER: Final = SESSIONS.c.user_id == bindparam("user_id")
_WITH_USER: Final = SESSIONS.join(USERS, SESSIONS.c.user_id == USERS.c.id)
LIVE_SESSION: Final = (
    select(
        *USER_COLUMNS,
        SESSIONS.c.created_at,
        SESSIONS.c.last_used_at,
        BOOK_VERSION,
        SESSIONS.c.client_id,
        SESSIONS.c.first_party,
        SESSIONS.c.scopes,
    )
    .select_from(_WITH_USER)
    .where(_THIS, _OF_USER, _HOLDS)
)
"""What `Sessions.principal` finds."""
_FIND: Final = select(BOOK_VERSION, *_COLUMNS, *USER_COLUMNS).select_from(_WITH_USER).where(_THIS, _HOLDS)
_ALL_OF_USER: Final = select(*_COLUMNS).select_from(_WITH_USER).where(_OF_USER, _HOLDS).order_by(SESSIONS.c.id)
_ROTATE: Final = (
    update(SESSIONS).where(_THIS, SESSIONS.c.generation == bindparam("seen")).values(generation=bindparam("seen") + 1)
)
_REAUTHENTICATE: Final = update(SESSIONS).where(_THIS)
_TOUCH: Final = update(SESSIONS).where(_THIS, SESSIONS.c.last_used_at < bindparam("before"))
_END: Final = delete(SESSIONS).where(_THIS, _OF_USER)
_END_BELOW: Final = delete(SESSIONS).where(SESSIONS.c.parent_id == bindparam("session_id"), _OF_USER)
_HAND_DOWN: Final = (
    update(SESSIONS)
    .where(SESSIONS.c.parent_id == bindparam("former_id"), SESSIONS.c.user_id == bindparam("of_user"))
    .values(parent_id=bindparam("heir_id"))
)
_PARENT: Final = select(SESSIONS.c.id).where(_THIS)
_END_SEEN: Final = (
    update(USERS)
    .where(USERS.c.id == bindparam("user_id"), USERS.c.status != "deleted")
    .values(revision=USERS.c.revision + 1)
)
_ALL_SEEN: Final = (
    update(USERS)
    .where(USERS.c.id.in_(bindparam("user_ids", expanding=True)), USERS.c.status != "deleted")
    .values(revision=USERS.c.revision + 1)
)
_OF_CLIENT: Final = SESSIONS.c.client_id == bindparam("of_client")
_OF_CLIENTS: Final = select(*_COLUMNS).where(_OF_USER, SESSIONS.c.client_id.is_not(None)).order_by(SESSIONS.c.id)
_END_OF_GRANT: Final = delete(SESSIONS).where(_OF_USER, _OF_CLIENT)
_SOME_OF_CLIENT: Final = select(SESSIONS.c.id, SESSIONS.c.user_id).where(_OF_CLIENT).limit(bindparam("limit"))
_SOME_OF_USER: Final = select(SESSIONS.c.id).where(_OF_USER).limit(bindparam("limit"))
_SURPLUS: Final = (
    select(SESSIONS.c.id)
    .select_from(_WITH_USER)
    .where(
        _OF_USER,
        SESSIONS.c.id != bindparam("session_id"),
        func.coalesce(SESSIONS.c.client_id, "") == bindparam("of_client"),
    )
    # A session that is no longer live takes no place from one that is.
    .order_by(case((_OF_THE_EPOCH, 0), else_=1), SESSIONS.c.last_used_at.desc(), SESSIONS.c.id.desc())
    .limit(1000)
    .offset(bindparam("others"))
)
_END_THESE: Final = delete(SESSIONS).where(SESSIONS.c.id.in_(bindparam("ids", expanding=True)))
_END_BELOW_THESE: Final = delete(SESSIONS).where(
    _OF_USER,  # or SQLite, which sees that nearly all have no parent, goes through the table
    SESSIONS.c.parent_id.in_(bindparam("ids", expanding=True)),
)
_EXPIRED: Final = ExpiredRows(
    SESSIONS.c.id,
    or_(SESSIONS.c.idle_expires_at <= bindparam("now"), SESSIONS.c.expires_at <= bindparam("now")),
)


class _NoSuchSessionError(Exception):
    """There is no session to end, so nothing else is to be written."""


class SqlSessions:
    """`app.sessions.model.Sessions` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def open(self, session: Session, events: Sequence[AuditEvent] = (), *, most: int | None = None) -> bool:
        row = {name: getattr(session, name) for name in _FIELDS}
        logged_in = {"user_id": session.user_id, "at": session.created_at, "epoch": session.auth_epoch}

        def write(connection: Connection) -> bool:
            # The user first. Otherwise two logins would each lock the user's row for reading, because of the foreign
            # key, then both want to write it: a deadlock on MySQL. Behind this lock they also count the sessions one by
            # one, and a deletion waits, and then finds session and events.
            if not connection.execute(_LOGGED_IN, logged_in).rowcount:
                return False  # no such user, so no session
            if session.parent_id and not connection.execute(_PARENT, {"session_id": session.parent_id}).all():
                raise _NoSuchSessionError  # whoever ended it locked the user, too
            connection.execute(_OPEN, row)
            add_events(connection, events)
            if most is not None:
                _trim(connection, session, most - 1)
            return True

        try:
            return self._database.write(write)
        except _NoSuchSessionError:
            return False

    def principal(self, session_id: str, user_id: str, now: datetime) -> Principal | None:
        rows = self._database.rows(LIVE_SESSION, {"session_id": session_id, "user_id": user_id, "now": now})
        if not rows:
            return None
        *user, opened_at, last_used_at, version, client_id, first_party, scopes = rows[0]
        return Principal(
            user_of(user),
            session_id,
            opened_at,
            last_used_at,
            roles_version=version or 0,
            client_id=client_id,
            first_party=bool(first_party),
            scopes=tuple((scopes or "").split()),
        )

    def find_live(self, session_id: str, now: datetime) -> LiveSession | None:
        rows = self._database.rows(_FIND, {"session_id": session_id, "now": now})
        if not rows:
            return None
        version, *found = rows[0]
        return LiveSession(Session(*found[: len(_FIELDS)]), user_of(found[len(_FIELDS) :]), version or 0)

    def of_user(self, user_id: str, now: datetime) -> list[Session]:
        return [Session(*row) for row in self._database.rows(_ALL_OF_USER, {"user_id": user_id, "now": now})]

    def rotate(self, session_id: str, generation: int, *, now: datetime, idle_expires_at: datetime, ip: str) -> bool:
        renewed = {"rotated_at": now, "last_used_at": now, "idle_expires_at": idle_expires_at, "ip": ip}
        return self._database.change(_ROTATE, {"session_id": session_id, "seen": generation, **renewed}) == 1

    def reauthenticate(self, session_id: str, *, at: datetime, amr: str) -> bool:
        return (
            self._database.change(_REAUTHENTICATE, {"session_id": session_id, "authenticated_at": at, "amr": amr}) == 1
        )

    def touch(self, session_id: str, now: datetime) -> None:
        self._database.change(_TOUCH, {"session_id": session_id, "before": now, "last_used_at": now})

    def end(
        self, session_id: str, user_id: str, events: Sequence[AuditEvent] = (), *, heir_id: str | None = None
    ) -> bool:
        this = {"session_id": session_id, "user_id": user_id}

        def write(connection: Connection) -> None:
            # The user first, as in `open`, which may end the same session: a deadlock otherwise.
            if not connection.execute(_END_SEEN, {"user_id": user_id}).rowcount:
                raise _NoSuchSessionError
            if not connection.execute(_END, this).rowcount:
                raise _NoSuchSessionError
            if heir_id is not None and connection.execute(_PARENT, {"session_id": heir_id}).all():
                handed = {"former_id": session_id, "of_user": user_id, "heir_id": heir_id}
                connection.execute(_HAND_DOWN, handed)
            connection.execute(_END_BELOW, this)
            add_events(connection, events)

        try:
            self._database.write(write)
        except _NoSuchSessionError:
            return False
        return True

    def of_clients(self, user_id: str) -> list[Session]:
        return [Session(*row) for row in self._database.rows(_OF_CLIENTS, {"user_id": user_id})]

    def end_of_grant(self, user_id: str, client_id: str) -> int:
        def write(connection: Connection) -> int:
            connection.execute(_END_SEEN, {"user_id": user_id})  # first, as in `end`
            ended: int = connection.execute(_END_OF_GRANT, {"user_id": user_id, "of_client": client_id}).rowcount
            return ended

        return self._database.write(write)

    def end_some_of_client(
        self, client_id: str, limit: int, before: Callable[[Mapping[str, str]], None] | None = None
    ) -> int:
        found = self._database.rows(_SOME_OF_CLIENT, {"of_client": client_id, "limit": limit})
        if found and before is not None:
            before(dict(tuple(row) for row in found))

        def write(connection: Connection) -> None:
            connection.execute(_ALL_SEEN, {"user_ids": sorted({row[1] for row in found})})
            connection.execute(_END_THESE, {"ids": [row[0] for row in found]})

        if found:
            self._database.write(write)
        return len(found)

    def end_some_of(self, user_id: str, limit: int) -> int:
        ids = [row[0] for row in self._database.rows(_SOME_OF_USER, {"user_id": user_id, "limit": limit})]
        return self._database.change(_END_THESE, {"ids": ids}) if ids else 0

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)


def _trim(connection: Connection, opened: Session, others: int) -> None:
    """End the sessions of a user except the one just opened and so many `others`."""
    of_client = opened.client_id or ""
    wanted = {"user_id": opened.user_id, "session_id": opened.id, "of_client": of_client, "others": others}
    if surplus := [row[0] for row in connection.execute(_SURPLUS, wanted).all()]:
        connection.execute(_END_THESE, {"ids": surplus})
        connection.execute(_END_BELOW_THESE, {"ids": surplus, "user_id": opened.user_id})
