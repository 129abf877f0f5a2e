"""A document with a version that guards each write: one row of a table with the columns name, version and document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Integer, Table, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.codec import from_json, to_json
from app.store.sql.columns import LONG_TEXT, exact
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.store.sql.database import Database

LONGEST_NAME: Final = 32


def versioned_table(name: str) -> Table:
    """A table of such documents."""
    return Table(
        name,
        METADATA,
        Column("name", exact(LONGEST_NAME), primary_key=True),
        Column("version", Integer, nullable=False),
        Column("document", LONG_TEXT, nullable=False),
        **ON_MYSQL,
    )


class VersionedRows:
    """The documents of such a table."""

    def __init__(self, table: Table, database: Database) -> None:
        columns, this = table.c, table.c.name == bindparam("this")
        self._database = database
        self._load = select(columns.version, columns.document).where(this)
        self._begin = insert(table)
        self._replace = update(table).where(this, columns.version == bindparam("before"))

    def load(self, name: str) -> tuple[int, dict[str, Any]] | None:
        """The version and the document of this name, None if there is none."""
        rows = self._database.rows(self._load, {"this": name})
        return (rows[0][0], from_json(rows[0][1])) if rows else None

    def save(self, name: str, version: int, document: Mapping[str, Any]) -> bool:
        """Replace the document of the version before this one (1: there is none yet); False if there is another."""
        content = {"version": version, "document": to_json(document)}
        if version > 1:
            return self._database.change(self._replace, {"this": name, "before": version - 1, **content}) == 1
        try:
            self._database.change(self._begin, {"name": name, **content})
        except IntegrityError:
            return False
        return True
