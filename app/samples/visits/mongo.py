"""The count of visits in MongoDB: one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from app.store.mongo.connection import Connection, answering

if TYPE_CHECKING:
    from app.store.mongo.indexes import Index

_ID: Final = "all"


class MongoVisits:
    """`app.samples.visits.model.Visits` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answering()
    def add_one(self) -> int:
        try:
            return self._increase()
        except DuplicateKeyError:
            # MongoDB lets two upserts that find nothing both insert, and refuses the later one: only the first visits
            # can meet this, and once.
            return self._increase()

    def _increase(self) -> int:
        counted = self._connection.visits.find_one_and_update(
            {"_id": _ID}, {"$inc": {"count": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        count: int = counted["count"]  # type: ignore[index] # an upsert always gives one
        return count
