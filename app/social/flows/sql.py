"""Logins at providers in SQL: one row each, with the fields of `Flow`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Index, Table, bindparam, delete, insert, null, select, update

from app.social.flows.model import Flow
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

PROVIDER_FLOWS: Final = Table(
    "provider_flows",
    METADATA,
    Column("id", exact(64), primary_key=True),
    Column("provider", exact(64), nullable=False),
    Column("purpose", exact(16), nullable=False),
    Column("browser", exact(64), nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("redirect_to", LONG_TEXT),
    Column("challenge", exact(43)),
    Column("user_id", exact(36)),
    Column("session_id", exact(36)),
    Column("answer", LONG_TEXT),
    Column("taken_at", INSTANT),
    Column("code", exact(64)),
    Column("outcome", LONG_TEXT),
    Index("provider_flows_by_code", "code", unique=True),
    Index("provider_flows_by_user", "user_id"),
    Index("provider_flows_by_expiry", "expires_at"),
    **ON_MYSQL,
)
"""No foreign key: most are of nobody yet."""


_FIELDS: Final = tuple(field.name for field in fields(Flow))
_COLUMNS: Final = PROVIDER_FLOWS.c
_THIS: Final = _COLUMNS.id == bindparam("flow_id")
_WAITS: Final = (_COLUMNS.expires_at > bindparam("now"), _COLUMNS.taken_at.is_(None))
_ADD: Final = insert(PROVIDER_FLOWS)
_FLOWS: Final = select(*(_COLUMNS[name] for name in _FIELDS))
_FIND: Final = _FLOWS.where(_THIS)
_FIND_BY_CODE: Final = _FLOWS.where(_COLUMNS.code == bindparam("of_code"))
_KEEP: Final = (
    update(PROVIDER_FLOWS)
    .where(_THIS, *_WAITS, _COLUMNS.answer.is_(None))
    .values(answer=bindparam("posted", type_=_COLUMNS.answer.type))
)
_TAKE: Final = update(PROVIDER_FLOWS).where(_THIS, *_WAITS, _COLUMNS.browser == bindparam("of_browser"))
_FINISH: Final = (
    update(PROVIDER_FLOWS)
    .where(_THIS, _COLUMNS.taken_at.is_not(None), _COLUMNS.code.is_(None))
    .values(
        code=bindparam("given", type_=_COLUMNS.code.type),
        outcome=bindparam("found", type_=_COLUMNS.outcome.type),
        expires_at=bindparam("until", type_=_COLUMNS.expires_at.type),
        answer=null(),
    )
)
_REMOVE: Final = delete(PROVIDER_FLOWS).where(_THIS)
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlFlows:
    """`app.social.flows.model.Flows` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, flow: Flow) -> None:
        self._database.change(_ADD, {name: getattr(flow, name) for name in _FIELDS})

    def keep_answer(self, flow_id: str, answer: str, now: datetime) -> bool:
        return self._database.change(_KEEP, {"flow_id": flow_id, "now": now, "posted": answer}) == 1

    def take(self, flow_id: str, browser: str, now: datetime) -> Flow | None:
        guard = {"flow_id": flow_id, "of_browser": browser, "now": now}
        if self._database.change(_TAKE, {**guard, "taken_at": now}) != 1:
            return None
        rows = self._database.rows(_FIND, {"flow_id": flow_id})
        return Flow(*rows[0]) if rows else None

    def finish(self, flow_id: str, code: str, outcome: str, expires_at: datetime) -> bool:
        values = {"flow_id": flow_id, "given": code, "found": outcome, "until": expires_at}
        return self._database.change(_FINISH, values) == 1

    def redeem(self, code: str) -> Flow | None:
        rows = self._database.rows(_FIND_BY_CODE, {"of_code": code})
        # With a code it never changes: whoever deletes it is the one who gets what was read.
        if not rows or self._database.change(_REMOVE, {"flow_id": rows[0][0]}) == 0:
            return None
        return Flow(*rows[0])

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
