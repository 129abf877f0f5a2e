"""The roles and the guards in SQL: a row each, with a JSON document, whose version guards each write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import select

from app.roles.model import Guard, Role, RoleBook
from app.store.codec import Codec
from app.store.sql.versioned import VersionedRows, versioned_table

if TYPE_CHECKING:
    from app.store.sql.database import Database

ROLE_BOOKS: Final = versioned_table("role_books")
GUARDS: Final = versioned_table("guards")

_NAME: Final = "roles"
_ROLE: Final = Codec(Role)
BOOK_VERSION: Final = select(ROLE_BOOKS.c.version).where(ROLE_BOOKS.c.name == _NAME).scalar_subquery()
"""The version of the roles, for a statement that reads it together with something else; null before the first write."""


class SqlRoleBooks:
    """`app.roles.model.RoleBooks` on SQL."""

    def __init__(self, database: Database) -> None:
        self._rows = VersionedRows(ROLE_BOOKS, database)

    def load(self) -> RoleBook:
        found = self._rows.load(_NAME)
        if found is None:
            return RoleBook()
        version, document = found
        return RoleBook(version, {role["name"]: _ROLE.entity(role) for role in document["roles"]})

    def save(self, book: RoleBook) -> bool:
        roles = [_ROLE.document(role) for role in book.roles.values()]
        return self._rows.save(_NAME, book.version, {"roles": roles})


class SqlGuards:
    """`app.roles.model.Guards` on SQL."""

    def __init__(self, database: Database) -> None:
        self._rows = VersionedRows(GUARDS, database)

    def load(self, name: str) -> Guard | None:
        found = self._rows.load(name)
        return None if found is None else Guard(found[0], tuple(found[1]["ids"]))

    def save(self, name: str, guard: Guard) -> bool:
        return self._rows.save(name, guard.version, {"ids": list(guard.ids)})
