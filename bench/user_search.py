"""Whether finding users costs more when there are more of them: `python -m bench search`, docs/capacity.md."""

from __future__ import annotations

import random
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.administration.model import UserSearch
from app.administration.search import UserFinder, UserQuery
from bench import filling
from bench.filling import email_of, name_of
from bench.measure import Spread, cpu_seconds
from tests.servers import postgres
from tests.servers.process import own_folder
from tests.stores import sql_store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tests.servers.process import Server

SIZES = (1_000, 1_000_000)
PAGES = 100
"""Pages of each kind in a round."""
LIMIT = 50


@dataclass(slots=True)
class Filled:
    """A finder on a store with this many users; `server` is the store's, if it has one of its own."""

    store: str
    users: int
    finder: UserFinder
    server: Server | None = None
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """The processor time of a page, by kind of query, once a round."""


QUERIES: dict[str, Callable[[int], UserQuery]] = {
    "a whole address": lambda users: UserQuery(q=email_of(_any_of(users))),
    "the beginning of a user name": lambda users: UserQuery(q=name_of(_any_of(users))[:7]),
    "a letter that all addresses begin with": lambda _users: UserQuery(q="u"),
    "a name that all have": lambda _users: UserQuery(q="ada l"),
    "everybody": lambda _users: UserQuery(),
    "a role that all have": lambda _users: UserQuery(role="member"),
    "a status that nobody has": lambda _users: UserQuery(status="disabled"),
}


def show(rounds: int) -> int:
    """Fill stores, measure all in turn, and print a table; the exit status is 1 if a server is missing."""
    if lacking := postgres.missing():
        print(lacking, file=sys.stderr)
        return 1
    with ExitStack() as stack:
        filled = list(_filled(stack))
        for number in range(rounds):
            for what in QUERIES:
                turn = number % len(filled)
                for one in (*filled[turn:], *filled[:turn]):
                    one.seconds[what].append(_page_seconds(one, what))
        print("\n".join(as_table(filled)))
    return 0


def as_table(filled: Sequence[Filled]) -> Iterator[str]:
    """The processor time of a page, by store and size, and how much more the largest takes; as Markdown."""
    yield f"| store | query | {' | '.join(f'{users:,} users, ms' for users in SIZES)} | ratio |"
    yield "|---|---|---|---|---|"
    for store in dict.fromkeys(one.store for one in filled):
        few, many = (one for one in filled if one.store == store)
        for what in QUERIES:
            ratios = [theirs / ours for ours, theirs in zip(few.seconds[what], many.seconds[what], strict=True)]
            times = [_spread([each * 1000 for each in one.seconds[what]]) for one in (few, many)]
            yield f"| {store} | {what} | {' | '.join(times)} | {_spread(ratios)} |"


def _filled(stack: ExitStack) -> Iterator[Filled]:
    folder = stack.enter_context(own_folder())
    server = stack.enter_context(postgres.postgres_server())
    for users in SIZES:
        url = f"sqlite:///{folder}/sqlite-{users}/latchkey.db"
        filling.fill_sqlite(url, users, ("users",))
        yield Filled("SQLite", users, _finder(stack, url))
    for users in SIZES:
        url = server.create_database()
        filling.fill_postgresql(url, users, ("users",))
        yield Filled("PostgreSQL", users, _finder(stack, url), server)


def _finder(stack: ExitStack, url: str) -> UserFinder:
    store = sql_store(url)
    stack.callback(store.close)
    return UserFinder(store.repository(UserSearch), ("member",))


def _page_seconds(one: Filled, what: str) -> float:
    """The processor time of a page of this query, here and in the server. Half of them are second pages."""
    server = one.server.pids() if one.server else []
    before = time.process_time() + cpu_seconds(server)
    for _ in range(PAGES // 2):
        query = QUERIES[what](one.users)
        page = one.finder.page(query, cursor=None, limit=LIMIT)
        one.finder.page(query, cursor=page.next, limit=LIMIT)
    return (time.process_time() + cpu_seconds(server) - before) / PAGES


def _any_of(users: int) -> int:
    return random.sample(range(users), 1)[0]


def _spread(samples: Sequence[float]) -> str:
    """The median, and the range."""
    spread = Spread.from_samples(samples)
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})"
