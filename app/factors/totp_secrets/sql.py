"""Secrets of authenticator apps in SQL: one row each, with the fields of `TotpSecret`."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    bindparam,
    delete,
    func,
    insert,
    null,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.factors.totp_secrets.model import TotpSecret
from app.store.sql.columns import INSTANT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

TOTP_SECRETS: Final = Table(
    "totp_secrets",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column(
        "user_id", exact(36), ForeignKey("users.id", name="totp_secrets_of_user", ondelete="CASCADE"), nullable=False
    ),
    Column("wrapped_by", exact(16), nullable=False),
    Column("sealed", String(512), nullable=False),
    Column("expires_at", INSTANT),
    Column("last_step", BigInteger),
    Column("last_used_at", INSTANT),
    Index("totp_secrets_by_user", "user_id"),
    Index("totp_secrets_by_seal", "wrapped_by", "id"),
    Index("totp_secrets_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(TotpSecret))
_COLUMNS: Final = TOTP_SECRETS.c
_THIS: Final = _COLUMNS.id == bindparam("secret_id")
_SECRETS: Final = select(*(_COLUMNS[name] for name in _FIELDS))
_ADD: Final = insert(TOTP_SECRETS)
_GET: Final = _SECRETS.where(_THIS)
_SPEND: Final = (
    update(TOTP_SECRETS)
    .where(_THIS, or_(_COLUMNS.last_step.is_(None), _COLUMNS.last_step < bindparam("step")))
    .values(last_step=bindparam("step"), last_used_at=bindparam("now"), expires_at=null())
)
_RESEAL: Final = update(TOTP_SECRETS).where(_THIS, _COLUMNS.sealed == bindparam("seen"))
_SEALED_OTHERWISE: Final = (
    _SECRETS.where(_COLUMNS.wrapped_by != bindparam("by"), _COLUMNS.id > bindparam("after"))
    .order_by(_COLUMNS.id)
    .limit(bindparam("limit"))
)
_SEALS: Final = select(_COLUMNS.wrapped_by, func.count()).group_by(_COLUMNS.wrapped_by)
_REMOVE: Final = delete(TOTP_SECRETS).where(_THIS)
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlTotpSecrets:
    """`app.factors.totp_secrets.model.TotpSecrets` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, secret: TotpSecret) -> None:
        with suppress(IntegrityError):  # the user is gone
            self._database.change(_ADD, {name: getattr(secret, name) for name in _FIELDS})

    def get(self, secret_id: str) -> TotpSecret | None:
        rows = self._database.rows(_GET, {"secret_id": secret_id})
        return TotpSecret(*rows[0]) if rows else None

    def spend(self, secret_id: str, step: int, now: datetime) -> bool:
        return self._database.change(_SPEND, {"secret_id": secret_id, "step": step, "now": now}) == 1

    def reseal(self, seen: TotpSecret, sealed: str, wrapped_by: str) -> bool:
        guard = {"secret_id": seen.id, "seen": seen.sealed}
        return self._database.change(_RESEAL, {**guard, "sealed": sealed, "wrapped_by": wrapped_by}) == 1

    def sealed_otherwise(self, wrapped_by: str, *, after: str, limit: int) -> list[TotpSecret]:
        rows = self._database.rows(_SEALED_OTHERWISE, {"by": wrapped_by, "after": after, "limit": limit})
        return [TotpSecret(*row) for row in rows]

    def seals(self) -> dict[str, int]:
        return {row[0]: row[1] for row in self._database.rows(_SEALS, {})}

    def remove(self, secret_id: str) -> None:
        self._database.change(_REMOVE, {"secret_id": secret_id})

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
