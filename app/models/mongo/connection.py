"""How MongoDB is talked to: the client, the collections, and what it means when no answer comes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import pymongo
from bson.codec_options import CodecOptions
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.errors import ConnectionFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from app.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.collection import Collection
    from pymongo.database import Database

Document: TypeAlias = dict[str, Any]

OPERATION_SECONDS: Final = 2.0
"""The longest that a verb waits for its answer, retries included: the driver may overrun by half a second, and
a request is refused within 3. It bounds all that a client's other time-outs would."""

CODEC: Final = CodecOptions[Document](tz_aware=True)

_OPTIONS: Final[dict[str, Any]] = {
    "connect": False,
    "tz_aware": True,
    "appname": "latchkey",
    # How long the driver's own watch over the servers waits for one that hangs.
    "connectTimeoutMS": 1000,
    # One for each thread that takes requests, and some for the jobs.
    "maxPoolSize": 100,
}


class Connection:
    """A client, and the collections of one database; nothing is opened before the first operation.

    `close` puts new ones in the place of all, so ask for them here each time.
    """

    client: MongoClient[Document]
    database: Database[Document]
    users: Collection[Document]
    sessions: Collection[Document]
    held_emails: Collection[Document]
    mail_requests: Collection[Document]
    events: Collection[Document]
    login_failures: Collection[Document]
    keyrings: Collection[Document]
    leases: Collection[Document]
    sample_products: Collection[Document]
    visits: Collection[Document]

    def __init__(self, uri: str, database: str, client: MongoClient[Document] | None) -> None:
        """`client` is used instead of one for `uri`; it has to give aware datetimes."""
        self._uri = uri
        self._name = database
        self._given = client
        self._open()

    def close(self) -> None:
        """Close all connections; the next operation opens new ones."""
        closed = self.client
        self._open()
        closed.close()

    def _open(self) -> None:
        self.client = MongoClient(self._uri, **_OPTIONS) if self._given is None else self._given
        self.database = self.client.get_database(
            self._name,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority", j=True),
            read_concern=ReadConcern(),
        )
        self.users = self.database["users"]
        self.sessions = self.database["sessions"]
        self.held_emails = self.database["held_emails"]
        self.mail_requests = self.database["mail_requests"]
        self.events = self.database["events"]
        self.login_failures = self.database["login_failures"]
        self.keyrings = self.database["keyrings"]
        self.leases = self.database["leases"]
        self.sample_products = self.database["sample_products"]
        self.visits = self.database["visits"]


@contextmanager
def answering(seconds: float = OPERATION_SECONDS) -> Iterator[None]:
    """Give the operations inside, together, `seconds` to answer; raises Unavailable when they do not."""
    try:
        with pymongo.timeout(seconds):
            yield
    except PyMongoError as error:
        if no_answer(error):
            raise Unavailable(retry_after=1) from error
        raise


def no_answer(error: PyMongoError) -> bool:
    """Whether an error says that MongoDB cannot answer at the moment; any other is a fault of the program."""
    return (
        isinstance(error, ConnectionFailure)
        or error.timeout
        or error.has_error_label("RetryableWriteError")
        or error.has_error_label("SystemOverloadedError")
    )


def without_none(document: Document) -> Document:
    """The same without what is None: a unique index is sparse, and two nulls would collide in it."""
    return {name: value for name, value in document.items() if value is not None}
