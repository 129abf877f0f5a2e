"""The indexes that the collections need, and what is wrong with those that are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pymongo import ASCENDING, DESCENDING, IndexModel

if TYPE_CHECKING:
    from pymongo.database import Database

    from app.store.mongo.connection import Document


@dataclass(frozen=True, slots=True)
class Index:
    """An index over one field, ascending, and perhaps the identifiers behind it, descending.

    If it is sparse, it holds only the documents that have the field; so does every unique one.
    """

    collection: str
    field: str
    unique: bool = False
    sparse: bool = False
    newest_first: bool = False

    @property
    def keys(self) -> list[tuple[str, int]]:
        return [(self.field, ASCENDING), *([("_id", DESCENDING)] if self.newest_first else [])]

    @property
    def name(self) -> str:
        return "_".join(f"{field}_{direction}" for field, direction in self.keys)

    @property
    def options(self) -> dict[str, bool]:
        unique = {"unique": True} if self.unique else {}
        return unique | ({"sparse": True} if self.unique or self.sparse else {})


INDEXES: Final = (
    Index("users", "email_key", unique=True),
    Index("users", "username_key", unique=True),
    Index("users", "pending_email_key", sparse=True),
    Index("users", "due_at", sparse=True),
    Index("users", "new_events.at", sparse=True),
    Index("sessions", "user_id"),
    Index("mail_requests", "due_at"),
    Index("mail_requests", "email_key"),
    Index("events", "user_id", newest_first=True),
    # Read from its end: the oldest come first.
    Index("sample_products", "owner_id", newest_first=True),
    # For the purge.
    Index("sessions", "expires_at"),
    Index("sessions", "idle_expires_at"),
    Index("held_emails", "expires_at"),
    Index("mail_requests", "expires_at"),
    Index("events", "expires_at"),
    Index("login_failures", "expires_at"),
)

_TELLING: Final = {"key", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds", "collation"}


def create_indexes(database: Database[Document]) -> None:
    """Create those that are missing; several may do so at once.

    Raises OperationFailure when the data, or an index of the same name, do not allow one.
    """
    for index in INDEXES:
        model = IndexModel(index.keys, name=index.name, **index.options)
        database[index.collection].create_indexes([model])


def index_problems(database: Database[Document]) -> list[str]:
    """What is wrong with the indexes, a line each."""
    problems = []
    for index in INDEXES:
        name = f"the index {index.name} of the collection {index.collection}"
        found = database[index.collection].index_information().get(index.name)
        if found is None:
            problems.append(f"{name} is missing: start the service, which creates it")
        elif {option: found[option] for option in _TELLING & found.keys()} != _expected(index):
            problems.append(f"{name} is not the one the service needs: drop it and start the service again")
    return problems


def _expected(index: Index) -> dict[str, object]:
    return {"key": index.keys, **index.options}
