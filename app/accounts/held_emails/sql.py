"""Held addresses in SQL: one row each, by the address's key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import Column, Index, Table, bindparam, case, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from app.store.sql.columns import INSTANT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

HELD_EMAILS: Final = Table(
    "held_emails",
    METADATA,
    Column("email_key", exact(320), primary_key=True),
    Column("user_id", exact(36), nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Index("held_emails_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_COLUMNS: Final = HELD_EMAILS.c
_THIS: Final = _COLUMNS.email_key == bindparam("key")
_UNTIL: Final = bindparam("until", type_=_COLUMNS.expires_at.type)

# An expired hold ended before `until`. So the later of both ends is right for this user's own hold and for an expired
# one.
_TAKE_OVER: Final = (
    update(HELD_EMAILS)
    .where(_THIS, or_(_COLUMNS.user_id == bindparam("holder"), _COLUMNS.expires_at <= bindparam("now")))
    .values(
        user_id=bindparam("holder"),
        expires_at=case((_COLUMNS.expires_at > _UNTIL, _COLUMNS.expires_at), else_=_UNTIL),
    )
)
_BEGIN: Final = insert(HELD_EMAILS)
_HOLDER: Final = select(_COLUMNS.user_id).where(_THIS, _COLUMNS.expires_at > bindparam("now"))
_RELEASE: Final = delete(HELD_EMAILS).where(_THIS, _COLUMNS.user_id == bindparam("holder"))
_EXPIRED: Final = ExpiredRows(_COLUMNS.email_key, _COLUMNS.expires_at <= bindparam("now"))


class SqlHeldEmails:
    """`app.accounts.held_emails.model.HeldEmails` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def hold(self, email_key: str, user_id: str, *, now: datetime, until: datetime) -> bool:
        over = {"key": email_key, "holder": user_id, "now": now, "until": until}
        if self._database.change(_TAKE_OVER, over) == 1:
            return True
        try:
            self._database.change(_BEGIN, {"email_key": email_key, "user_id": user_id, "expires_at": until})
        except IntegrityError:
            # There is a hold by now: another user's, or this user's from a concurrent request.
            return self._database.change(_TAKE_OVER, over) == 1
        return True

    def holder(self, email_key: str, now: datetime) -> str | None:
        rows = self._database.rows(_HOLDER, {"key": email_key, "now": now})
        return rows[0][0] if rows else None

    def release(self, email_key: str, user_id: str) -> None:
        self._database.change(_RELEASE, {"key": email_key, "holder": user_id})

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)
