"""Failed logins in SQL: a row for each key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Column, Index, Integer, Table, bindparam, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from app.store.sql.columns import INSTANT, exact
from app.store.sql.expired_rows import ExpiredRows
from app.store.sql.schema import METADATA, ON_MYSQL
from app.throttle.model import FailureCount

if TYPE_CHECKING:
    from datetime import datetime

    from app.store.sql.database import Database

LOGIN_FAILURES: Final = Table(
    "login_failures",
    METADATA,
    Column("digest", exact(64), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("blocked_until", INSTANT, nullable=False),
    Column("expires_at", INSTANT, nullable=False),
    Index("login_failures_by_expiry", "expires_at"),
    **ON_MYSQL,
)


_COLUMNS: Final = LOGIN_FAILURES.c
_STILL_SEEN: Final = (
    _COLUMNS.digest == bindparam("key"),
    _COLUMNS.count == bindparam("seen_count"),
    _COLUMNS.expires_at == bindparam("seen_expires_at"),
)

_GET: Final = select(_COLUMNS.count, _COLUMNS.blocked_until, _COLUMNS.expires_at).where(
    _COLUMNS.digest == bindparam("key")
)
_BEGIN: Final = insert(LOGIN_FAILURES)
_ADVANCE: Final = update(LOGIN_FAILURES).where(*_STILL_SEEN)
_CLEAR: Final = delete(LOGIN_FAILURES).where(*_STILL_SEEN)
_EXPIRED: Final = ExpiredRows(_COLUMNS.digest, _COLUMNS.expires_at <= bindparam("now"))


class SqlLoginFailures:
    """`app.throttle.model.LoginFailures` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, key: str) -> FailureCount | None:
        rows = self._database.rows(_GET, {"key": key})
        return FailureCount(*rows[0]) if rows else None

    def advance(self, key: str, seen: FailureCount | None, to: FailureCount) -> bool:
        content = {"count": to.count, "blocked_until": to.blocked_until, "expires_at": to.expires_at}
        if seen is not None:
            return self._database.change(_ADVANCE, _still_seen(key, seen) | content) == 1
        try:
            self._database.change(_BEGIN, {"digest": key, **content})
        except IntegrityError:
            return False
        return True

    def clear(self, key: str, seen: FailureCount) -> bool:
        return self._database.change(_CLEAR, _still_seen(key, seen)) == 1

    def delete_expired(self, now: datetime, limit: int) -> int:
        return _EXPIRED.delete(self._database, now, limit)


def _still_seen(key: str, seen: FailureCount) -> dict[str, Any]:
    return {"key": key, "seen_count": seen.count, "seen_expires_at": seen.expires_at}
