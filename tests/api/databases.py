"""The databases that the API tests run on, with direct access: what an operator could do to them."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from pymongo import MongoClient


class StoredSession(NamedTuple):
    """What a session keeps about its client."""

    ip: str
    user_agent: str


class Database(Protocol):
    """An empty database, and direct writes to it."""

    @property
    def settings(self) -> dict[str, str]:
        """The settings with which the service uses it."""

    def change_user(self, user_id: str, **changes: str | int) -> None:
        """Write fields of a user."""

    def change_roles(self, user_id: str, role: str) -> None:
        """Give a user this one role."""

    def break_users(self) -> None:
        """Break the database: users can no longer be read, which no operation expects."""

    def sessions_of(self, user_id: str) -> list[StoredSession]:
        """The sessions of a user, oldest first."""

    def contents(self) -> bytes:
        """Everything that is kept, in some readable form."""


class MongoDatabase:
    """A database on a server that speaks MongoDB's protocol."""

    def __init__(self, uri: str) -> None:
        self.settings = {"MONGO_URI": uri}
        self._uri = uri

    def change_user(self, user_id: str, **changes: str | int) -> None:
        self._set(user_id, changes)

    def change_roles(self, user_id: str, role: str) -> None:
        self._set(user_id, {"roles": [role]})

    def break_users(self) -> None:
        with self._client() as client:
            client.get_default_database()["users"].update_many({}, {"$unset": {"status": "", "roles": ""}})

    def sessions_of(self, user_id: str) -> list[StoredSession]:
        with self._client() as client:
            found = client.get_default_database()["sessions"].find({"user_id": user_id}).sort("_id")
            return [StoredSession(session["ip"], session["user_agent"]) for session in found]

    def contents(self) -> bytes:
        with self._client() as client:
            database = client.get_default_database()
            kept = [list(database[name].find()) for name in database.list_collection_names()]
            return repr(kept).encode()

    def _set(self, user_id: str, fields: Mapping[str, Any]) -> None:
        with self._client() as client:
            users = client.get_default_database()["users"]
            assert users.update_one({"_id": user_id}, {"$set": fields}).matched_count == 1

    def _client(self) -> MongoClient[dict[str, Any]]:
        return MongoClient(self._uri)


class SqliteDatabase:
    """A file."""

    def __init__(self, file: Path) -> None:
        self.settings = {"DATABASE_URL": f"sqlite:///{file}"}
        self.file = file

    def change_user(self, user_id: str, **changes: str | int) -> None:
        columns = ", ".join(f"{name} = ?" for name in changes)
        with closing(sqlite3.connect(self.file)) as connection, connection:
            written = connection.execute(
                f"UPDATE users SET {columns} WHERE id = ?",  # noqa: S608 - the names are those of the tests
                (*changes.values(), user_id),
            )
            assert written.rowcount == 1

    def change_roles(self, user_id: str, role: str) -> None:
        self.change_user(user_id, roles=role)

    def break_users(self) -> None:
        with closing(sqlite3.connect(self.file)) as connection, connection:
            connection.execute("ALTER TABLE users RENAME TO no_users")

    def sessions_of(self, user_id: str) -> list[StoredSession]:
        with closing(sqlite3.connect(self.file)) as connection:
            rows = connection.execute("SELECT ip, user_agent FROM sessions WHERE user_id = ? ORDER BY id", (user_id,))
            return [StoredSession(*row) for row in rows]

    def contents(self) -> bytes:
        with closing(sqlite3.connect(self.file)) as connection:
            return "\n".join(connection.iterdump()).encode()
