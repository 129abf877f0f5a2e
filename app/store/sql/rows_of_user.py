"""Deleting the rows of a user who is deleted, a few at a time: MySQL locks what a larger statement looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select

if TYPE_CHECKING:
    from sqlalchemy import Column

    from app.store.sql.database import Database


class RowsOfUser:
    """The statements that delete the rows of one table that belong to a user."""

    def __init__(self, key: Column[Any], user_id: Column[Any]) -> None:
        """`key` is the primary key, `user_id` the column that says whose a row is."""
        self._find = select(key).where(user_id == bindparam("of")).limit(bindparam("limit"))
        self._delete = delete(key.table).where(key.in_(bindparam("keys", expanding=True)))

    def remove_some(self, database: Database, user_id: str, limit: int) -> int:
        """Delete up to `limit` rows of the user; returns how many."""
        keys = [row[0] for row in database.rows(self._find, {"of": user_id, "limit": limit})]
        return database.change(self._delete, {"keys": keys}) if keys else 0
