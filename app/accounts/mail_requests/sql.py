"""Mail requests in SQL: one row each, with a pending registration as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Index, Integer, String, Table, bindparam, delete, insert, select, update

from app.accounts.mail_requests.model import MailRequest, PendingRegistration
from app.platform import identifiers
from app.store.codec import Codec, from_json
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from app.store.sql.database import Database

MAIL_REQUESTS: Final = Table(
    "mail_requests",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column("kind", exact(16), nullable=False),
    Column("email", String(320), nullable=False),
    Column("email_key", exact(320), nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Column("due_at", INSTANT),
    Column("attempts", Integer, nullable=False),
    Column("registration", LONG_TEXT),
    Index("mail_requests_by_due", "due_at"),
    Index("mail_requests_by_email", "email_key"),
    Index("mail_requests_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_REGISTRATION: Final = Codec(PendingRegistration)
_COLUMNS: Final = MAIL_REQUESTS.c
_PLAIN: Final = ("id", "kind", "email", "created_at", "expires_at", "due_at", "attempts")
_THIS: Final = _COLUMNS.id == bindparam("request_id")

_ADD: Final = insert(MAIL_REQUESTS)
_REQUESTS: Final = select(*(_COLUMNS[name] for name in _PLAIN), _COLUMNS.registration)
_GET: Final = _REQUESTS.where(_THIS)
_REGISTRATIONS: Final = (
    _REQUESTS.where(
        _COLUMNS.email_key == bindparam("key"),
        _COLUMNS.kind == "register",
        _COLUMNS.expires_at > bindparam("now"),
    )
    .order_by(_COLUMNS.id)
    .limit(bindparam("limit"))
)
_DUE: Final = _REQUESTS.where(_COLUMNS.due_at <= bindparam("now")).order_by(_COLUMNS.due_at).limit(bindparam("limit"))
_RESCHEDULE: Final = update(MAIL_REQUESTS).where(
    _THIS, _COLUMNS.due_at.is_not_distinct_from(bindparam("seen", type_=_COLUMNS.due_at.type))
)
_REMOVE: Final = delete(MAIL_REQUESTS).where(_THIS)
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))


class SqlMailRequests:
    """`app.accounts.mail_requests.model.MailRequests` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, request: MailRequest) -> None:
        row: dict[str, Any] = {name: getattr(request, name) for name in _PLAIN}
        row["email_key"] = identifiers.comparable_email(request.email)
        row["registration"] = _REGISTRATION.text(request.registration) if request.registration else None
        self._database.change(_ADD, row)

    def get(self, request_id: str) -> MailRequest | None:
        rows = self._database.rows(_GET, {"request_id": request_id})
        return _request_of(rows[0]) if rows else None

    def registrations(self, email_key: str, now: datetime, limit: int) -> list[MailRequest]:
        rows = self._database.rows(_REGISTRATIONS, {"key": email_key, "now": now, "limit": limit})
        return [_request_of(row) for row in rows]

    def due(self, now: datetime, limit: int) -> list[MailRequest]:
        return [_request_of(row) for row in self._database.rows(_DUE, {"now": now, "limit": limit})]

    def reschedule(self, request: MailRequest, due_at: datetime | None, attempts: int) -> bool:
        guard = {"request_id": request.id, "seen": request.due_at}
        return self._database.change(_RESCHEDULE, {**guard, "due_at": due_at, "attempts": attempts}) == 1

    def remove(self, request_id: str) -> bool:
        return self._database.change(_REMOVE, {"request_id": request_id}) == 1

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)


def _request_of(row: Iterable[Any]) -> MailRequest:
    request_id, kind, email, created_at, expires_at, due_at, attempts, text = row
    registration = None if text is None else _REGISTRATION.entity(from_json(text))
    return MailRequest(request_id, kind, email, created_at, expires_at, due_at, attempts, registration)
