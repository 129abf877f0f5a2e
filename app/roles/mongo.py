"""The roles and the guards in MongoDB: a document each, whose version guards each write."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from app.roles.model import Guard, Role, RoleBook
from app.store.codec import Codec
from app.store.mongo.connection import answer_or_unavailable
from app.store.mongo.versioned import VersionedDocuments

if TYPE_CHECKING:
    from app.store.mongo.connection import Connection, Document
    from app.store.mongo.indexes import Index

_ID: Final = "roles"
_ROLE: Final = Codec(Role)
WITH_BOOK: Final[tuple[Document, ...]] = (
    {"$addFields": {"book_id": _ID}},
    {"$lookup": {"from": "role_books", "localField": "book_id", "foreignField": "_id", "as": "book"}},
    {"$unwind": {"path": "$book", "preserveNullAndEmptyArrays": True}},
)
"""The stages that read the roles together with something else, for `book_version`."""


class MongoRoleBooks:
    """`app.roles.model.RoleBooks` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._documents = VersionedDocuments("role_books", connection)

    @answer_or_unavailable()
    def load(self) -> RoleBook:
        found = self._documents.load(_ID)
        if found is None:
            return RoleBook()
        roles = {role["name"]: _ROLE.entity(role) for role in found["roles"]}
        return RoleBook(found["version"], roles)

    @answer_or_unavailable()
    def save(self, book: RoleBook) -> bool:
        roles = [_ROLE.document(role) for role in book.roles.values()]
        return self._documents.save(_ID, book.version, {"roles": roles})


class MongoGuards:
    """`app.roles.model.Guards` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._documents = VersionedDocuments("guards", connection)

    @answer_or_unavailable()
    def load(self, name: str) -> Guard | None:
        found = self._documents.load(name)
        return None if found is None else Guard(found["version"], tuple(found["ids"]))

    @answer_or_unavailable()
    def save(self, name: str, guard: Guard) -> bool:
        return self._documents.save(name, guard.version, {"ids": list(guard.ids)})


def book_version(document: Document) -> int:
    """The version of the roles that WITH_BOOK found; 0 before the first write."""
    version: int = document["book"]["version"] if "book" in document else 0
    return version
