"""Accounts at providers in SQL: one row each, with the fields of `Identity`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Index, String, Table, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.social.identities.model import Identity
from app.store.sql.columns import INSTANT, exact
from app.store.sql.rows_of_user import RowsOfUser
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

PROVIDER_IDENTITIES: Final = Table(
    "provider_identities",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column("digest", exact(64), nullable=False),
    Column("user_id", exact(36), nullable=False),
    Column("provider", exact(64), nullable=False),
    Column("issuer", String(400), nullable=False),
    Column("subject", String(255), nullable=False),
    Column("email", String(320)),
    Column("created_at", INSTANT, nullable=False),
    Column("last_used_at", INSTANT),
    Index("provider_identities_by_digest", "digest", unique=True),
    Index("provider_identities_by_user", "user_id"),
    **ON_MYSQL,
)
"""No foreign key: an identity is claimed before the user whom it leads to is made."""


_FIELDS: Final = tuple(field.name for field in fields(Identity))
_COLUMNS: Final = PROVIDER_IDENTITIES.c
_THIS: Final = _COLUMNS.id == bindparam("identity_id")
_ADD: Final = insert(PROVIDER_IDENTITIES)
_IDENTITIES: Final = select(*(_COLUMNS[name] for name in _FIELDS))
_FIND: Final = _IDENTITIES.where(_COLUMNS.digest == bindparam("of_digest"))
_OF_USER: Final = _IDENTITIES.where(_COLUMNS.user_id == bindparam("of_user")).order_by(_COLUMNS.id)
_TOUCH: Final = update(PROVIDER_IDENTITIES).where(_THIS)
_REMOVE: Final = delete(PROVIDER_IDENTITIES).where(_THIS)
_ROWS: Final = RowsOfUser(_COLUMNS.id, _COLUMNS.user_id)


class SqlIdentities:
    """`app.social.identities.model.Identities` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, identity: Identity) -> bool:
        try:
            self._database.change(_ADD, {name: getattr(identity, name) for name in _FIELDS})
        except IntegrityError:
            return False
        return True

    def find(self, digest: str) -> Identity | None:
        rows = self._database.rows(_FIND, {"of_digest": digest})
        return Identity(*rows[0]) if rows else None

    def of_user(self, user_id: str) -> list[Identity]:
        return [Identity(*row) for row in self._database.rows(_OF_USER, {"of_user": user_id})]

    def touch(self, identity_id: str, now: datetime) -> None:
        self._database.change(_TOUCH, {"identity_id": identity_id, "last_used_at": now})

    def remove(self, identity_id: str) -> None:
        self._database.change(_REMOVE, {"identity_id": identity_id})

    def remove_some_of(self, user_id: str, limit: int) -> int:
        return _ROWS.remove_some(self._database, user_id, limit)
