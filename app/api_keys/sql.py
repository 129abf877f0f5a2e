"""API keys in SQL: one row each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    Table,
    bindparam,
    delete,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.accounts.sql import USER_COLUMNS, USERS, ids_of_listed_keys, user_of
from app.api_keys.model import KEPT_EXPIRED, ApiKey, FoundKey
from app.roles.sql import BOOK_VERSION
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable
    from datetime import datetime

    from app.store.sql.database import Database

API_KEYS: Final = Table(
    "api_keys",
    METADATA,
    Column("id", exact(36), primary_key=True),
    # As for sessions: the erasure of a deleted user deletes their keys, and the cascade makes sure that none is left.
    Column("user_id", exact(36), ForeignKey("users.id", name="api_keys_of_user", ondelete="CASCADE"), nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("name", String(100), nullable=False),
    Column("permissions", LONG_TEXT, nullable=False),  # a list, as JSON
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT),
    Index("api_keys_by_user", "user_id"),
    Index("api_keys_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_COLUMNS: Final = API_KEYS.c
_FIELDS: Final = ("id", "user_id", "digest", "name", "permissions", "created_at", "expires_at", "last_used_at")
_KEY: Final = tuple(_COLUMNS[name] for name in _FIELDS)
_THIS: Final = _COLUMNS.id == bindparam("key_id")
_ADD: Final = insert(API_KEYS)
_WITH_USER: Final = select(BOOK_VERSION, USERS.c.under_way, *_KEY, *USER_COLUMNS).select_from(
    API_KEYS.join(USERS, _COLUMNS.user_id == USERS.c.id)
)
_FIND: Final = _WITH_USER.where(_THIS)
_PAGE: Final = _WITH_USER.where(_COLUMNS.id > bindparam("after")).order_by(_COLUMNS.id).limit(bindparam("limit"))
_SOME: Final = select(*_KEY).where(_COLUMNS.id.in_(bindparam("ids", expanding=True))).order_by(_COLUMNS.id)
_TOUCH: Final = update(API_KEYS).where(
    _THIS, or_(_COLUMNS.last_used_at.is_(None), _COLUMNS.last_used_at < bindparam("before"))
)
_REMOVE: Final = delete(API_KEYS).where(_THIS)
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlApiKeys:
    """`app.api_keys.model.ApiKeys` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, key: ApiKey) -> bool:
        row = {name: getattr(key, name) for name in _FIELDS} | {"permissions": json.dumps(key.permissions)}
        try:
            self._database.change(_ADD, row)
        except IntegrityError:
            return False
        return True

    def find(self, key_id: str) -> FoundKey | None:
        rows = self._database.rows(_FIND, {"key_id": key_id})
        return _found(rows[0]) if rows else None

    def some(self, key_ids: Collection[str]) -> list[ApiKey]:
        return [_key_of(row) for row in self._database.rows(_SOME, {"ids": list(key_ids)})] if key_ids else []

    def page(self, *, after: str | None, limit: int) -> list[FoundKey]:
        return [_found(row) for row in self._database.rows(_PAGE, {"after": after or "", "limit": limit})]

    def touch(self, key_id: str, now: datetime) -> None:
        self._database.change(_TOUCH, {"key_id": key_id, "before": now, "last_used_at": now})

    def remove(self, key_id: str) -> None:
        self._database.change(_REMOVE, {"key_id": key_id})

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now - KEPT_EXPIRED, limit)


def _found(row: Iterable[Any]) -> FoundKey:
    version, under_way, *columns = row
    key = _key_of(columns[: len(_FIELDS)])
    return FoundKey(key, user_of(columns[len(_FIELDS) :]), key.id in ids_of_listed_keys(under_way), version or 0)


def _key_of(row: Iterable[Any]) -> ApiKey:
    key_id, user_id, digest, name, permissions, created_at, expires_at, last_used_at = row
    allowed = tuple(json.loads(permissions))
    return ApiKey(key_id, user_id, bytes(digest), name, allowed, created_at, expires_at, last_used_at)
