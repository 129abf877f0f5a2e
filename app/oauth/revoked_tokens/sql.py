"""Revoked tokens in SQL: one row each, whose `id` is the `jti`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Index, Table, bindparam, insert, select
from sqlalchemy.exc import IntegrityError

from app.store.sql.columns import INSTANT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

REVOKED_TOKENS: Final = Table(
    "revoked_tokens",
    METADATA,
    Column("id", exact(64), primary_key=True),
    Column("expires_at", INSTANT, nullable=False),
    Index("revoked_tokens_by_expiry", "expires_at"),
    **ON_MYSQL,
)

_COLUMNS: Final = REVOKED_TOKENS.c
_ADD: Final = insert(REVOKED_TOKENS)
_HAS: Final = select(_COLUMNS.id).where(_COLUMNS.id == bindparam("token"))
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlRevokedTokens:
    """`app.oauth.revoked_tokens.model.RevokedTokens` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token_id: str, expires_at: datetime) -> bool:
        try:
            self._database.change(_ADD, {"id": token_id, "expires_at": expires_at})
        except IntegrityError:  # it is there already
            return False
        return True

    def has(self, token_id: str) -> bool:
        return bool(self._database.rows(_HAS, {"token": token_id}))

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
