"""The connection to MongoDB: the client, the collections, and which errors mean that it cannot answer."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import pymongo
from bson.codec_options import CodecOptions
from pymongo import MongoClient, ReadPreference, WriteConcern
from pymongo.errors import ConfigurationError, ConnectionFailure, InvalidOperation, OperationFailure, PyMongoError
from pymongo.read_concern import ReadConcern

from app.platform import deadline
from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pymongo.collection import Collection
    from pymongo.database import Database

Document: TypeAlias = dict[str, Any]

OPERATION_SECONDS: Final = 2.0
"""The longest that an operation waits for its answer, retries included. The driver may overrun by half a second, and a
request is refused within 3. This limit also cuts off the client's other time-outs."""

CREDENTIALS_CODES: Final = frozenset({18, 8000})
"""AuthenticationFailed, and Atlas's own code for it, which also means a full cluster."""
NO_ANSWER_CODES: Final = CREDENTIALS_CODES | frozenset(
    {
        # The network between servers, and what a router says about its shards.
        *(6, 7, 70, 71, 74, 89, 133, 149, 172, 190, 199, 202, 230, 231, 317, 384, 9001, 56846),
        # No primary, or not this one; a member that recovers, steps down or shuts down.
        *(91, 94, 134, 135, 164, 189, 216, 281, 303, 310, 333, 354, 355, 372, 10058, 10107, 13435, 13436),
        *(11600, 11601, 11602),
        # Time-outs and interruptions: the same request may succeed when it is repeated.
        *(24, 46, 50, 64, 90, 100, 107, 109, 112, 117, 225, 237, 246, 262, 279, 290, 365, 407, 412, 433, 449, 450, 462),
        *(46841, 91331, 10045600),
        # The distribution of the data is changing, or is not known to the server that was asked.
        *(63, 150, 203, 249, 250, 272, 319, 338, 342, 343, 358, 406, 453, 13388),
        # No room on the disk or in memory, too many files or sessions, or writes blocked by an administrator.
        *(146, 261, 264, 371, 402, 14031),
    }
)
"""The codes by which a server says that it cannot do its work at the moment.

From src/mongo/base/error_codes.yml of MongoDB; faults of the program and missing rights are not among them.
"""

_CLOSED: Final = "after close"
"""What the driver says when another thread has closed the client of an operation: the next one has a new client."""

CODEC: Final = CodecOptions[Document](tz_aware=True)

_DEFAULTS: Final[dict[str, Any]] = {
    "appname": "latchkey",
    # How long the driver's monitoring waits for a server that hangs.
    "connectTimeoutMS": 1000,
    # One for each thread that takes requests, and some for the jobs.
    "maxPoolSize": 100,
}


class _Opened(NamedTuple):
    client: MongoClient[Document]
    database: Database[Document]
    collections: dict[str, Collection[Document]]


class Connection:
    """A client, and the collections of one database; nothing is opened before the first operation.

    `close` replaces all of them, so get them from here each time. Several threads may do all of this at once.
    """

    def __init__(self, uri: str, database: str, client: MongoClient[Document] | None) -> None:
        """`client` replaces the one for `uri`; it has to return aware datetimes."""
        self._uri = uri
        self._name = database
        self._given = client
        self._lock = Lock()
        self._opened = self._open()

    @property
    def client(self) -> MongoClient[Document]:
        """The client."""
        return self._opened.client

    @property
    def database(self) -> Database[Document]:
        """The database."""
        return self._opened.database

    def __getitem__(self, name: str) -> Collection[Document]:
        """The collection of this name."""
        opened = self._opened  # read once: a thread that meets `close` keeps no closed collection
        found = opened.collections.get(name)
        if found is None:
            found = opened.collections[name] = opened.database[name]
        return found

    def close(self) -> None:
        """Close all connections; the next operation opens new ones."""
        opened = self._open()
        with self._lock:  # or two threads could close the same client, and one of the new ones would stay open
            closed, self._opened = self._opened, opened
        closed.client.close()

    def _open(self) -> _Opened:
        client = _client(self._uri) if self._given is None else self._given
        database = client.get_database(
            self._name,
            read_preference=ReadPreference.PRIMARY,
            write_concern=WriteConcern("majority", j=True),
            read_concern=ReadConcern(),
        )
        return _Opened(client, database, {})


def _client(uri: str) -> MongoClient[Document]:
    """A client with our defaults, which the URI may override; nothing is opened yet."""
    told = {name.lower() for name, _ in parse_qsl(urlsplit(uri).query.replace(";", "&"), keep_blank_values=True)}
    defaults = {name: value for name, value in _DEFAULTS.items() if name.lower() not in told}
    return MongoClient(uri, connect=False, tz_aware=True, **defaults)


@contextmanager
def answer_or_unavailable(seconds: float | None = None) -> Iterator[None]:
    """Limit the operations inside to `seconds` in total (OPERATION_SECONDS), or to what the request has left if less.

    Raises Unavailable if MongoDB does not answer in time.
    """
    left, most = deadline.remaining(), OPERATION_SECONDS if seconds is None else seconds
    if left is not None and left <= 0:
        raise Unavailable(retry_after=1) from TimeoutError("the request has no time left for the store")
    try:
        with pymongo.timeout(most if left is None else min(most, left)):
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
        or (isinstance(error, OperationFailure) and error.code in NO_ANSWER_CODES)
        or (isinstance(error, ConfigurationError) and _is_dns_away(error.__cause__))
        or (isinstance(error, InvalidOperation) and _CLOSED in str(error))
        or error.has_error_label("RetryableWriteError")
        or error.has_error_label("SystemOverloadedError")
    )


def _is_dns_away(cause: BaseException | None) -> bool:
    """Whether DNS gave no answer for a mongodb+srv URI, which the driver reports as a fault of the URI."""
    from dns.exception import DNSException  # noqa: PLC0415 - only such a URI needs it

    return isinstance(cause, DNSException | OSError)


def without_none(document: Document) -> Document:
    """The document without its None fields: unique indexes are sparse, and two nulls would collide in them."""
    return {name: value for name, value in document.items() if value is not None}
