"""The store on MongoDB: the repositories over one connection, and the database itself: indexes, health, clock."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, cast

from pymongo.errors import ConfigurationError, NotPrimaryError, OperationFailure

from app.platform import clock
from app.platform.errors import Unavailable
from app.store.mongo.connection import CODEC, CREDENTIALS_CODES, Connection, Document, answer_or_unavailable
from app.store.mongo.indexes import create_indexes, index_problems
from app.store.store import implementations
from app.store.unusable import UnusableStoreError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from pymongo import MongoClient

    from app.store.mongo.indexes import Index

T = TypeVar("T")
OLDEST_VERSION: Final = 7
"""MongoDB 6 has had no security fixes since July 2025."""

CLOCK_SECONDS: Final = 5
"""How far the server's clock may be from ours."""

_INDEX_SECONDS: Final = 600
"""Building a dropped index again over a large collection takes minutes."""


class MongoStore:
    """`app.store.store.Store` on MongoDB."""

    common_name = "MongoDB"

    def __init__(
        self, uri: str, database: str, repositories: Iterable[type], *, client: MongoClient[Document] | None = None
    ) -> None:
        """`repositories` are the Protocols of all repositories.

        `client` is used instead of one for `uri`; it has to give aware datetimes.
        """
        self._connection = Connection(uri, database, client)
        classes = implementations(repositories, "mongo")
        self.indexes: tuple[Index, ...] = tuple(index for made in classes.values() for index in made.INDEXES)
        self._repositories = {kind: made(self._connection) for kind, made in classes.items()}

    def repository(self, kind: type[T]) -> T:
        return cast("T", self._repositories[kind])

    def prepare(self) -> None:
        try:
            self.ping()
            with answer_or_unavailable(_INDEX_SECONDS):
                create_indexes(self._connection.database, self.indexes)
        except Unavailable as error:
            if isinstance(error.__cause__, OperationFailure) and error.__cause__.code in CREDENTIALS_CODES:
                raise UnusableStoreError(_refusal(error.__cause__)) from error
            raise
        except OperationFailure as error:
            raise UnusableStoreError(_refusal(error)) from error
        except ConfigurationError as error:  # about what DNS says for a mongodb+srv URI
            raise UnusableStoreError(f"its driver refuses MONGO_URI: {error}") from error

    def ping(self) -> None:
        with answer_or_unavailable():
            # The old name of `hello`, which every server understands.
            hello = self._connection.database.command("isMaster")
            if hello["ismaster"]:  # a router says so, too
                return
        # If the URI names a single member, the driver stays with it even if it is no longer the primary.
        self._connection.close()
        raise Unavailable(retry_after=1) from NotPrimaryError("the server is not the primary", hello)

    @answer_or_unavailable()
    def problems(self) -> list[str]:
        """Lines that begin with "note:" are for information only."""
        admin = self._connection.client.get_database("admin")
        hello = admin.command("isMaster", codec_options=CODEC)
        asked_at = clock.now()
        version = str(admin.command("buildInfo")["version"])
        database = self._connection.database
        made = database.list_collection_names()
        return [
            *(
                index_problems(database, self.indexes)
                if made
                else ["it has not been made yet: the first start makes it"]
            ),
            *version_problems(version),
            *clock_problems(hello["localTime"], asked_at),
            *topology_notes(hello),
        ]

    def close(self) -> None:
        self._connection.close()


def _refusal(error: OperationFailure) -> str:
    text = f"MongoDB refuses the service: {(error.details or {}).get('errmsg', error)}"
    if error.code in CREDENTIALS_CODES:
        return f"{text}; write the right user and password, and the authSource, into MONGO_URI"
    return text


def version_problems(version: str) -> list[str]:
    """Whether a server of this version ("8.0.4") is too old."""
    if int(version.partition(".")[0]) >= OLDEST_VERSION:
        return []
    return [f"MongoDB {version} is too old: use {OLDEST_VERSION}.0 or later"]


def clock_problems(theirs: datetime, ours: datetime) -> list[str]:
    """Whether the server's clock and ours are too far apart."""
    seconds = (theirs - ours).total_seconds()
    if abs(seconds) <= CLOCK_SECONDS:
        return []
    side = "ahead of" if seconds > 0 else "behind"
    return [f"the clock of MongoDB is {abs(seconds):.0f} s {side} ours: let both follow NTP"]


def topology_notes(hello: Document) -> list[str]:
    """A note if the answer to `hello` shows neither a replica set nor a sharded cluster."""
    if "setName" in hello or hello.get("msg") == "isdbgrid":
        return []
    return ["note: MongoDB is not a replica set: nothing takes over when it fails, and writes are not retried"]
