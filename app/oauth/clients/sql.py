"""Clients in SQL: one row each; what else a client has is JSON, since it is read as a whole."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Boolean, Column, Integer, String, Table, bindparam, delete, insert, select, update

from app.oauth.clients.model import Client, origins_of
from app.store.codec import Codec, from_json, to_json
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.store.sql.database import Database

CLIENTS: Final = Table(
    "clients",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column("name", String(100), nullable=False),
    Column("kind", exact(16), nullable=False),
    Column("document", LONG_TEXT, nullable=False),  # what else it has, as JSON
    Column("has_logout", Boolean, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("revision", Integer, nullable=False),
    **ON_MYSQL,
)

_CODEC: Final = Codec(Client)
_IN_COLUMNS: Final = ("id", "name", "kind", "created_at", "revision")
_LISTS: Final = ("scopes", "resources")
_COLUMNS: Final = CLIENTS.c
_THIS: Final = _COLUMNS.id == bindparam("client")
_CLIENT: Final = select(*(_COLUMNS[name] for name in _IN_COLUMNS), _COLUMNS.document)
_ADD: Final = insert(CLIENTS)
_FIND: Final = _CLIENT.where(_THIS)
_PAGE: Final = _CLIENT.where(_COLUMNS.id > bindparam("after")).order_by(_COLUMNS.id).limit(bindparam("limit"))
_SAVE: Final = update(CLIENTS).where(_THIS, _COLUMNS.revision == bindparam("before"))
_REMOVE: Final = delete(CLIENTS).where(_THIS)
_DOCUMENTS: Final = select(_COLUMNS.document)
_HAVE_LOGOUT: Final = select(_COLUMNS.id).where(_COLUMNS.has_logout).limit(1)


class SqlClients:
    """`app.oauth.clients.model.Clients` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, client: Client) -> None:
        self._database.change(_ADD, _row_of(client))

    def find(self, client_id: str) -> Client | None:
        rows = self._database.rows(_FIND, {"client": client_id})
        return _client_of(rows[0]) if rows else None

    def page(self, *, after: str | None, limit: int) -> list[Client]:
        return [_client_of(row) for row in self._database.rows(_PAGE, {"after": after or "", "limit": limit})]

    def save(self, client: Client) -> bool:
        before = {"client": client.id, "before": client.revision - 1}
        return self._database.change(_SAVE, _row_of(client) | before) == 1

    def remove(self, client_id: str) -> bool:
        return self._database.change(_REMOVE, {"client": client_id}) == 1

    def origins(self) -> frozenset[str]:
        # Of each document no more than this: strangers can have it asked every two seconds (`ClientOrigins`).
        found = (from_json(row[0]).get("redirect_uris", ()) for row in self._database.rows(_DOCUMENTS))
        return frozenset(chain.from_iterable(map(origins_of, found)))

    def have_logout(self) -> bool:
        return bool(self._database.rows(_HAVE_LOGOUT))


def _row_of(client: Client) -> dict[str, Any]:
    document = _CODEC.document(client)
    # An empty list is not the same as none, which the codec leaves out.
    document |= {name: [] for name in _LISTS if getattr(client, name) == ()}
    columns = {name: document.pop(name) for name in _IN_COLUMNS}
    return {**columns, "has_logout": client.backchannel_logout_uri is not None, "document": to_json(document)}


def _client_of(row: Iterable[Any]) -> Client:
    *columns, document = row
    return _CODEC.entity(from_json(document) | dict(zip(_IN_COLUMNS, columns, strict=True)))
