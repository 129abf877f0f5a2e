"""Kept authorization requests in SQL: one row each, with the fields of `StoredRequest`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from sqlalchemy import Boolean, Column, Index, Table, bindparam, delete, insert, select

from app.oauth.requests.model import StoredRequest
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

OAUTH_REQUESTS: Final = Table(
    "oauth_requests",
    METADATA,
    Column("id", exact(64), primary_key=True),
    Column("client_id", exact(400), nullable=False),
    Column("parameters", LONG_TEXT, nullable=False),  # an object of lists, as JSON
    Column("pushed", Boolean, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Index("oauth_requests_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_COLUMNS: Final = OAUTH_REQUESTS.c
_LIVE: Final = (_COLUMNS.id == bindparam("request_id"), _COLUMNS.expires_at > bindparam("now"))
_ADD: Final = insert(OAUTH_REQUESTS)
_FIND: Final = select(
    _COLUMNS.id,
    _COLUMNS.client_id,
    _COLUMNS.parameters,
    _COLUMNS.created_at,
    _COLUMNS.expires_at,
    _COLUMNS.pushed,
).where(*_LIVE)
_TAKE: Final = delete(OAUTH_REQUESTS).where(*_LIVE)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlStoredRequests:
    """`app.oauth.requests.model.StoredRequests` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, request: StoredRequest) -> None:
        self._database.change(
            _ADD,
            {
                "id": request.id,
                "client_id": request.client_id,
                "parameters": json.dumps(dict(request.parameters)),
                "pushed": request.pushed,
                "created_at": request.created_at,
                "expires_at": request.expires_at,
            },
        )

    def find(self, request_id: str, now: datetime) -> StoredRequest | None:
        rows = self._database.rows(_FIND, {"request_id": request_id, "now": now})
        if not rows:
            return None
        found, client_id, parameters, created_at, expires_at, pushed = rows[0]
        sent = {name: tuple(values) for name, values in json.loads(parameters).items()}
        return StoredRequest(found, client_id, sent, created_at, expires_at, pushed)

    def take(self, request_id: str, now: datetime) -> bool:
        return self._database.change(_TAKE, {"request_id": request_id, "now": now}) == 1

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
