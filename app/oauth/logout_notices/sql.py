"""Notices of logouts in SQL: one row each, with the fields of `LogoutNotice`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Index, Integer, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.oauth.logout_notices.model import LogoutNotice
from app.store.sql.columns import INSTANT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from app.store.sql.database import Database

LOGOUT_NOTICES: Final = Table(
    "logout_notices",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column("user_id", exact(36), nullable=False),
    Column("client_id", exact(400), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Index("logout_notices_by_due", "due_at"),
    Index("logout_notices_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(LogoutNotice))
_COLUMNS: Final = LOGOUT_NOTICES.c
_THIS: Final = _COLUMNS.id == bindparam("notice_id")
_ADD: Final = insert(LOGOUT_NOTICES)
_KNOWN: Final = select(_COLUMNS.id).where(_THIS)
_DUE: Final = (
    select(*(_COLUMNS[name] for name in _FIELDS))
    .where(_COLUMNS.due_at <= bindparam("now"), _COLUMNS.client_id.not_in(bindparam("beside", expanding=True)))
    .order_by(_COLUMNS.due_at)
    .limit(bindparam("limit"))
)
_CLAIM: Final = (
    update(LOGOUT_NOTICES)
    .where(_THIS, _COLUMNS.attempts == bindparam("begun"))
    .values(attempts=_COLUMNS.attempts + 1, due_at=bindparam("until", type_=_COLUMNS.due_at.type))
)
_REMOVE: Final = delete(LOGOUT_NOTICES).where(_THIS)
_WAITING: Final = select(func.count()).select_from(select(_COLUMNS.id).limit(bindparam("limit")).subquery())
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlLogoutNotices:
    """`app.oauth.logout_notices.model.LogoutNotices` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, notices: Sequence[LogoutNotice]) -> None:
        for notice in notices:
            # Not left to the primary key alone: PostgreSQL logs each row that it refuses.
            if self._database.rows(_KNOWN, {"notice_id": notice.id}):
                continue
            try:
                self._database.change(_ADD, {name: getattr(notice, name) for name in _FIELDS})
            except IntegrityError:
                continue

    def due(self, now: datetime, limit: int, *, beside: Collection[str] = ()) -> list[LogoutNotice]:
        wanted = {"now": now, "limit": limit, "beside": list(beside)}
        return [LogoutNotice(*row) for row in self._database.rows(_DUE, wanted)]

    def claim(self, notice: LogoutNotice, until: datetime) -> bool:
        claimed = {"notice_id": notice.id, "begun": notice.attempts, "until": until}
        return self._database.change(_CLAIM, claimed) == 1

    def remove(self, notice_id: str) -> None:
        self._database.change(_REMOVE, {"notice_id": notice_id})

    def waiting(self, limit: int) -> int:
        found: int = self._database.rows(_WAITING, {"limit": limit})[0][0]
        return found

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
