"""The keyring in SQL: one row with a JSON document, whose version guards each write."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Integer, Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.keys.model import StoredKey, StoredKeyring
from app.store.sql.columns import LONG_TEXT, exact
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from app.store.sql.database import Database

KEYRINGS: Final = Table(
    "keyrings",
    METADATA,
    Column("name", exact(32), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("document", LONG_TEXT, nullable=False),
    **ON_MYSQL,
)


_NAME: Final = "signing"
_TIMES: Final = ("created_at", "signs_from")

_LOAD: Final = select(KEYRINGS.c.version, KEYRINGS.c.document).where(KEYRINGS.c.name == _NAME)
_BEGIN: Final = insert(KEYRINGS)
_REPLACE: Final = update(KEYRINGS).where(KEYRINGS.c.name == _NAME, KEYRINGS.c.version == bindparam("before"))


class SqlKeyrings:
    """`app.keys.model.Keyrings` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> StoredKeyring | None:
        rows = self._database.rows(_LOAD)
        if not rows:
            return None
        version, document = rows[0]
        content = json.loads(document)
        keys, leaked = (content["keys"], content["leaked"]) if isinstance(content, dict) else (content, ())
        return StoredKeyring(version, tuple(_key_of(fields) for fields in keys), tuple(leaked))

    def save(self, keyring: StoredKeyring) -> bool:
        keys = [asdict(key) for key in keyring.keys]
        # Without leaked secrets it is only the list, which versions before 0.2 can read.
        document = {"keys": keys, "leaked": keyring.leaked} if keyring.leaked else keys
        content = {"version": keyring.version, "document": json.dumps(document, default=datetime.isoformat)}
        if keyring.version > 1:
            return self._database.change(_REPLACE, {"before": keyring.version - 1, **content}) == 1
        try:
            self._database.change(_BEGIN, {"name": _NAME, **content})
        except IntegrityError:
            return False
        return True


def _key_of(fields: dict[str, Any]) -> StoredKey:
    return StoredKey(**fields | {name: datetime.fromisoformat(fields[name]) for name in _TIMES})
