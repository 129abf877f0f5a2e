"""The keyring in MongoDB: one document, whose version guards each write."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, ClassVar, Final

from pymongo.errors import DuplicateKeyError

from app.keys.model import StoredKey, StoredKeyring
from app.store.mongo.connection import Connection, answer_or_unavailable

if TYPE_CHECKING:
    from app.store.mongo.indexes import Index

_ID: Final = "signing"


class MongoKeyrings:
    """`app.keys.model.Keyrings` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def load(self) -> StoredKeyring | None:
        found = self._connection["keyrings"].find_one({"_id": _ID})
        if found is None:
            return None
        keys = tuple(StoredKey(**key) for key in found["keys"])
        return StoredKeyring(found["version"], keys, tuple(found.get("leaked", ())))

    @answer_or_unavailable()
    def save(self, keyring: StoredKeyring) -> bool:
        content: dict[str, object] = {"version": keyring.version, "keys": [asdict(key) for key in keyring.keys]}
        if keyring.leaked:
            content["leaked"] = list(keyring.leaked)
        keyrings = self._connection["keyrings"]
        if keyring.version > 1:
            guard = {"_id": _ID, "version": keyring.version - 1}
            return keyrings.update_one(guard, {"$set": content}).matched_count == 1
        try:
            keyrings.insert_one({"_id": _ID, **content})
        except DuplicateKeyError:
            return False
        return True
