"""Looking for users in SQL: ranges of the indexes of their table, and of the table of roles."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Select, bindparam, select, update

from app.accounts.sql import USER_COLUMNS, USER_ROLES, USERS, user_of
from app.administration.model import FoundUser, StoredKeys

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from app.accounts.model import Status
    from app.administration.model import KeyName
    from app.store.sql.database import Database

_COLUMNS: Final = USERS.c
_KEYS: Final = (_COLUMNS.email_key, _COLUMNS.username_key, _COLUMNS.name_key)
_HIGHEST: Final = "\U0010ffff"
"""Sorts behind every character of a key."""
_FOUND: Final = select(*USER_COLUMNS, *_KEYS)


def _behind(order: ColumnElement[Any], *conditions: ColumnElement[bool], of: Select[Any] = _FOUND) -> Select[Any]:
    return of.where(*conditions, order > bindparam("after")).order_by(order).limit(bindparam("limit"))


_BY_ID: Final = _behind(_COLUMNS.id)
_BY_STATUS: Final = _behind(_COLUMNS.id, _COLUMNS.listed_status == bindparam("status"))
_BY_ROLE: Final = _behind(
    USER_ROLES.c.user_id,
    USER_ROLES.c.role == bindparam("role"),
    of=_FOUND.join(USER_ROLES, USER_ROLES.c.user_id == _COLUMNS.id),
)


def _from_prefix(name: KeyName) -> Select[Any]:
    return _in_range(name, _COLUMNS[name] >= bindparam("prefix"))


def _beyond_key(name: KeyName) -> Select[Any]:
    return _in_range(name, _COLUMNS[name] > bindparam("key"))


def _in_range(name: KeyName, begin: ColumnElement[bool]) -> Select[Any]:
    # Names are not unique, and their index has the identifiers behind them.
    order = (_COLUMNS.name_key, _COLUMNS.id) if name == "name_key" else (_COLUMNS[name],)
    return _FOUND.where(begin, _COLUMNS[name] < bindparam("end")).order_by(*order).limit(bindparam("limit"))


_FROM_PREFIX: Final[dict[KeyName, Select[Any]]] = {
    "email_key": _from_prefix("email_key"),
    "username_key": _from_prefix("username_key"),
    "name_key": _from_prefix("name_key"),
}
_BEYOND_KEY: Final[dict[KeyName, Select[Any]]] = {
    "email_key": _beyond_key("email_key"),
    "username_key": _beyond_key("username_key"),
    "name_key": _beyond_key("name_key"),
}
_WITH_NAME: Final = _behind(_COLUMNS.id, _COLUMNS.name_key == bindparam("key"))
_STORED_KEYS: Final = _behind(
    _COLUMNS.id, of=select(_COLUMNS.id, _COLUMNS.name, _COLUMNS.status, _COLUMNS.name_key, _COLUMNS.listed_status)
)
_SET_KEYS: Final = (
    update(USERS)
    .where(
        _COLUMNS.id == bindparam("user_id"),
        _COLUMNS.name.is_not_distinct_from(bindparam("stored_name")),
        _COLUMNS.status == bindparam("stored_status"),
    )
    .values(name_key=bindparam("new_name_key"), listed_status=bindparam("new_listed_status"))
)


class SqlUserSearch:
    """`app.administration.model.UserSearch` on SQL."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def by_id(self, after: str, limit: int) -> list[FoundUser]:
        return self._found(_BY_ID, after=after, limit=limit)

    def by_status(self, status: Status, after: str, limit: int) -> list[FoundUser]:
        return self._found(_BY_STATUS, status=status, after=after, limit=limit)

    def by_role(self, role: str, after: str, limit: int) -> list[FoundUser]:
        return self._found(_BY_ROLE, role=role, after=after, limit=limit)

    def by_key(self, name: KeyName, prefix: str, *, key: str, after: str, limit: int) -> list[FoundUser]:
        end = prefix + _HIGHEST
        if not key:
            return self._found(_FROM_PREFIX[name], prefix=prefix, end=end, limit=limit)
        # Two ranges instead of one over both columns, for which MySQL would read all that have the same name.
        same = self._found(_WITH_NAME, key=key, after=after, limit=limit) if name == "name_key" else []
        if len(same) == limit:
            return same
        return same + self._found(_BEYOND_KEY[name], key=key, end=end, limit=limit - len(same))

    def keys(self, after: str, limit: int) -> list[StoredKeys]:
        return [StoredKeys(*row) for row in self._database.rows(_STORED_KEYS, {"after": after, "limit": limit})]

    def set_keys(self, keys: StoredKeys) -> None:
        stored = {"user_id": keys.user_id, "stored_name": keys.name, "stored_status": keys.status}
        new = {"new_name_key": keys.name_key, "new_listed_status": keys.listed_status}
        self._database.change(_SET_KEYS, stored | new)

    def _found(self, statement: Select[Any], **parameters: str | int) -> list[FoundUser]:
        rows = self._database.rows(statement, parameters)
        return [FoundUser(user_of(row[: -len(_KEYS)]), *row[-len(_KEYS) :]) for row in rows]
