"""The catalogue in MongoDB: one document, whose version guards each write."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final

from app.oauth.catalogue.model import CatalogueBook
from app.store.codec import Codec
from app.store.mongo.connection import Connection, Document, answer_or_unavailable
from app.store.mongo.versioned import VersionedDocuments

if TYPE_CHECKING:
    from app.store.mongo.indexes import Index

_ID: Final = "all"
_CODEC: Final = Codec(CatalogueBook)


class MongoCatalogueBooks:
    """`app.oauth.catalogue.model.CatalogueBooks` on MongoDB."""

    INDEXES: ClassVar[tuple[Index, ...]] = ()

    def __init__(self, connection: Connection) -> None:
        self._documents = VersionedDocuments("oauth_catalogues", connection)

    @answer_or_unavailable()
    def load(self) -> CatalogueBook:
        found = self._documents.load(_ID)
        return CatalogueBook() if found is None else _CODEC.entity(found)

    @answer_or_unavailable()
    def save(self, book: CatalogueBook) -> bool:
        # Whole, with what is empty: what a document lacks stays as it was.
        document: Document = {"scopes": [], "resources": []} | _CODEC.document(book)
        return self._documents.save(_ID, book.version, document)
