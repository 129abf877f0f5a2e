"""Deletes expired rows in batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Column, ColumnElement

    from app.store.sql.database import Database


class ExpiredRows:
    """The statements that delete the expired rows of one table."""

    def __init__(self, key: Column[Any], expired: ColumnElement[bool]) -> None:
        """`key` is the primary key; `expired` has a parameter `now`."""
        self._find = select(key).where(expired).limit(bindparam("limit"))
        # A row that was renewed after it was found stays.
        self._delete = delete(key.table).where(key.in_(bindparam("keys", expanding=True)), expired)

    def delete(self, database: Database, now: datetime, limit: int) -> int:
        """Delete up to `limit` rows that have expired at `now`; returns how many."""
        keys = [row[0] for row in database.rows(self._find, {"now": now, "limit": limit})]
        return database.change(self._delete, {"keys": keys, "now": now}) if keys else 0
