"""Whether the audit costs more with more events: `python -m bench audit`, docs/capacity.md."""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from collections import defaultdict
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import make_url

from app.audit.model import AuditEvent, Events, Place, Search
from app.platform.identifiers import new_id
from bench import filling
from bench.filling import DAY, SIGNER, Row, as_text, sealed_row
from bench.measure import Spread, cpu_seconds
from bench.moving_in import Run, run
from bench.servers import production
from tests.servers import postgres
from tests.servers.process import own_folder
from tests.stores import sql_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from app.audit.chain.model import Link
    from tests.servers.process import Server

SIZES = (1_000, 1_000_000)
OF_A_USER = 20
"""Events of each user."""
PAGES = 40
"""Pages of each kind in a round."""
LIMIT = 50
COMMANDS = (("verify", "--json"), ("export", "events.jsonl"))
_AT_ONCE = 10_000
_STEP = timedelta(seconds=20)
_ACTIONS = ("user.disabled", *["login.failed"] * 2, *["session.opened"] * 7)
"""So even the smallest store has more than a page of each."""


@dataclass(slots=True)
class Filled:
    """A store with this many events of these users; `server` is the store's, if it has one of its own."""

    store: str
    events: int
    url: str
    users: list[str]
    repository: Events
    server: Server | None = None
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """The processor time of a page, by kind of query, once a round."""


