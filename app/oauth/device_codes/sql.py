"""Device codes in SQL: one row each, with the fields of `DeviceCode`."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, bindparam, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.accounts.sql import USERS
from app.oauth.device_codes.model import (
    APPROVED,
    DENIED,
    KEPT,
    LONGER,
    LONGEST_PAUSE,
    PENDING,
    USED,
    Approval,
    DeviceCode,
    Polled,
)
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from app.store.sql.connection import Connection
    from app.store.sql.database import Database

OAUTH_DEVICE_CODES: Final = Table(
    "oauth_device_codes",
    METADATA,
    Column("id", exact(64), primary_key=True),
    Column("user_code", exact(64), nullable=False),
    Column("client_id", exact(400), nullable=False),
    Column("scopes", LONG_TEXT, nullable=False),  # a list, as JSON
    Column("resources", LONG_TEXT, nullable=False),  # a list, as JSON
    Column("status", exact(16), nullable=False),
    Column("pause", Integer, nullable=False),
    Column("polled_at", INSTANT),
    Column("user_id", exact(36), ForeignKey("users.id", name="oauth_device_codes_of_user", ondelete="CASCADE")),
    Column("auth_epoch", Integer),
    Column("authenticated_at", INSTANT),
    Column("amr", String(64)),
    Column("expires_at", INSTANT, nullable=False),
    Index("oauth_device_codes_by_user_code", "user_code", unique=True),
    Index("oauth_device_codes_by_user", "user_id"),
    Index("oauth_device_codes_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(DeviceCode))
_LISTS: Final = ("scopes", "resources")
_COLUMNS: Final = OAUTH_DEVICE_CODES.c
_SELECT: Final = select(*(_COLUMNS[name] for name in _FIELDS))
_THIS: Final = _COLUMNS.id == bindparam("code_id")
_OF_CLIENT: Final = _COLUMNS.client_id == bindparam("of_client")
_LIVE: Final = _COLUMNS.expires_at > bindparam("now")
_WAITING: Final = _COLUMNS.status == PENDING
_IN_EPOCH: Final = (
    select(USERS.c.id)
    .where(USERS.c.id == bindparam("of_user"), USERS.c.status == "active", USERS.c.auth_epoch == bindparam("epoch"))
    .with_for_update(read=True)
)
"""Locked, so that a deletion waits, and then finds the code."""
_ADD: Final = insert(OAUTH_DEVICE_CODES)
_FIND: Final = _SELECT.where(_THIS)
_FIND_OWN: Final = _SELECT.where(_THIS, _OF_CLIENT)
_FIND_BY_USER_CODE: Final = _SELECT.where(_COLUMNS.user_code == bindparam("typed"), _WAITING, _LIVE)
_POLL: Final = update(OAUTH_DEVICE_CODES).where(
    _THIS,
    _OF_CLIENT,
    _COLUMNS.pause == bindparam("known_pause"),
    or_(_COLUMNS.polled_at.is_(None), _COLUMNS.polled_at <= bindparam("latest")),
)
_SLOW: Final = (
    update(OAUTH_DEVICE_CODES)
    .where(_THIS, _OF_CLIENT, _COLUMNS.pause <= LONGEST_PAUSE - LONGER)
    .values(pause=_COLUMNS.pause + LONGER, polled_at=bindparam("at", type_=_COLUMNS.polled_at.type))
)
_ANSWER: Final = update(OAUTH_DEVICE_CODES).where(_THIS, _WAITING, _LIVE)
_SPEND: Final = update(OAUTH_DEVICE_CODES).where(_THIS, _OF_CLIENT, _COLUMNS.status == APPROVED, _LIVE)
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlDeviceCodes:
    """`app.oauth.device_codes.model.DeviceCodes` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, code: DeviceCode) -> bool:
        row = {name: getattr(code, name) for name in _FIELDS}
        row |= {name: json.dumps(getattr(code, name)) for name in _LISTS}
        try:
            self._database.change(_ADD, row)
        except IntegrityError:
            return False
        return True

    def find(self, code_id: str) -> DeviceCode | None:
        rows = self._database.rows(_FIND, {"code_id": code_id})
        return _code_of(rows[0]) if rows else None

    def find_by_user_code(self, user_code: str, now: datetime) -> DeviceCode | None:
        rows = self._database.rows(_FIND_BY_USER_CODE, {"typed": user_code, "now": now})
        return _code_of(rows[0]) if rows else None

    def poll(self, code_id: str, client_id: str, now: datetime) -> Polled:
        own = {"code_id": code_id, "of_client": client_id}
        code = self._find_own(own)
        if code is None or not code.is_open(now):
            return Polled(code)
        in_time = own | {"known_pause": code.pause, "latest": code.latest_poll(now), "polled_at": now}
        if self._database.change(_POLL, in_time) == 1:
            return Polled(self._find_own(own))
        self._database.change(_SLOW, own | {"at": now})
        return Polled(code, too_fast=True)

    def answer(self, code_id: str, approval: Approval | None, now: datetime) -> bool:
        waiting: dict[str, Any] = {"code_id": code_id, "now": now}
        if approval is None:
            return self._database.change(_ANSWER, waiting | {"status": DENIED}) == 1
        user = {"of_user": approval.user_id, "epoch": approval.auth_epoch}

        def write(connection: Connection) -> bool:
            if not connection.execute(_IN_EPOCH, user).all():
                return False
            decided = waiting | {"status": APPROVED, **approval._asdict()}
            return bool(connection.execute(_ANSWER, decided).rowcount == 1)

        return self._database.write(write)

    def spend(self, code_id: str, client_id: str, now: datetime) -> DeviceCode | None:
        own = {"code_id": code_id, "of_client": client_id}
        return self._find_own(own) if self._database.change(_SPEND, own | {"now": now, "status": USED}) == 1 else None

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now - KEPT, limit)

    def _find_own(self, own: dict[str, Any]) -> DeviceCode | None:
        rows = self._database.rows(_FIND_OWN, own)
        return _code_of(rows[0]) if rows else None


def _code_of(row: Iterable[Any]) -> DeviceCode:
    found = dict(zip(_FIELDS, row, strict=True))
    return DeviceCode(**found | {name: tuple(json.loads(found[name])) for name in _LISTS})
