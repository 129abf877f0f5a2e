"""The store on MongoDB: its repositories over one connection, and its care."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from pymongo.errors import ConfigurationError, NotPrimaryError, OperationFailure

from app.accounts.held_emails.mongo import MongoHeldEmails
from app.accounts.mail_requests.mongo import MongoMailRequests
from app.accounts.mongo import MongoUsers
from app.audit.mongo import MongoEvents
from app.jobs.mongo import MongoLeases
from app.keys.mongo import MongoKeyrings
from app.platform import clock
from app.platform.errors import Unavailable
from app.samples.products.mongo import MongoSampleProducts
from app.samples.visits.mongo import MongoVisits
from app.sessions.mongo import MongoSessions
from app.store.mongo.connection import CODEC, CREDENTIALS_CODES, Connection, Document, answering
from app.store.mongo.indexes import create_indexes, index_problems
from app.store.unusable import UnusableStoreError
from app.throttle.mongo import MongoLoginFailures

if TYPE_CHECKING:
    from datetime import datetime

    from pymongo import MongoClient

OLDEST_VERSION: Final = 7
"""MongoDB 6 has had no security fixes since July 2025."""

CLOCK_SECONDS: Final = 5
"""How far the server's clock may be from ours."""

_INDEX_SECONDS: Final = 600
"""An index over a large collection that it was dropped from takes minutes."""


class MongoStore:
    """`app.store.store.Store` on MongoDB."""

    product = "MongoDB"

    def __init__(self, uri: str, database: str, *, client: MongoClient[Document] | None = None) -> None:
        """`client` is used instead of one for `uri`; it has to give aware datetimes."""
        self._connection = Connection(uri, database, client)
        self.users = MongoUsers(self._connection)
        self.sessions = MongoSessions(self._connection)
        self.held_emails = MongoHeldEmails(self._connection)
        self.mail_requests = MongoMailRequests(self._connection)
        self.events = MongoEvents(self._connection)
        self.login_failures = MongoLoginFailures(self._connection)
        self.keyrings = MongoKeyrings(self._connection)
        self.leases = MongoLeases(self._connection)
        self.sample_products = MongoSampleProducts(self._connection)
        self.visits = MongoVisits(self._connection)

    def prepare(self) -> None:
        try:
            self.ping()
            with answering(_INDEX_SECONDS):
                create_indexes(self._connection.database)
        except Unavailable as error:
            if isinstance(error.__cause__, OperationFailure) and error.__cause__.code in CREDENTIALS_CODES:
                raise UnusableStoreError(_refusal(error.__cause__)) from error
            raise
        except OperationFailure as error:
            raise UnusableStoreError(_refusal(error)) from error
        except ConfigurationError as error:  # of what DNS holds for a mongodb+srv URI
            raise UnusableStoreError(f"its driver refuses MONGO_URI: {error}") from error

    def ping(self) -> None:
        with answering():
            # By its old name, which every server understands.
            hello = self._connection.database.command("isMaster")
            if hello["ismaster"]:  # a router says so, too
                return
        # Where the URI names one member alone, the driver stays with it whatever becomes of it.
        self._connection.close()
        raise Unavailable(retry_after=1) from NotPrimaryError("the server is not the primary", hello)

    @answering()
    def problems(self) -> list[str]:
        """Lines that begin with "note:" tell of what is only worth knowing."""
        admin = self._connection.client.get_database("admin")
        hello = admin.command("isMaster", codec_options=CODEC)
        asked_at = clock.now()
        version = str(admin.command("buildInfo")["version"])
        database = self._connection.database
        made = database.list_collection_names()
        return [
            *(index_problems(database) if made else ["it has not been made yet: the first start makes it"]),
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
    """A note if the server, by its answer to `hello`, is no member of a replica set or a sharded cluster."""
    if "setName" in hello or hello.get("msg") == "isdbgrid":
        return []
    return ["note: MongoDB is not a replica set: nothing takes over when it fails, and writes are not retried"]
