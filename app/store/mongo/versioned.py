"""A document with a version that guards each write."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pymongo.errors import DuplicateKeyError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.store.mongo.connection import Connection, Document


class VersionedDocuments:
    """The documents of a collection, each with a name and a version."""

    def __init__(self, collection: str, connection: Connection) -> None:
        self._collection = collection
        self._connection = connection

    def load(self, name: str) -> Document | None:
        """The document of this name with its `version`, None if there is none."""
        return self._connection[self._collection].find_one({"_id": name})

    def save(self, name: str, version: int, content: Mapping[str, object]) -> bool:
        """Replace the document of the version before this one (1: there is none yet); False if there is another."""
        document, found = {**content, "version": version}, self._connection[self._collection]
        if version > 1:
            return found.update_one({"_id": name, "version": version - 1}, {"$set": document}).matched_count == 1
        try:
            found.insert_one({"_id": name, **document})
        except DuplicateKeyError:
            return False
        return True
