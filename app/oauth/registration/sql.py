"""Initial access tokens in SQL: one row each, with the fields of `RegistrationToken`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Index, Integer, Table, bindparam, insert, update

from app.store.sql.columns import INSTANT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.oauth.registration.model import RegistrationToken
    from app.store.sql.database import Database

REGISTRATION_TOKENS: Final = Table(
    "registration_tokens",
    METADATA,
    Column("id", exact(64), primary_key=True),
    Column("created_by", exact(36), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("uses_left", Integer, nullable=False),
    Index("registration_tokens_by_expiry", "expires_at"),
    **ON_MYSQL,
)

_COLUMNS: Final = REGISTRATION_TOKENS.c
_ADD: Final = insert(REGISTRATION_TOKENS)
_USE: Final = (
    update(REGISTRATION_TOKENS)
    .where(_COLUMNS.id == bindparam("token"), _COLUMNS.uses_left > 0, _COLUMNS.expires_at > bindparam("now"))
    .values(uses_left=_COLUMNS.uses_left - 1)
)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlRegistrationTokens:
    """`app.oauth.registration.model.RegistrationTokens` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, token: RegistrationToken) -> None:
        row = {
            "id": token.id,
            "created_by": token.created_by,
            "created_at": token.created_at,
            "expires_at": token.expires_at,
            "uses_left": token.uses_left,
        }
        self._database.change(_ADD, row)

    def use(self, token_id: str, now: datetime) -> bool:
        return self._database.change(_USE, {"token": token_id, "now": now}) == 1

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
