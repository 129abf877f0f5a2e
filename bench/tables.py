"""The tables of docs/capacity.md: `python -m bench capacity`."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from bench.capacity import GIVEN, MEASURED, SPACES, knees, load, needs, space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

USERS = tuple(10**power for power in range(3, 9))


def summary() -> str:
    """What each number of users needs, a line each, as Markdown: for docs/operations.md."""
    titles = ["users", "logins in the busiest second", "instances", "store", "disk", "memory"]
    rows = []
    for users in USERS:
        found, kept = needs(users), space(users, "PostgreSQL")
        sizes = [_bytes(kept.on_disk), _bytes(kept.memory)]
        rows.append([f"{users:,}", _short(found.load.logins), f"{found.instances}", found.store, *sizes])
    return _table(titles, rows)


def show() -> int:
    """Print all tables, each under its title; returns the exit status."""
    for title, table in [*TABLES.items(), ("Sizing, in docs/operations.md", summary)]:
        print(f"{title}\n\n{table()}\n")
    return 0


def _assumptions() -> str:
    given = [(getattr(GIVEN, one.name), one.metadata["what"]) for one in fields(GIVEN)]
    return _table(["", "assumed"], ([_bytes(one) if one > 1e6 else f"{one:,g}", what] for one, what in given))


def _costs() -> str:
    measured = [(getattr(MEASURED, one.name), one.metadata["what"]) for one in fields(MEASURED)]
    rows = [[what, f"{cost * 1000:g} ms" if cost < 1 else _bytes(cost)] for cost, what in measured]
    rows += [
        [f"{store}: a row of `{table}`, and its part of the indexes", f"{one.records:,} + {one.indexes:,} bytes"]
        for store, spaces in SPACES.items()
        for table, one in spaces.items()
    ]
    return _table(["", "takes"], rows)


def _peaks() -> str:
    titles = ["users", "logins per second", "refreshes", "requests with a token", "registrations", "writes"]
    found = ((users, load(users)) for users in USERS)
    rows = (
        [f"{users:,}", *map(_short, (one.logins, one.refreshes, one.requests, one.registrations, one.writes))]
        for users, one in found
    )
    return _table(titles, rows)


def _instances() -> str:
    titles = [
        "users",
        "busy cores",
        "of them hashing",
        "instances",
        "workers",
        "hash threads",
        "memory",
        "store",
        "cores of the store",
    ]
    found = ((users, needs(users)) for users in USERS)
    rows = (
        [
            f"{users:,}", _short(one.busy.all), _short(one.busy.hashing), f"{one.instances:,}", f"{one.workers:,}",
            f"{one.hash_threads:,}", _bytes(one.memory), one.store,
            "in the instance" if one.store == "SQLite" else _short(one.busy.database),
        ]
        for users, one in found
    )  # fmt: skip
    return _table(titles, rows)


def _stores() -> str:
    titles = ["users", *(f"{store}: records + indexes, in memory" for store in SPACES)]
    rows = (
        [
            f"{users:,}",
            *(
                f"{_bytes(one.records)} + {_bytes(one.indexes)}, {_bytes(one.memory)}"
                for one in (space(users, store) for store in SPACES)
            ),
        ]
        for users in USERS
    )
    return _table(titles, rows)


def _knees() -> str:
    ordered = sorted(knees().items(), key=lambda knee: knee[1])
    return _table(["limit", "reached at users"], ([what, f"{float(f'{users:.2g}'):,.0f}"] for what, users in ordered))


TABLES: dict[str, Callable[[], str]] = {
    "Assumptions": _assumptions,
    "What one takes": _costs,
    "The busiest second": _peaks,
    "Instances": _instances,
    "Stores": _stores,
    "Where it ends": _knees,
}
"""The tables by their headings in docs/capacity.md."""


def _table(titles: list[str], rows: Iterable[list[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in [titles, *rows]]
    return "\n".join([lines[0].replace("|  |", "| |"), f"|{'---|' * len(titles)}", *lines[1:]])


def _short(number: float) -> str:
    """A number with two significant digits."""
    if number < 0.01:
        return "under 0.01"
    return f"{float(f'{number:.2g}'):,g}" if number < 1000 else f"{float(f'{number:.2g}'):,.0f}"


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= size:
            return f"{_short(count / size)} {unit}"
    return f"{_short(count / 1e3)} kB"
