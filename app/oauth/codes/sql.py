"""Authorization codes in SQL: one row each, with the fields of `Code`."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    bindparam,
    func,
    insert,
    select,
    update,
)

from app.accounts.sql import USERS
from app.oauth.codes.model import KEPT, Code, Opened
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from app.store.sql.connection import Connection
    from app.store.sql.database import Database

OAUTH_CODES: Final = Table(
    "oauth_codes",
    METADATA,
    Column("id", exact(64), primary_key=True),
    Column(
        "user_id", exact(36), ForeignKey("users.id", name="oauth_codes_of_user", ondelete="CASCADE"), nullable=False
    ),
    Column("auth_epoch", Integer, nullable=False),
    Column("client_id", exact(400), nullable=False),
    Column("redirect_uri", String(1000), nullable=False),
    Column("scopes", LONG_TEXT, nullable=False),  # a list, as JSON
    Column("resources", LONG_TEXT, nullable=False),  # a list, as JSON
    Column("challenge", exact(43), nullable=False),
    Column("authenticated_at", INSTANT, nullable=False),
    Column("amr", String(64), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("first_party", Boolean, nullable=False),
    Column("redirect_uri_sent", Boolean, nullable=False),
    Column("parent_id", exact(36)),
    Column("nonce", LONG_TEXT),
    Column("used_at", INSTANT),
    Column("session_id", exact(36)),
    Column("reused_at", INSTANT),
    Column("dpop_jkt", exact(43)),
    Index("oauth_codes_by_user", "user_id"),
    Index("oauth_codes_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(Code))
_LISTS: Final = ("scopes", "resources")
_COLUMNS: Final = OAUTH_CODES.c
_THIS: Final = _COLUMNS.id == bindparam("code_id")
_OF_CLIENT: Final = _COLUMNS.client_id == bindparam("of_client")
_IN_EPOCH: Final = (
    select(USERS.c.id)
    .where(USERS.c.id == bindparam("of_user"), USERS.c.status == "active", USERS.c.auth_epoch == bindparam("epoch"))
    .with_for_update(read=True)
)
"""Locked, so that a deletion waits, and then finds the code."""
_ADD: Final = insert(OAUTH_CODES)
_FIND: Final = select(*(_COLUMNS[name] for name in _FIELDS)).where(_THIS)
_SPEND: Final = update(OAUTH_CODES).where(
    _THIS, _OF_CLIENT, _COLUMNS.used_at.is_(None), _COLUMNS.expires_at > bindparam("now")
)
_NOTE_REUSE: Final = (
    update(OAUTH_CODES)
    .where(_THIS, _OF_CLIENT, _COLUMNS.used_at.is_not(None))
    .values(reused_at=func.coalesce(_COLUMNS.reused_at, bindparam("at", type_=_COLUMNS.reused_at.type)))
)
_OPENED: Final = select(_COLUMNS.session_id, _COLUMNS.user_id).where(_THIS, _OF_CLIENT, _COLUMNS.reused_at.is_not(None))
_WAS_REUSED: Final = select(_COLUMNS.id).where(_THIS, _COLUMNS.reused_at.is_not(None))
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlCodes:
    """`app.oauth.codes.model.Codes` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, code: Code) -> bool:
        row = {name: getattr(code, name) for name in _FIELDS}
        row |= {name: json.dumps(getattr(code, name)) for name in _LISTS}

        def write(connection: Connection) -> bool:
            if not connection.execute(_IN_EPOCH, {"of_user": code.user_id, "epoch": code.auth_epoch}).all():
                return False
            connection.execute(_ADD, row)
            return True

        return self._database.write(write)

    def find(self, code_id: str) -> Code | None:
        rows = self._database.rows(_FIND, {"code_id": code_id})
        return _code_of(rows[0]) if rows else None

    def spend(self, code_id: str, client_id: str, session_id: str, now: datetime) -> Code | None:
        use = {"code_id": code_id, "of_client": client_id, "now": now, "used_at": now, "session_id": session_id}
        return self.find(code_id) if self._database.change(_SPEND, use) == 1 else None

    def note_reuse(self, code_id: str, client_id: str, now: datetime) -> Opened | None:
        used = {"code_id": code_id, "of_client": client_id}
        self._database.change(_NOTE_REUSE, {**used, "at": now})
        rows = self._database.rows(_OPENED, used)
        return Opened(*rows[0]) if rows else None

    def was_reused(self, code_id: str) -> bool:
        return bool(self._database.rows(_WAS_REUSED, {"code_id": code_id}))

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now - KEPT, limit)


def _code_of(row: Iterable[Any]) -> Code:
    found = dict(zip(_FIELDS, row, strict=True))
    return Code(**found | {name: tuple(json.loads(found[name])) for name in _LISTS})
