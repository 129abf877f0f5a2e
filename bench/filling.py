"""Fills stores with many users by direct writes, since registering a million would take hours."""

from __future__ import annotations

import json
import secrets
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from hashlib import blake2s
from itertools import count, islice
from math import gcd
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import bcrypt
import bson
import psycopg
from pymongo import MongoClient
from sqlalchemy import NullPool, create_engine, insert, make_url, text

from app.audit.chain.links import link_behind
from app.audit.model import AuditEvent
from app.audit.signatures import Signer
from app.platform.identifiers import new_id
from app.security.secret_keys import SecretKeys
from app.store.sql.schema import METADATA
from bench.servers import PASSWORD
from tests.stores import Store, mongo_store, sql_store

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from sqlalchemy import Connection

    from app.audit.chain.model import Link

Row = dict[str, Any]

TABLES = ("users", "user_roles", "sessions", "events", "event_links")
KINDS = {"users": ("users", "user_roles"), "sessions": ("sessions",), "events": ("events", "event_links")}
"""What belongs to a record of each kind: a user has a row for their role, an event the link that seals it."""
DAY = timedelta(days=1)
SPREAD = 20 * DAY
"""How long ago the first user registered; unused sessions live for longer than that."""
SECRET = "of-filled-stores-which-nobody-else-has-8Kq2"  # noqa: S105 - of stores that live for a minute
SIGNER = Signer(SecretKeys(SECRET))
_BATCH = 1000
_OF_EVENT = (
    *("id", "user_id", "action", "at", "ip", "user_agent", "expires_at", "actor_id", "outcome", "request_id"),
    *("salt", "digest", "signature"),
)
BROWSER = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@dataclass(frozen=True, slots=True)
class Space:
    """Bytes that the records of one kind take in a store, and the indexes on them."""

    records: int
    indexes: int


def name_of(number: int) -> str:
    """The user name with this number: all have one length and no order, like those of people."""
    return f"u{blake2s(number.to_bytes(8, 'big'), digest_size=6).hexdigest()}"


def email_of(number: int) -> str:
    """The e-mail address of the user with this number."""
    return f"{name_of(number)}@example.com"


def by_kind(tables: dict[str, Space]) -> dict[str, Space]:
    """The space of each kind of record, from that of its tables."""
    parts = {kind: [tables[name] for name in names if name in tables] for kind, names in KINDS.items()}
    return {
        kind: Space(sum(one.records for one in found), sum(one.indexes for one in found))
        for kind, found in parts.items()
        if found
    }


