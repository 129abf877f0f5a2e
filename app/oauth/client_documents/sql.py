"""Documents of clients in SQL: one row each, with the fields of `ClientDocument`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Index, String, Table, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.oauth.client_documents.model import ClientDocument
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

CLIENT_DOCUMENTS: Final = Table(
    "client_documents",
    METADATA,
    Column("id", exact(64), primary_key=True),
    Column("url", String(400), nullable=False),
    Column("document", LONG_TEXT, nullable=False),  # as it was fetched
    Column("fetched_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Index("client_documents_by_expiry", "expires_at"),
    **ON_MYSQL,
)

_COLUMNS: Final = CLIENT_DOCUMENTS.c
_THIS: Final = _COLUMNS.id == bindparam("document_id")
_FIND: Final = select(_COLUMNS.id, _COLUMNS.url, _COLUMNS.document, _COLUMNS.fetched_at, _COLUMNS.expires_at).where(
    _THIS, _COLUMNS.expires_at > bindparam("now")
)
_ADD: Final = insert(CLIENT_DOCUMENTS)
_REPLACE: Final = update(CLIENT_DOCUMENTS).where(_THIS, _COLUMNS.fetched_at <= bindparam("not_after"))
_REMOVE: Final = delete(CLIENT_DOCUMENTS).where(_THIS)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlClientDocuments:
    """`app.oauth.client_documents.model.ClientDocuments` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, document_id: str, now: datetime) -> ClientDocument | None:
        rows = self._database.rows(_FIND, {"document_id": document_id, "now": now})
        return ClientDocument(*rows[0]) if rows else None

    def keep(self, document: ClientDocument) -> None:
        kept = {
            "url": document.url,
            "document": document.document,
            "fetched_at": document.fetched_at,
            "expires_at": document.expires_at,
        }
        try:
            self._database.change(_ADD, {"id": document.id, **kept})
        except IntegrityError:  # there is one of this URL
            which = {"document_id": document.id, "not_after": document.fetched_at}
            self._database.change(_REPLACE, which | kept)

    def remove(self, document_id: str) -> bool:
        return self._database.change(_REMOVE, {"document_id": document_id}) == 1

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
