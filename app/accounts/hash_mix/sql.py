"""The mix of password hashes in SQL: one row with a JSON document."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.accounts.hash_mix.model import Mix
from app.store.codec import from_json, to_json
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from app.store.sql.database import Database

HASH_MIXES: Final = Table(
    "hash_mixes",
    METADATA,
    Column("name", exact(32), primary_key=True),
    Column("counted_at", INSTANT, nullable=False),
    Column("counts", LONG_TEXT, nullable=False),
    **ON_MYSQL,
)

_NAME: Final = "passwords"
_LOAD: Final = select(HASH_MIXES.c.counted_at, HASH_MIXES.c.counts).where(HASH_MIXES.c.name == _NAME)
_BEGIN: Final = insert(HASH_MIXES)
_REPLACE: Final = update(HASH_MIXES).where(HASH_MIXES.c.name == bindparam("which"))


class SqlHashMixes:
    """`app.accounts.hash_mix.model.HashMixes` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> Mix | None:
        rows = self._database.rows(_LOAD)
        return Mix(rows[0][0], from_json(rows[0][1])) if rows else None

    def save(self, mix: Mix) -> None:
        content = {"counted_at": mix.counted_at, "counts": to_json(mix.counts)}
        if self._database.change(_REPLACE, {"which": _NAME, **content}) == 0:
            with suppress(IntegrityError):  # another worker was first, and counted the same
                self._database.change(_BEGIN, {"name": _NAME, **content})
