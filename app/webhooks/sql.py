"""Webhooks in SQL: one row with a JSON document, whose version guards each write; and a row for each delivery."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Index, Integer, String, Table, bindparam, delete, insert, null, select, update
from sqlalchemy.exc import IntegrityError

from app.platform import pieces
from app.store.codec import Codec
from app.store.sql.columns import INSTANT, LONG_TEXT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL
from app.store.sql.versioned import VersionedRows, versioned_table
from app.webhooks.model import Delivery, Webhook, WebhookBook

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

WEBHOOK_BOOKS: Final = versioned_table("webhook_books")
WEBHOOK_DELIVERIES: Final = Table(
    "webhook_deliveries",
    METADATA,
    Column("id", exact(36), primary_key=True),
    Column("webhook_id", exact(36), nullable=False),
    Column("event", exact(64), nullable=False),
    Column("body", LONG_TEXT, nullable=False),
    Column("created_at", INSTANT, nullable=False),
    Column("next_attempt_at", INSTANT),
    Column("expires_at", INSTANT, nullable=False),
    # No foreign key: that a user was deleted is told once they are gone.
    Column("user_id", exact(36)),
    Column("status", exact(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("response_status", Integer),
    Column("error", String(200)),
    Index("webhook_deliveries_by_webhook", "webhook_id", "id"),
    Index("webhook_deliveries_by_due", "webhook_id", "next_attempt_at"),
    Index("webhook_deliveries_by_user", "user_id"),
    Index("webhook_deliveries_by_expiry", "expires_at"),
    **ON_MYSQL,
)

_NAME: Final = "webhooks"
_WEBHOOK: Final = Codec(Webhook)
_COLUMNS: Final = WEBHOOK_DELIVERIES.c
_FIELDS: Final = tuple(field.name for field in fields(Delivery))
_CHANGING: Final = ("next_attempt_at", "expires_at", "status", "attempts", "response_status", "error")
_OF_WEBHOOK: Final = _COLUMNS.webhook_id == bindparam("webhook")
_DELIVERIES: Final = select(*(_COLUMNS[name] for name in _FIELDS))

_ADD: Final = (
    insert(WEBHOOK_DELIVERIES)
    .from_select(
        list(_FIELDS),
        # Not left to the primary key: PostgreSQL logs each row it refuses.
        select(*(bindparam(f"new_{name}", type_=_COLUMNS[name].type) for name in _FIELDS)).where(
            ~select(_COLUMNS.id).where(_COLUMNS.id == bindparam("known")).exists()
        ),
    )
    # SQLAlchemy counts the rows of an INSERT only when asked to.
    .execution_options(preserve_rowcount=True)
)
_GET: Final = _DELIVERIES.where(_COLUMNS.id == bindparam("delivery"))
_DUE: Final = (
    _DELIVERIES.where(_OF_WEBHOOK, _COLUMNS.next_attempt_at <= bindparam("now"))
    .order_by(_COLUMNS.next_attempt_at)
    .limit(bindparam("limit"))
)
_REPLACE: Final = update(WEBHOOK_DELIVERIES).where(
    _COLUMNS.id == bindparam("delivery"),
    _COLUMNS.attempts == bindparam("seen_attempts"),
    _COLUMNS.next_attempt_at.is_not_distinct_from(bindparam("seen_at", type_=INSTANT)),
)
_PAGE: Final = (
    _DELIVERIES.where(_OF_WEBHOOK, _COLUMNS.id < bindparam("before"))
    .order_by(_COLUMNS.id.desc())
    .limit(bindparam("limit"))
)
_WAITING: Final = (
    select(_COLUMNS.id).where(_OF_WEBHOOK, _COLUMNS.next_attempt_at.is_not(null())).limit(bindparam("limit"))
)
_SURPLUS: Final = (
    select(_COLUMNS.id)
    .where(_OF_WEBHOOK, _COLUMNS.next_attempt_at.is_(null()))
    .order_by(_COLUMNS.id.desc())
    .limit(bindparam("limit"))
    .offset(bindparam("keep"))
)
_SOME_OF_WEBHOOK: Final = select(_COLUMNS.id).where(_OF_WEBHOOK).limit(bindparam("limit"))
_SOME_OF_USER: Final = (
    select(_COLUMNS.id)
    .where(_COLUMNS.user_id == bindparam("user"), _COLUMNS.event != bindparam("but"))
    .limit(bindparam("limit"))
)
_REMOVE: Final = delete(WEBHOOK_DELIVERIES).where(_COLUMNS.id.in_(bindparam("ids", expanding=True)))
_REMOVE_DONE: Final = _REMOVE.where(_COLUMNS.next_attempt_at.is_(null()))
_EXPIRED: Final = ExpiredRows(_COLUMNS.id, _COLUMNS.expires_at <= bindparam("now"))
_BEHIND_ALL: Final = "~"
"""Sorts after every identifier, since these are made of hexadecimal digits and hyphens."""


class SqlWebhookBooks:
    """`app.webhooks.model.WebhookBooks` on SQL."""

    def __init__(self, database: Database) -> None:
        self._rows = VersionedRows(WEBHOOK_BOOKS, database)

    def load(self) -> WebhookBook:
        found = self._rows.load(_NAME)
        if found is None:
            return WebhookBook()
        version, document = found
        return WebhookBook(version, tuple(_WEBHOOK.entity(webhook) for webhook in document["webhooks"]))

    def save(self, book: WebhookBook) -> bool:
        webhooks = [_WEBHOOK.document(webhook) for webhook in book.webhooks]
        return self._rows.save(_NAME, book.version, {"webhooks": webhooks})


class SqlDeliveries:
    """`app.webhooks.model.Deliveries` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, delivery: Delivery) -> bool:
        row: dict[str, Any] = {f"new_{name}": getattr(delivery, name) for name in _FIELDS}
        try:
            return self._database.change(_ADD, row | {"known": delivery.id}) == 1
        except IntegrityError:
            return False  # a concurrent insert had the same identifier

    def get(self, delivery_id: str) -> Delivery | None:
        rows = self._database.rows(_GET, {"delivery": delivery_id})
        return Delivery(*rows[0]) if rows else None

    def due(self, webhook_id: str, now: datetime, limit: int) -> list[Delivery]:
        rows = self._database.rows(_DUE, {"webhook": webhook_id, "now": now, "limit": limit})
        return [Delivery(*row) for row in rows]

    def replace(self, seen: Delivery, by: Delivery) -> bool:
        guard = {"delivery": seen.id, "seen_attempts": seen.attempts, "seen_at": seen.next_attempt_at}
        return self._database.change(_REPLACE, {name: getattr(by, name) for name in _CHANGING} | guard) == 1

    def page_of(self, webhook_id: str, *, before: str | None, limit: int) -> list[Delivery]:
        rows = self._database.rows(_PAGE, {"webhook": webhook_id, "before": before or _BEHIND_ALL, "limit": limit})
        return [Delivery(*row) for row in rows]

    def waiting(self, webhook_id: str, limit: int) -> int:
        return len(self._database.rows(_WAITING, {"webhook": webhook_id, "limit": limit}))

    def prune(self, webhook_id: str, keep: int) -> int:
        some = {"webhook": webhook_id, "keep": keep, "limit": pieces.AT_ONCE}
        ids = [row[0] for row in self._database.rows(_SURPLUS, some)]
        return self._database.change(_REMOVE_DONE, {"ids": ids}) if ids else 0

    def remove(self, delivery_id: str) -> None:
        self._database.change(_REMOVE, {"ids": [delivery_id]})

    def remove_some_of(self, webhook_id: str, limit: int) -> int:
        ids = [row[0] for row in self._database.rows(_SOME_OF_WEBHOOK, {"webhook": webhook_id, "limit": limit})]
        return self._database.change(_REMOVE, {"ids": ids}) if ids else 0

    def erase_some_of(self, user_id: str, limit: int, *, but: str) -> int:
        ids = [row[0] for row in self._database.rows(_SOME_OF_USER, {"user": user_id, "but": but, "limit": limit})]
        return self._database.change(_REMOVE, {"ids": ids}) if ids else 0

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
