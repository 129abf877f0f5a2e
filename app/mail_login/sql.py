"""Logins by mail in SQL: one row each, with the fields of `MailLogin`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Index, Integer, String, Table, bindparam, delete, insert, select, update

from app.mail_login.model import MailLogin
from app.store.sql.columns import INSTANT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

MAIL_LOGINS: Final = Table(
    "mail_logins",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column("email", String(320), nullable=False),
    Column("ip", String(64), nullable=False),
    Column("device", String(512), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("due_at", INSTANT),
    Column("attempts", Integer, nullable=False),
    Column("user_id", exact(36)),
    Column("auth_epoch", Integer),
    Column("tries", Integer, nullable=False),
    Index("mail_logins_by_due", "due_at"),
    Index("mail_logins_by_user", "user_id"),
    Index("mail_logins_by_expiry", "expires_at"),
    **ON_MYSQL,
)
"""No foreign key: a user may be deleted while their login is bound to them."""


_FIELDS: Final = tuple(field.name for field in fields(MailLogin))
_COLUMNS: Final = MAIL_LOGINS.c
_THIS: Final = _COLUMNS.id == bindparam("login_id")
_ADD: Final = insert(MAIL_LOGINS)
_LOGINS: Final = select(*(_COLUMNS[name] for name in _FIELDS))
_FIND: Final = _LOGINS.where(_THIS, _COLUMNS.expires_at > bindparam("now"))
_DUE: Final = _LOGINS.where(_COLUMNS.due_at <= bindparam("now")).order_by(_COLUMNS.due_at).limit(bindparam("limit"))
_RESCHEDULE: Final = update(MAIL_LOGINS).where(
    _THIS, _COLUMNS.due_at.is_not_distinct_from(bindparam("seen", type_=_COLUMNS.due_at.type))
)
_BIND: Final = update(MAIL_LOGINS).where(_THIS, _COLUMNS.user_id.is_(None))
_COUNT_TRY: Final = (
    update(MAIL_LOGINS).where(_THIS, _COLUMNS.tries < bindparam("most")).values(tries=_COLUMNS.tries + 1)
)
_TAKE: Final = delete(MAIL_LOGINS).where(_THIS)
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlMailLogins:
    """`app.mail_login.model.MailLogins` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, login: MailLogin) -> None:
        self._database.change(_ADD, {name: getattr(login, name) for name in _FIELDS})

    def find(self, login_id: str, now: datetime) -> MailLogin | None:
        rows = self._database.rows(_FIND, {"login_id": login_id, "now": now})
        return MailLogin(*rows[0]) if rows else None

    def due(self, now: datetime, limit: int) -> list[MailLogin]:
        return [MailLogin(*row) for row in self._database.rows(_DUE, {"now": now, "limit": limit})]

    def reschedule(self, login: MailLogin, due_at: datetime | None, attempts: int) -> bool:
        guard = {"login_id": login.id, "seen": login.due_at}
        return self._database.change(_RESCHEDULE, {**guard, "due_at": due_at, "attempts": attempts}) == 1

    def bind(self, login_id: str, user_id: str, auth_epoch: int) -> bool:
        bound = {"login_id": login_id, "user_id": user_id, "auth_epoch": auth_epoch}
        return self._database.change(_BIND, bound) == 1

    def count_try(self, login_id: str, most: int) -> bool:
        return self._database.change(_COUNT_TRY, {"login_id": login_id, "most": most}) == 1

    def take(self, login_id: str) -> bool:
        return self._database.change(_TAKE, {"login_id": login_id}) == 1

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