QUERIES: dict[str, Callable[[Filled], Search]] = {
    "a user": lambda one: Search(user_id=one.users[len(one.users) // 3]),
    "an action of a tenth": lambda _: Search(action="user.disabled"),
    "an action of seven tenths": lambda _: Search(action="session.opened"),
    "an action of a user": lambda one: Search(user_id=one.users[len(one.users) // 3], action="session.opened"),
    "the last hour": lambda _: Search(since=_now() - timedelta(hours=1)),
    "everything": lambda _: Search(),
}


def show(rounds: int) -> int:
    """Fill stores, measure all in turn, and print tables; the exit status is 1 if a server is missing."""
    if lacking := postgres.missing():
        print(lacking, file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder())
        filled = list(_filled(stack, folder))
        for number in range(rounds):
            for what in QUERIES:
                turn = number % len(filled)
                for one in (*filled[turn:], *filled[:turn]):
                    one.seconds[what].append(_page_seconds(one, what))
        print("\n".join(as_table(filled)), flush=True)
        print("\n| store | events | command | seconds | of a core | memory |\n|---|---|---|---|---|---|", flush=True)
        for one in filled:
            for command in COMMANDS:
                print(_command_line(one, command, _command(one, command, folder)), flush=True)
    return 0


def as_table(filled: Sequence[Filled]) -> Iterator[str]:
    """The processor time of a page, by store and size, and how much more the largest takes; as Markdown."""
    yield f"| store | query | {' | '.join(f'{events:,} events, ms' for events in SIZES)} | ratio |"
    yield "|---|---|---|---|---|"
    for store in dict.fromkeys(one.store for one in filled):
        few, many = (one for one in filled if one.store == store)
        for what in QUERIES:
            ratios = [theirs / ours for ours, theirs in zip(few.seconds[what], many.seconds[what], strict=True)]
            times = [_spread([each * 1000 for each in one.seconds[what]]) for one in (few, many)]
            yield f"| {store} | {what} | {' | '.join(times)} | {_spread(ratios)} |"


def event_rows(events: int, users: Sequence[str]) -> Iterator[tuple[list[Row], list[Link]]]:
    """This many signed events of these users in turn, the last of them now, in pieces with the links that seal them."""
    first = _now() - events * _STEP
    last: list[Link] = []
    for start in range(0, events, _AT_ONCE):
        links, rows = last[-1:], []
        for number in range(start, min(start + _AT_ONCE, events)):
            at = first + number * _STEP
            event = AuditEvent(
                id=new_id(),
                user_id=users[number % len(users)],
                action=_ACTIONS[number // len(users) * 7 % len(_ACTIONS)],
                at=at,
                ip="203.0.113.117",
                user_agent=filling.BROWSER,
                expires_at=at + 3650 * DAY,
                details={"session_id": users[0]},
            )
            rows.append(sealed_row(SIGNER.signed(event), links))
        yield rows, links[len(last[-1:]) :]
        last = links


def _filled(stack: ExitStack, folder: Path) -> Iterator[Filled]:
    server = stack.enter_context(postgres.postgres_server())
    for events in SIZES:
        users = [new_id() for _ in range(events // OF_A_USER)]
        urls = {"SQLite": f"sqlite:///{folder}/sqlite-{events}/latchkey.db", "PostgreSQL": server.create_database()}
        for url in urls.values():
            store = sql_store(url)
            store.prepare()
            store.close()
        _fill(urls["SQLite"], urls["PostgreSQL"], events, users)
        for name, url in urls.items():
            store = sql_store(url)
            stack.callback(store.close)
            of_its_own = server if name == "PostgreSQL" else None
            yield Filled(name, events, url, users, store.repository(Events), of_its_own)


def _fill(sqlite: str, postgresql: str, events: int, users: Sequence[str]) -> None:
    """The same events in both stores, since signing them takes most of the time."""
    address = make_url(postgresql).set(drivername="postgresql").render_as_string(hide_password=False)
    path = make_url(sqlite).database or ""
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as ours,
        psycopg.connect(address, autocommit=True) as theirs,
        theirs.cursor() as cursor,
    ):
        for pragma in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1000000"):
            ours.execute(f"PRAGMA {pragma}")
        ours.execute("BEGIN")
        for rows, links in event_rows(events, users):
            for table, content in (("events", rows), ("event_links", [filling.row_of_link(link) for link in links])):
                names = ", ".join(content[0])
                values = ", ".join(f":{name}" for name in content[0])
                ours.executemany(f"INSERT INTO {table} ({names}) VALUES ({values})", map(as_text, content))  # noqa: S608 - our own names
                with cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
                    for row in content:
                        copy.write_row(tuple(row.values()))
        ours.execute("COMMIT")
        ours.execute("PRAGMA journal_mode = WAL")
        cursor.execute("VACUUM ANALYZE")


def _page_seconds(one: Filled, what: str) -> float:
    """The processor time of a page of this query, here and in the server. Half of them are second pages."""
    server = one.server.pids() if one.server else []
    wanted = QUERIES[what](one)
    before = time.process_time() + cpu_seconds(server)
    for _ in range(PAGES // 2):
        page = one.repository.search(wanted, before=None, limit=LIMIT)
        behind = Place(page[-1].at, page[-1].id)
        one.repository.search(wanted, before=behind, limit=LIMIT)
    return (time.process_time() + cpu_seconds(server) - before) / PAGES


def _command(one: Filled, command: tuple[str, ...], folder: Path) -> Run:
    (folder / "events.jsonl").unlink(missing_ok=True)
    arguments = [str(folder / part) if part.endswith(".jsonl") else part for part in command]
    settings = production(folder, {"DATABASE_URL": one.url}) | {"SECRET_KEY": filling.SECRET}
    environment = {**os.environ, **settings}
    run(("db", "upgrade"), environment)  # which makes the signing keys
    return run(("audit", *arguments), environment)


def _command_line(one: Filled, command: tuple[str, ...], took: Run) -> str:
    cells = [one.store, f"{one.events:,}", f"`flask audit {command[0]}`", f"{took.seconds:.1f}"]
    return f"| {' | '.join([*cells, f'{took.core_seconds:.1f}', f'{took.mebibytes:.0f} MiB'])} |"


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _spread(samples: Sequence[float]) -> str:
    """The median, and the range."""
    spread = Spread.from_samples(samples)
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})"
