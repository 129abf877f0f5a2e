"""What a number of users needs: a model, whose numbers `bench.tables` prints."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil
from typing import Any, Literal

from bench.filling import Space

StoreName = Literal["SQLite", "PostgreSQL", "MariaDB", "MongoDB"]
DAY = 86_400


def stated(default: float, what: str) -> Any:  # noqa: ANN401 - as `dataclasses.field`
    """A field with a default and a description."""
    return field(default=default, metadata={"what": what})


@dataclass(frozen=True, slots=True)
class Assumptions:
    """How people behave, and what the machines are like. None of it is measured: replace it by your own."""

    active: float = stated(0.2, "share of all users who are active on a given day")
    logins: float = stated(0.2, "logins per active user and day: a session lives for 30 days without being used")
    refreshes: float = stated(8, "refreshes per active user and day: two hours; an access token lives for 15 minutes")
    requests: float = stated(60, "requests with a token per active user and day")
    uses_noted: float = stated(15, "how many of them record that the session was used: at most one a minute does")
    registrations: float = stated(0.001, "registrations per day, as a share of all users")
    peak: float = stated(5, "the busiest second, relative to the mean of the day")
    sessions: float = stated(1.5, "stored sessions per user, including those that have not been purged yet")
    events: float = stated(17, "audit events kept per user: the logins of AUDIT_DAYS (365), and two others")
    cores: float = stated(4, "cores of the machine of an instance")
    busy: float = stated(0.6, "share of the cores that may be busy in the busiest second")
    sqlite_writes: float = stated(800, "writes per second that SQLite can sustain: half of what it did here")
    server_writes: float = stated(10_000, "writes per second that one server can sustain, on disks of its own")
    sqlite_bytes: float = stated(50e9, "the largest file of SQLite: it has to be backed up")
    server_bytes: float = stated(2e12, "the largest disk of one server, for the same reason")


@dataclass(frozen=True, slots=True)
class Costs:
    """Seconds of processor time from docs/capacity.md: the least of all rounds, on PostgreSQL with a million users."""

    hash: float = stated(0.28, "a hash at bcrypt cost 12")
    login: float = stated(0.0068, "a login without its hash")
    refresh: float = stated(0.0039, "a refresh")
    request: float = stated(0.0023, "a request with a token, such as `GET /auth/me`")
    registration: float = stated(0.0083, "a registration without its hash")
    login_in_database: float = stated(0.0024, "a login, in the database server")
    refresh_in_database: float = stated(0.0008, "a refresh, in the database server")
    request_in_database: float = stated(0.0003, "a request with a token, in the database server")
    registration_in_database: float = stated(0.0027, "a registration, in the database server")
    worker_bytes: float = stated(63e6, "memory of a worker")


SPACES: dict[StoreName, dict[str, Space]] = {
    "SQLite": {"users": Space(367, 422), "sessions": Space(411, 187), "events": Space(787, 647)},
    "PostgreSQL": {"users": Space(381, 526), "sessions": Space(316, 183), "events": Space(769, 699)},
    "MariaDB": {"users": Space(369, 538), "sessions": Space(311, 270), "events": Space(778, 645)},
    "MongoDB": {"users": Space(464, 526), "sessions": Space(423, 183), "events": Space(928, 699)},
}
"""Bytes of a record, and of its index entries; a user with the row of their role, an event with its link. MongoDB: the
documents as BSON; the indexes are taken from PostgreSQL."""

WRITES = {"logins": 2, "refreshes": 1, "uses_noted": 1, "registrations": 6}
"""Transactions: a login writes session and event; a registration also user and event, and twice for its mail."""


@dataclass(frozen=True, slots=True)
class Load:
    """The busiest second."""

    logins: float
    refreshes: float
    requests: float
    registrations: float
    writes: float


@dataclass(frozen=True, slots=True)
class Cores:
    """Cores that are busy in the busiest second: in the instances, of these for hashing, and in the database."""

    all: float
    hashing: float
    database: float


@dataclass(frozen=True, slots=True)
class Needs:
    """What is required: instances with their workers, threads that hash, bytes of memory, and which store."""

    load: Load
    busy: Cores
    instances: int
    workers: int
    hash_threads: int
    memory: float
    store: str


@dataclass(frozen=True, slots=True)
class Bytes:
    """What a store keeps: bytes of records and indexes, and how many of these should fit into its memory."""

    records: float
    indexes: float
    memory: float

    @property
    def on_disk(self) -> float:
        """Records and indexes."""
        return self.records + self.indexes


GIVEN = Assumptions()
MEASURED = Costs()


def load(users: float, given: Assumptions = GIVEN) -> Load:
    """Requests and writes in the busiest second."""

    def a_second(a_day: float) -> float:
        return a_day * given.peak / DAY

    seen = users * given.active
    logins, refreshes = a_second(seen * given.logins), a_second(seen * given.refreshes)
    uses_noted, registrations = a_second(seen * given.uses_noted), a_second(users * given.registrations)
    writes = (
        logins * WRITES["logins"]
        + refreshes * WRITES["refreshes"]
        + uses_noted * WRITES["uses_noted"]
        + registrations * WRITES["registrations"]
    )
    return Load(logins, refreshes, a_second(seen * given.requests), registrations, writes)


def cores(peak: Load, costs: Costs = MEASURED) -> Cores:
    """Cores that are busy in such a second."""
    hashing = (peak.logins + peak.registrations) * costs.hash
    others = (
        peak.logins * costs.login
        + peak.refreshes * costs.refresh
        + peak.requests * costs.request
        + peak.registrations * costs.registration
    )
    database = (
        peak.logins * costs.login_in_database
        + peak.refreshes * costs.refresh_in_database
        + peak.requests * costs.request_in_database
        + peak.registrations * costs.registration_in_database
    )
    return Cores(hashing + others, hashing, database)


def space(users: float, store: StoreName, given: Assumptions = GIVEN) -> Bytes:
    """What the store keeps. In memory: all indexes, and the records of the users who are seen on a day."""
    spaces = SPACES[store]
    kept = {"users": users, "sessions": users * given.sessions, "events": users * given.events}
    records = {table: count * spaces[table].records for table, count in kept.items()}
    indexes = sum(count * spaces[table].indexes for table, count in kept.items())
    return Bytes(sum(records.values()), indexes, indexes + given.active * (records["users"] + records["sessions"]))


def needs(users: float, given: Assumptions = GIVEN, costs: Costs = MEASURED) -> Needs:
    """What this number of users needs."""
    peak = load(users, given)
    busy = cores(peak, costs)
    instances = ceil(busy.all / given.busy / given.cores)
    shards = _shards(users, peak, given)
    if instances == 1 and _fits_sqlite(users, peak, given):
        store = "SQLite"
    else:
        instances += 1  # so that one may fail, or be replaced
        store = "PostgreSQL, or a MongoDB replica set" if shards == 1 else f"MongoDB in {shards} shards"
    workers = round(instances * given.cores)
    return Needs(peak, busy, instances, workers, workers, workers * costs.worker_bytes, store)


def knees(given: Assumptions = GIVEN, costs: Costs = MEASURED) -> dict[str, float]:
    """The number of users at which each limit is met; all needs grow in proportion to it."""
    per_user = load(1, given)
    users_on_mongodb = SPACES["MongoDB"]["users"]
    return {
        "the cores of one machine: a second instance, so no SQLite": (
            given.cores * given.busy / cores(per_user, costs).all
        ),
        "the one writer of SQLite": given.sqlite_writes / per_user.writes,
        "the one file of SQLite": given.sqlite_bytes / space(1, "SQLite", given).on_disk,
        "the writes of one server, PostgreSQL or primary of a replica set": given.server_writes / per_user.writes,
        "the disk of one PostgreSQL": given.server_bytes / space(1, "PostgreSQL", given).on_disk,
        "the disk of a MongoDB replica set": given.server_bytes / space(1, "MongoDB", given).on_disk,
        "the shard that holds all users of a sharded MongoDB": (
            given.server_bytes / (users_on_mongodb.records + users_on_mongodb.indexes)
        ),
    }


def _fits_sqlite(users: float, peak: Load, given: Assumptions) -> bool:
    return peak.writes <= given.sqlite_writes and space(users, "SQLite", given).on_disk <= given.sqlite_bytes


def _shards(users: float, peak: Load, given: Assumptions) -> int:
    on_disk = space(users, "MongoDB", given).on_disk
    return max(1, ceil(peak.writes / given.server_writes), ceil(on_disk / given.server_bytes))
