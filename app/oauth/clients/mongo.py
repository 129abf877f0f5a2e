"""Clients in MongoDB: one document each, with the fields of `Client`, and the origins of its redirect URIs."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from pymongo import ASCENDING

from app.oauth.clients.model import Client
from app.store.codec import Codec
from app.store.mongo.connection import Connection, Document, answer_or_unavailable

if TYPE_CHECKING:
    from app.store.mongo.indexes import Index

_CODEC: Final = Codec(Client)
_LISTS: Final = ("scopes", "resources")


class MongoClients:
    """`app.oauth.clients.model.Clients` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @answer_or_unavailable()
    def add(self, client: Client) -> None:
        self._connection["clients"].insert_one(_document_of(client))

    @answer_or_unavailable()
    def find(self, client_id: str) -> Client | None:
        found = self._connection["clients"].find_one({"_id": client_id})
        return None if found is None else _client_of(found)

    @answer_or_unavailable()
    def page(self, *, after: str | None, limit: int) -> list[Client]:
        behind: Document = {} if after is None else {"_id": {"$gt": after}}
        found = self._connection["clients"].find(behind).sort("_id", ASCENDING).limit(limit)
        return [_client_of(document) for document in found]

    @answer_or_unavailable()
    def save(self, client: Client) -> bool:
        before = {"_id": client.id, "revision": client.revision - 1}
        return self._connection["clients"].replace_one(before, _document_of(client)).matched_count == 1

    @answer_or_unavailable()
    def remove(self, client_id: str) -> bool:
        return self._connection["clients"].delete_one({"_id": client_id}).deleted_count == 1

    @answer_or_unavailable()
    def origins(self) -> frozenset[str]:
        return frozenset(self._connection["clients"].distinct("origins"))

    @answer_or_unavailable()
    def have_logout(self) -> bool:
        wants = {"backchannel_logout_uri": {"$exists": True}}
        return self._connection["clients"].find_one(wants, {"_id": 1}) is not None


def _document_of(client: Client) -> Document:
    document = _CODEC.document(client)
    # An empty list is not the same as none, which the codec leaves out.
    document |= {name: [] for name in _LISTS if getattr(client, name) == ()}
    document |= {"_id": document.pop("id"), "origins": list(client.origins)}
    return document


def _client_of(document: Document) -> Client:
    return _CODEC.entity({"id": document["_id"]} | document)
