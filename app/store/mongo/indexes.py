"""Creates the indexes that repositories declare, and checks existing ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pymongo import ASCENDING, DESCENDING, IndexModel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pymongo.database import Database

    from app.store.mongo.connection import Document


@dataclass(frozen=True, slots=True)
class Index:
    """An ascending index over one field, optionally followed by others (`then`), or by the identifiers, descending or
    ascending.

    A sparse index holds only the documents that have the field; every unique index is sparse.
    """

    collection: str
    field: str
    unique: bool = False
    sparse: bool = False
    newest_first: bool = False
    oldest_first: bool = False
    then: tuple[str, ...] = ()

    @property
    def keys(self) -> list[tuple[str, int]]:
        fields = [(name, ASCENDING) for name in (self.field, *self.then)]
        followed = self.newest_first or self.oldest_first
        direction = DESCENDING if self.newest_first else ASCENDING
        return [*fields, *([("_id", direction)] if followed else [])]

    @property
    def name(self) -> str:
        return "_".join(f"{field}_{direction}" for field, direction in self.keys)

    @property
    def options(self) -> dict[str, bool]:
        unique = {"unique": True} if self.unique else {}
        return unique | ({"sparse": True} if self.unique or self.sparse else {})


_TELLING: Final = {"key", "unique", "sparse", "partialFilterExpression", "expireAfterSeconds", "collation"}


def create_indexes(database: Database[Document], indexes: Iterable[Index]) -> None:
    """Create those that are missing; several may do so at once.

    Raises OperationFailure if the data, or an index of the same name, do not allow one.
    """
    for index in indexes:
        model = IndexModel(index.keys, name=index.name, **index.options)
        database[index.collection].create_indexes([model])


def index_problems(database: Database[Document], indexes: Iterable[Index]) -> list[str]:
    """What is wrong with the indexes, a line each."""
    problems = []
    for index in indexes:
        name = f"the index {index.name} of the collection {index.collection}"
        found = database[index.collection].index_information().get(index.name)
        if found is None:
            problems.append(f"{name} is missing: start the service, which creates it")
        elif {option: found[option] for option in _TELLING & found.keys()} != _expected(index):
            problems.append(f"{name} is not the one the service needs: drop it and start the service again")
    return problems


def _expected(index: Index) -> dict[str, object]:
    return {"key": index.keys, **index.options}
