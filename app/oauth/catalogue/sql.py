"""The catalogue in SQL: one row with a JSON document, whose version guards each write."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.oauth.catalogue.model import CatalogueBook
from app.store.codec import Codec
from app.store.sql.versioned import VersionedRows, versioned_table

if TYPE_CHECKING:
    from app.store.sql.database import Database

OAUTH_CATALOGUES: Final = versioned_table("oauth_catalogues")

_NAME: Final = "all"
_CODEC: Final = Codec(CatalogueBook)


class SqlCatalogueBooks:
    """`app.oauth.catalogue.model.CatalogueBooks` on SQL."""

    def __init__(self, database: Database) -> None:
        self._rows = VersionedRows(OAUTH_CATALOGUES, database)

    def load(self) -> CatalogueBook:
        found = self._rows.load(_NAME)
        if found is None:
            return CatalogueBook()
        version, document = found
        return _CODEC.entity(document | {"version": version})

    def save(self, book: CatalogueBook) -> bool:
        document = _CODEC.document(book)
        del document["version"]
        return self._rows.save(_NAME, book.version, document)
