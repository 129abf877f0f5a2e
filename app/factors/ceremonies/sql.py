"""Ceremonies in SQL: one row each, with the fields of `Ceremony`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, ForeignKey, Index, String, Table, bindparam, delete, insert, select
from sqlalchemy.exc import IntegrityError

from app.factors.ceremonies.model import Ceremony
from app.store.sql.columns import INSTANT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

CEREMONIES: Final = Table(
    "ceremonies",
    METADATA,
    Column("id", exact(64), primary_key=True),
    Column("purpose", exact(16), nullable=False),
    Column("challenge", String(64), nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("owner", exact(64)),
    Column("user_id", exact(36), ForeignKey("users.id", name="ceremonies_of_user", ondelete="CASCADE")),
    Index("ceremonies_by_user", "user_id"),
    Index("ceremonies_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(Ceremony))
_COLUMNS: Final = CEREMONIES.c
_THIS: Final = _COLUMNS.id == bindparam("ceremony_id")
_ADD: Final = insert(CEREMONIES)
_FIND: Final = select(*(_COLUMNS[name] for name in _FIELDS)).where(_THIS)
_TAKE: Final = delete(CEREMONIES).where(_THIS)
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlCeremonies:
    """`app.factors.ceremonies.model.Ceremonies` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, ceremony: Ceremony) -> None:
        with suppress(IntegrityError):  # the user was deleted meanwhile: nobody will answer
            self._database.change(_ADD, {name: getattr(ceremony, name) for name in _FIELDS})

    def take(self, ceremony_id: str) -> Ceremony | None:
        rows = self._database.rows(_FIND, {"ceremony_id": ceremony_id})
        # A ceremony never changes: whoever deletes it is the one who gets what was read.
        if not rows or self._database.change(_TAKE, {"ceremony_id": ceremony_id}) == 0:
            return None
        return Ceremony(*rows[0])

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
