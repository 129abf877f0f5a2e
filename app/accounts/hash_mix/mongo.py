"""The mix of password hashes in MongoDB: one document. A dummy hash has dots, so none is the name of a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from app.accounts.hash_mix.model import Mix
from app.store.mongo.connection import Connection, answer_or_unavailable

if TYPE_CHECKING:
    from app.store.mongo.indexes import Index

_ID: Final = "passwords"


class MongoHashMixes:
    """`app.accounts.hash_mix.model.HashMixes` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def load(self) -> Mix | None:
        found = self._connection["hash_mixes"].find_one({"_id": _ID})
        if found is None:
            return None
        return Mix(found["counted_at"], {each["dummy"]: each["count"] for each in found["counts"]})

    @answer_or_unavailable()
    def save(self, mix: Mix) -> None:
        counts = [{"dummy": dummy, "count": count} for dummy, count in mix.counts.items()]
        document = {"_id": _ID, "counted_at": mix.counted_at, "counts": counts}
        self._connection["hash_mixes"].replace_one({"_id": _ID}, document, upsert=True)
