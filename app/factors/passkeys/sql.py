"""Passkeys in SQL: one row each, with the fields of `Passkey`."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    String,
    Table,
    and_,
    bindparam,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from app.factors.passkeys.model import Passkey
from app.store.sql.columns import INSTANT, exact
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from app.store.sql.database import Database

PASSKEYS: Final = Table(
    "passkey_credentials",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column(
        "user_id",
        exact(36),
        ForeignKey("users.id", name="passkey_credentials_of_user", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("credential_id", String(1364), nullable=False),
    Column("credential_digest", exact(64), nullable=False),
    Column("public_key", String(2048), nullable=False),
    Column("rp_id", exact(253), nullable=False),
    Column("aaguid", exact(36), nullable=False),
    Column("transports", String(512), nullable=False),  # a list, as JSON
    Column("backup_eligible", Boolean, nullable=False),
    Column("backed_up", Boolean, nullable=False),
    Column("sign_count", BigInteger, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT),
    Index("passkey_credentials_by_credential", "credential_digest", unique=True),
    Index("passkey_credentials_by_user", "user_id"),
    Index("passkey_credentials_by_rp_id", "rp_id"),
    **ON_MYSQL,
)


_FIELDS: Final = tuple(field.name for field in fields(Passkey))
_COLUMNS: Final = PASSKEYS.c
_THIS: Final = _COLUMNS.id == bindparam("passkey_id")
_PASSKEYS: Final = select(*(_COLUMNS[name] for name in _FIELDS))
_ADD: Final = insert(PASSKEYS)
_FIND: Final = _PASSKEYS.where(_COLUMNS.credential_digest == bindparam("digest"))
_ALL_OF_USER: Final = _PASSKEYS.where(_COLUMNS.user_id == bindparam("of")).order_by(_COLUMNS.id)
_COUNT: Final = bindparam("count", type_=BigInteger)
_RECORD_USE: Final = (
    update(PASSKEYS)
    .where(_THIS, or_(_COLUMNS.sign_count < _COUNT, and_(_COLUMNS.sign_count == 0, _COUNT == 0)))
    .values(sign_count=_COUNT, backed_up=bindparam("synced"), last_used_at=bindparam("now"))
)
_RP_IDS: Final = select(_COLUMNS.rp_id, func.count()).group_by(_COLUMNS.rp_id)
_REMOVE: Final = delete(PASSKEYS).where(_THIS)
_OF_USER: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)


class SqlPasskeys:
    """`app.factors.passkeys.model.Passkeys` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, passkey: Passkey) -> bool:
        row = {name: getattr(passkey, name) for name in _FIELDS} | {"transports": json.dumps(passkey.transports)}
        try:
            self._database.change(_ADD, row)
        except IntegrityError:
            return False
        return True

    def find(self, credential_digest: str) -> Passkey | None:
        rows = self._database.rows(_FIND, {"digest": credential_digest})
        return _passkey_of(rows[0]) if rows else None

    def of_user(self, user_id: str) -> list[Passkey]:
        return [_passkey_of(row) for row in self._database.rows(_ALL_OF_USER, {"of": user_id})]

    def record_use(self, passkey_id: str, sign_count: int, *, backed_up: bool, now: datetime) -> bool:
        used = {"passkey_id": passkey_id, "count": sign_count, "synced": backed_up, "now": now}
        return self._database.change(_RECORD_USE, used) == 1

    def rp_ids(self) -> dict[str, int]:
        return {row[0]: row[1] for row in self._database.rows(_RP_IDS, {})}

    def remove(self, passkey_id: str) -> None:
        self._database.change(_REMOVE, {"passkey_id": passkey_id})

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _OF_USER.remove_some(self._database, user_id, limit)


def _passkey_of(row: Iterable[Any]) -> Passkey:
    found = dict(zip(_FIELDS, row, strict=True))
    return Passkey(**found | {"transports": tuple(json.loads(found["transports"]))})
