"""Consents in SQL: one row each, with the fields of `Consent`."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from app.accounts.sql import USERS
from app.audit.sql import add_events
from app.oauth.consents.model import COVERED, Consent, Outcome
from app.sessions.sql import LIVE_SESSION
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from app.audit.model import AuditEvent
    from app.store.sql.connection import Connection
    from app.store.sql.database import Database

OAUTH_CONSENTS: Final = Table(
    "oauth_consents",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column(
        "user_id", exact(36), ForeignKey("users.id", name="oauth_consents_of_user", ondelete="CASCADE"), nullable=False
    ),
    Column("client_id", exact(400), nullable=False),
    Column("client_name", String(100), nullable=False),
    Column("scopes", LONG_TEXT, nullable=False),  # a list, as JSON
    Column("resources", LONG_TEXT, nullable=False),  # a list, as JSON
    Column("created_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT),
    Column("revision", Integer, nullable=False),
    Index("oauth_consents_of_client", "user_id", "client_id", unique=True),
    Index("oauth_consents_by_client", "client_id"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(Consent))
_LISTS: Final = ("scopes", "resources")
_COLUMNS: Final = OAUTH_CONSENTS.c
_OF: Final = _COLUMNS.user_id == bindparam("of_user")
_THIS: Final = (_OF, _COLUMNS.client_id == bindparam("of_client"))
_CONSENTS: Final = select(*(_COLUMNS[name] for name in _FIELDS))
_FIND: Final = _CONSENTS.where(*_THIS)
_ALL_OF_USER: Final = _CONSENTS.where(_OF).order_by(_COLUMNS.id)
# Whoever gives or takes away a consent locks the user: so these come one after the other, and a deletion waits.
_USER: Final = select(USERS.c.status).where(USERS.c.id == bindparam("of_user")).with_for_update()
_COUNT: Final = select(func.count()).select_from(OAUTH_CONSENTS).where(_OF)
_ADD: Final = insert(OAUTH_CONSENTS)
_WIDEN: Final = update(OAUTH_CONSENTS).where(*_THIS)
_TOUCH: Final = update(OAUTH_CONSENTS).where(
    *_THIS, or_(_COLUMNS.last_used_at.is_(None), _COLUMNS.last_used_at < bindparam("before"))
)
_REMOVE: Final = delete(OAUTH_CONSENTS).where(*_THIS)
_SOME_OF_CLIENT: Final = (
    select(_COLUMNS.id).where(_COLUMNS.client_id == bindparam("of_client")).limit(bindparam("limit"))
)
_REMOVE_THESE: Final = delete(OAUTH_CONSENTS).where(_COLUMNS.id.in_(bindparam("ids", expanding=True)))
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)


class SqlConsents:
    """`app.oauth.consents.model.Consents` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def allow(self, consent: Consent, session_id: str, events: Sequence[AuditEvent] = (), *, most: int) -> Outcome:
        this = _key(consent.user_id, consent.client_id)
        session = {"session_id": session_id, "user_id": consent.user_id, "now": consent.created_at}

        def write(connection: Connection) -> Outcome:
            connection.execute(_USER, {"of_user": consent.user_id}).all()
            if not connection.execute(LIVE_SESSION, session).all():
                return "ended"
            if found := connection.execute(_FIND, this).all():
                widened = _row_of(_consent_of(found[0]).widened(consent))
                changed = {name: widened[name] for name in COVERED}
                connection.execute(_WIDEN, {**this, **changed})
            elif connection.execute(_COUNT, {"of_user": consent.user_id}).all()[0][0] >= most:
                return "full"
            else:
                connection.execute(_ADD, _row_of(consent))
            add_events(connection, events)
            return "kept"

        return self._database.write(write)

    def find(self, user_id: str, client_id: str) -> Consent | None:
        rows = self._database.rows(_FIND, _key(user_id, client_id))
        return _consent_of(rows[0]) if rows else None

    def of_user(self, user_id: str) -> list[Consent]:
        return [_consent_of(row) for row in self._database.rows(_ALL_OF_USER, {"of_user": user_id})]

    def touch(self, user_id: str, client_id: str, now: datetime) -> bool:
        this = _key(user_id, client_id)
        if self._database.change(_TOUCH, {**this, "before": now, "last_used_at": now}) == 1:
            return True
        return bool(self._database.rows(_FIND, this))

    def remove(self, user_id: str, client_id: str, events: Sequence[AuditEvent] = ()) -> bool:
        def write(connection: Connection) -> bool:
            status = connection.execute(_USER, {"of_user": user_id}).scalar()
            if status in {None, "deleted"} or not connection.execute(_REMOVE, _key(user_id, client_id)).rowcount:
                return False
            add_events(connection, events)
            return True

        return self._database.write(write)

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)

    def remove_some_of_client(self, client_id: str, limit: int) -> int:
        found = self._database.rows(_SOME_OF_CLIENT, {"of_client": client_id, "limit": limit})
        return self._database.change(_REMOVE_THESE, {"ids": [row[0] for row in found]}) if found else 0


def _key(user_id: str, client_id: str) -> dict[str, Any]:
    return {"of_user": user_id, "of_client": client_id}


def _row_of(consent: Consent) -> dict[str, Any]:
    row = {name: getattr(consent, name) for name in _FIELDS}
    return row | {name: json.dumps(getattr(consent, name)) for name in _LISTS}


def _consent_of(row: Iterable[Any]) -> Consent:
    found = dict(zip(_FIELDS, row, strict=True))
    return Consent(**found | {name: tuple(json.loads(found[name])) for name in _LISTS})
