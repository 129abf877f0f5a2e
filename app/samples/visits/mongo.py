"""The count of visits in MongoDB: one document."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ReturnDocument
from pymongo.errors import DuplicateKeyError

from app.store.mongo.connection import Connection, answer_or_unavailable

if TYPE_CHECKING:
    from app.store.mongo.indexes import Index

_ID: Final = "all"


class MongoVisits:
    """`app.samples.visits.model.Visits` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add_one(self) -> int:
        try:
            return self._increase()
        except DuplicateKeyError:
            # If two upserts find nothing, both insert and MongoDB refuses the later one. Only the first visits can meet
            # this, and only once.
            return self._increase()

    def _increase(self) -> int:
        counted = self._connection["visits"].find_one_and_update(
            {"_id": _ID}, {"$inc": {"count": 1}}, upsert=True, return_document=ReturnDocument.AFTER
        )
        count: int = counted["count"]  # type: ignore[index] # an upsert always returns one
        return count