def rows(users: int) -> Iterator[tuple[str, Iterator[Row]]]:
    """Each table with its rows: an active user, one session of theirs and the event of its opening, `users` times each;
    the role of the user, and the link that seals the event.

    The password is that of `bench.servers`, hashed at cost 4. Read the tables in this order, and each to its end.
    """
    began = datetime.now(UTC).replace(microsecond=0) - SPREAD
    step = SPREAD // users
    ids: list[str] = []
    yield "users", _users(users, began, step, ids)
    yield "user_roles", ({"role": "member", "user_id": each} for each in ids)
    # Users do not log in in the order in which they registered.
    stride = next(number for number in count(users * 5 // 8) if gcd(number, users) == 1)
    logged_in = [ids[number * stride % users] for number in range(users)]
    opened: list[str] = []
    yield "sessions", _sessions(logged_in, began, step, opened)
    links: list[Link] = []
    yield "events", _events(logged_in, opened, began, step, links)
    yield "event_links", map(row_of_link, links)


def fill_sqlite(url: str, users: int, tables: Sequence[str] = TABLES) -> dict[str, Space]:
    """Bring the file of this URL up to the schema and fill it; returns the space of each kind.

    `tables` are the first of TABLES, if not all are wanted.
    """
    _prepare(sql_store(url))
    with closing(sqlite3.connect(make_url(url).database or "", isolation_level=None)) as connection:
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN")
        for table, content in islice(rows(users), len(tables)):
            first = next(content)
            statement = f"INSERT INTO {table} ({', '.join(first)}) VALUES ({', '.join(f':{name}' for name in first)})"  # noqa: S608 - our own names
            connection.execute(statement, as_text(first))
            connection.executemany(statement, map(as_text, content))
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")
        return by_kind({table: _space_on_sqlite(connection, table) for table in tables})


def fill_postgresql(url: str, users: int, tables: Sequence[str] = TABLES) -> dict[str, Space]:
    """The same for the database of this URL."""
    _prepare(sql_store(url))
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection, connection.cursor() as cursor:
        for table, content in islice(rows(users), len(tables)):
            first = next(content)
            with cursor.copy(f"COPY {table} ({', '.join(first)}) FROM STDIN") as copy:
                copy.write_row(tuple(first.values()))
                for row in content:
                    copy.write_row(tuple(row.values()))
        cursor.execute("VACUUM ANALYZE")  # as the server itself does some time later
        return by_kind({table: _space_on_postgresql(cursor, table) for table in tables})


def fill_mariadb(url: str, users: int, tables: Sequence[str] = TABLES) -> dict[str, Space]:
    """The same for the database of this URL."""
    _prepare(sql_store(url))
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        for table, content in islice(rows(users), len(tables)):
            while batch := list(islice(content, _BATCH)):
                connection.execute(insert(METADATA.tables[table]), batch)
                connection.commit()
        return by_kind({table: _space_on_mariadb(connection, table) for table in tables})


def fill_mongodb(uri: str, users: int) -> dict[str, Space]:
    """Create the indexes in the database of this URI, and fill it; returns each collection's documents as BSON bytes.

    Compression and the size of the indexes depend on the server, and are not counted: the indexes are 0.
    """
    name = uri.rpartition("/")[2]
    _prepare(mongo_store(uri, name))
    space: dict[str, Space] = {}
    with MongoClient[Row](uri, tz_aware=True) as client:
        for table, content in rows(users):
            if table == "user_roles":  # in the document of the user
                continue
            documents, length = map(_document_of, content), 0
            while batch := list(islice(documents, _BATCH)):
                length += sum(len(bson.encode(document)) for document in batch)
                client[name][table].insert_many(batch)
            space[table] = Space(length, 0)
    return by_kind(space)


def _prepare(store: Store) -> None:
    store.prepare()
    store.close()


def _users(users: int, began: datetime, step: timedelta, ids: list[str]) -> Iterator[Row]:
    """The users; puts their identifiers into `ids`."""
    password_hash = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    for number in range(users):
        ids.append(new_id())
        name, email, at = name_of(number), email_of(number), _milliseconds(began + number * step)
        yield {
            "id": ids[-1],
            "email": email,
            "email_key": email,
            "email_verified": True,
            "username": name,
            "username_key": name,
            "name": "Ada Lovelace-King",
            "name_key": "ada lovelace-king",
            "roles": "member",
            "status": "active",
            "created_at": at,
            "last_login_at": at,
            "password_hash": password_hash,
            "auth_epoch": 0,
            "revision": 1,
        }


def _sessions(owners: Sequence[str], began: datetime, step: timedelta, ids: list[str]) -> Iterator[Row]:
    """A session of each of these users; puts their identifiers into `ids`."""
    for number, owner in enumerate(owners):
        ids.append(new_id())
        at = _milliseconds(began + number * step)
        yield {
            "id": ids[-1],
            "user_id": owner,
            "auth_epoch": 0,
            "seed": secrets.token_bytes(32),
            "generation": 3,
            "created_at": at,
            "last_used_at": at,
            "idle_expires_at": at + 30 * DAY,
            "expires_at": at + 90 * DAY,
            "ip": "203.0.113.117",
            "user_agent": BROWSER,
            "rotated_at": at,
        }


def _events(
    owners: Sequence[str], sessions: Sequence[str], began: datetime, step: timedelta, links: list[Link]
) -> Iterator[Row]:
    """An event of each of these users; puts the links that seal them into `links`."""
    for number, (owner, session) in enumerate(zip(owners, sessions, strict=True)):
        at = _milliseconds(began + number * step)
        event = SIGNER.signed(
            AuditEvent(
                id=new_id(),
                user_id=owner,
                action="session.opened",
                at=at,
                ip="203.0.113.117",
                user_agent=BROWSER,
                expires_at=at + 365 * DAY,
                details={"session_id": session},
                request_id=uuid4().hex,
            )
        )
        yield sealed_row(event, links)


def sealed_row(event: AuditEvent, links: list[Link]) -> Row:
    """The row of an event that is sealed behind the last of these links; appends its own."""
    links.append(link_behind(links[-1] if links else None, event, "signed", event.at, SIGNER.secrets.current))
    row = {name: getattr(event, name) for name in _OF_EVENT}
    return row | {"details": json.dumps(dict(event.details)), "seq": links[-1].seq}


def row_of_link(link: Link) -> Row:
    """The row of a link."""
    return asdict(link)


def _milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def as_text(row: Row) -> Row:
    """The row as SQLite keeps it: see `app.store.sql.columns`."""
    return {
        name: value.isoformat(timespec="milliseconds") if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _document_of(row: Row) -> Row:
    """The row as MongoDB keeps it."""
    document = {"_id" if name == "id" else name: value for name, value in row.items() if value is not None}
    if "roles" in row:
        document["roles"] = row["roles"].split(",")
    if "details" in row:
        document["details"] = json.loads(row["details"])
    if "mac" in row:  # a link
        document["_id"] = document.pop("seq")
    return document


def _space_on_sqlite(connection: sqlite3.Connection, table: str) -> Space:
    pages = """
        SELECT s.type, sum(d.pgsize) FROM dbstat AS d JOIN sqlite_schema AS s ON s.name = d.name
        WHERE s.tbl_name = ? AND d.aggregate = 1 GROUP BY s.type
    """
    found = dict(connection.execute(pages, (table,)).fetchall())
    return Space(found["table"], found["index"])


def _space_on_postgresql(cursor: psycopg.Cursor[Any], table: str) -> Space:
    cursor.execute("SELECT pg_table_size(%s::regclass), pg_indexes_size(%s::regclass)", (table, table))
    [(records, indexes)] = cursor.fetchall()
    return Space(records, indexes)


def _space_on_mariadb(connection: Connection, table: str) -> Space:
    connection.execute(text(f"ANALYZE TABLE {table}"))
    sizes = "SELECT data_length, index_length FROM information_schema.tables"
    found = connection.execute(text(f"{sizes} WHERE table_schema = DATABASE() AND table_name = :name"), {"name": table})
    records, indexes = found.one()
    return Space(int(records), int(indexes))
