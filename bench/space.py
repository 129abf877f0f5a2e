"""How many bytes a record takes in each store: `python -m bench space`, docs/capacity.md."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

from bench import filling
from bench.filling import KINDS, Space
from tests.servers import mariadb, mongo, postgres
from tests.servers.process import own_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    Measured = tuple[str, int, dict[str, Space]]
    """The store, the number of its users, and the space of each kind of record."""

SIZES = (10_000, 100_000)
SIZES_OF_MONGODB = (10_000,)
"""The length of a document does not depend on how many there are."""


def show() -> int:
    """Fill each store with each number of users, and print a table; the exit status is 1 if a server is missing."""
    if lacking := postgres.missing() or mariadb.missing() or mongo.missing():
        print(lacking, file=sys.stderr)
        return 1
    with ExitStack() as stack:
        for line in space_table(_measured(stack)):
            print(line, flush=True)
    return 0


def space_table(measured: Iterable[Measured]) -> Iterator[str]:
    """The bytes of a record and of its index entries, by store and size; as Markdown."""
    yield f"| store | users | {' | '.join(f'{kind}, + indexes' for kind in KINDS)} |"
    yield f"|---|---|{'---|' * len(KINDS)}"
    for store, users, space in measured:
        cells = [f"{space[kind].records / users:.0f} + {space[kind].indexes / users:.0f}" for kind in KINDS]
        yield f"| {store} | {users:,} | {' | '.join(cells)} |"


def _measured(stack: ExitStack) -> Iterator[Measured]:
    folder = stack.enter_context(own_folder())
    for users in SIZES:
        url = f"sqlite:///{folder}/sqlite-{users}/latchkey.db"
        yield "SQLite", users, filling.fill_sqlite(url, users)
    with postgres.postgres_server() as server:
        for users in SIZES:
            yield "PostgreSQL", users, filling.fill_postgresql(server.create_database(), users)
    with mariadb.mariadb_server() as server:
        for users in SIZES:
            yield "MariaDB", users, filling.fill_mariadb(server.create_database(), users)
    with mongo.mongo_server() as documents:
        for users in SIZES_OF_MONGODB:
            yield "MongoDB, as BSON", users, filling.fill_mongodb(documents.create_database(), users)
