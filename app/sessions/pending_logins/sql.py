"""Pending logins in SQL: one row each, with the fields of `PendingLogin`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.sessions.pending_logins.model import PendingLogin
from app.store.sql.columns import INSTANT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

PENDING_LOGINS: Final = Table(
    "pending_logins",
    METADATA,
    Column("id", exact(64), primary_key=True),
    Column(
        "user_id", exact(36), ForeignKey("users.id", name="pending_logins_of_user", ondelete="CASCADE"), nullable=False
    ),
    Column("auth_epoch", Integer, nullable=False),
    Column("amr", String(64), nullable=False),
    Column("proven_at", INSTANT, nullable=False),
    Column("opens", exact(16), nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("name", String(400)),
    Column("device_id", exact(36)),
    Column("tries", Integer, nullable=False),
    Column("step", exact(16)),
    Index("pending_logins_by_user", "user_id"),
    Index("pending_logins_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(PendingLogin))
_COLUMNS: Final = PENDING_LOGINS.c
_THIS: Final = _COLUMNS.id == bindparam("login_id")
_ADD: Final = insert(PENDING_LOGINS)
_FIND: Final = select(*(_COLUMNS[name] for name in _FIELDS)).where(_THIS, _COLUMNS.expires_at > bindparam("now"))
_COUNT_TRY: Final = (
    update(PENDING_LOGINS).where(_THIS, _COLUMNS.tries < bindparam("most")).values(tries=_COLUMNS.tries + 1)
)
_TAKE: Final = delete(PENDING_LOGINS).where(_THIS)
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlPendingLogins:
    """`app.sessions.pending_logins.model.PendingLogins` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, login: PendingLogin) -> None:
        with suppress(IntegrityError):  # the user is gone
            self._database.change(_ADD, {name: getattr(login, name) for name in _FIELDS})

    def find(self, login_id: str, now: datetime) -> PendingLogin | None:
        rows = self._database.rows(_FIND, {"login_id": login_id, "now": now})
        return PendingLogin(*rows[0]) if rows else None

    def count_try(self, login_id: str, most: int) -> bool:
        return self._database.change(_COUNT_TRY, {"login_id": login_id, "most": most}) == 1

    def take(self, login_id: str) -> bool:
        return self._database.change(_TAKE, {"login_id": login_id}) == 1

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
