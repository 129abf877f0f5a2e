"""Whether a request costs more when there are more users: `python -m bench growth`, docs/capacity.md."""

from __future__ import annotations

import http.client
import json
import random
import sys
import time
from collections import defaultdict
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import bcrypt

from bench import filling, servers
from bench.filling import Space, email_of
from bench.load import RefusedError
from bench.measure import Spread, cpu_seconds
from bench.space import space_table
from tests.servers import mongo, postgres
from tests.servers.process import own_folder
from tests.servers.service import Service

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tests.servers.process import Server

SIZES = (10_000, 100_000, 1_000_000)
SIZES_OF_MONGODB = (1_000, 10_000)
"""The stand-in for MongoDB scans all sessions at each login, since it has no indexes but unique ones."""
ENDPOINTS = ("login", "me", "refresh", "register")
BATCH = 200
"""Requests of each kind in a round, each by a different user."""
ME_TIMES = 3
"""How often each access token is used; only the first use verifies its signature."""
_HASHES = 5


@dataclass(slots=True)
class Grown:
    """An instance on a store with this many users; `server` is the store's, if it has one of its own."""

    store: str
    users: int
    service: Service
    space: dict[str, Space]
    server: Server | None = None
    sessions: list[dict[str, str]] = field(default_factory=list)
    batches: dict[str, list[Batch]] = field(default_factory=lambda: defaultdict(list))


@dataclass(frozen=True, slots=True)
class Batch:
    """Processor time per request in the instance and in the store's server, and how long each took; in seconds."""

    cpu: float
    server_cpu: float
    seconds: list[float]


@dataclass(frozen=True, slots=True)
class _Request:
    path: str
    body: dict[str, str] | None = None
    token: str | None = None


def show(rounds: int) -> int:
    """Fill stores, measure all in turn, and print the tables; the exit status is 1 if a server is missing."""
    if lacking := postgres.missing() or mongo.missing():
        print(lacking, file=sys.stderr)
        return 1
    with ExitStack() as stack:
        folder = stack.enter_context(own_folder())
        grown = [*_on_sqlite(stack, folder), *_on_postgresql(stack, folder), *_on_mongodb(stack, folder)]
        for number in range(rounds):
            measure(grown, number)
        spaces = space_table((one.store, one.users, one.space) for one in grown)
        print("\n".join([*as_table(grown), "", *spaces, "", hash_line()]))
    return 0


def measure(grown: Sequence[Grown], number: int) -> None:
    """One round: each kind of request on one instance after the other, so that what slows one down slows down all."""
    turn = number % len(grown)
    for endpoint in ENDPOINTS:
        for one in (*grown[turn:], *grown[:turn]):
            one.batches[endpoint].append(_batch(one, endpoint))


def instance(folder: Path, store: dict[str, str], number: int) -> Service:
    """An instance with two workers, cheapest hashes and no limits, so that the store's share shows; not started yet."""
    own = folder / f"instance-{number}"
    own.mkdir()
    settings = servers.quick(servers.production(own, store)) | {"RATE_LIMITS": "off", "MAIL_DIR": str(own / "mail")}
    return Service(settings, folder=own)


def as_table(grown: Iterable[Grown]) -> Iterator[str]:
    """What a request takes, by store and size, and how much more the largest is than the smallest; as Markdown."""
    yield "| store | request | users | CPU, ms | ratio to fewest users | CPU of the database, ms | p50, ms | p95, ms |"
    yield "|---|---|---|---|---|---|---|---|"
    fewest: dict[str, Grown] = {}
    for one in sorted(grown, key=lambda one: one.users):
        fewest.setdefault(one.store, one)
    for endpoint in ENDPOINTS:
        for one in grown:
            batches, first = one.batches[endpoint], fewest[one.store].batches[endpoint]
            ratios = [ours.cpu / theirs.cpu for ours, theirs in zip(batches, first, strict=True)]
            times = sorted(second for batch in batches for second in batch.seconds)
            cells = [
                one.store,
                endpoint,
                f"{one.users:,}",
                _spread([batch.cpu * 1000 for batch in batches]),
                _spread(ratios) if one is not fewest[one.store] else "1",
                _spread([batch.server_cpu * 1000 for batch in batches]) if one.server else "",
                f"{times[len(times) // 2] * 1000:.1f}",
                f"{times[len(times) * 95 // 100] * 1000:.1f}",
            ]
            yield f"| {' | '.join(cells)} |"


def hash_line() -> str:
    """The processor time of a hash at the cost of production, and at the cheapest, in milliseconds."""
    costs = {cost: _spread([_hash_seconds(cost) * 1000 for _ in range(_HASHES)]) for cost in (12, 4)}
    return f"A hash at bcrypt cost 12: {costs[12]} ms; at cost 4: {costs[4]} ms."


def _on_sqlite(stack: ExitStack, folder: Path) -> Iterator[Grown]:
    for number, users in enumerate(SIZES):
        url = f"sqlite:///{folder}/sqlite-{users}/latchkey.db"
        space = filling.fill_sqlite(url, users)
        service = stack.enter_context(instance(folder, {"DATABASE_URL": url}, number))
        yield Grown("SQLite", users, service, space)


def _on_postgresql(stack: ExitStack, folder: Path) -> Iterator[Grown]:
    server = stack.enter_context(postgres.postgres_server())
    for number, users in enumerate(SIZES, start=10):
        url = server.create_database()
        space = filling.fill_postgresql(url, users)
        service = stack.enter_context(instance(folder, {"DATABASE_URL": url}, number))
        yield Grown("PostgreSQL", users, service, space, server)


def _on_mongodb(stack: ExitStack, folder: Path) -> Iterator[Grown]:
    server = stack.enter_context(mongo.mongo_server())
    for number, users in enumerate(SIZES_OF_MONGODB, start=20):
        uri = server.create_database()
        space = filling.fill_mongodb(uri, users)
        service = stack.enter_context(instance(folder, {"MONGO_URI": uri}, number))
        yield Grown("MongoDB's protocol", users, service, space, server)


def _batch(grown: Grown, endpoint: str) -> Batch:
    requests = _requests(grown, endpoint)
    before, before_server = cpu_seconds(grown.service.pids()), _server_cpu(grown)
    replies, seconds = _send(grown.service.port, requests)
    time.sleep(0.1)  # until the work after the last reply is done
    cpu = (cpu_seconds(grown.service.pids()) - before) / len(requests)
    if endpoint == "login":
        grown.sessions = replies
    return Batch(cpu, (_server_cpu(grown) - before_server) / len(requests), seconds)


def _server_cpu(grown: Grown) -> float:
    return cpu_seconds(grown.server.pids()) if grown.server else 0.0


def _requests(grown: Grown, endpoint: str) -> list[_Request]:
    """The requests of a batch. Logins are spread over all users; `me` and `refresh` use their sessions."""
    if endpoint == "login":
        names = [email_of(number) for number in random.sample(range(grown.users), BATCH)]
        return [_Request("/auth/login", {"email": name, "password": servers.PASSWORD}) for name in names]
    if endpoint == "me":
        return [_Request("/auth/me", token=opened["access_token"]) for opened in grown.sessions] * ME_TIMES
    if endpoint == "refresh":
        return [_Request("/auth/refresh", {"refresh_token": opened["refresh_token"]}) for opened in grown.sessions]
    # Without an address: the mail to it would cost more than the registration.
    newcomers = [filling.name_of(random.getrandbits(63)) for _ in range(BATCH)]
    return [_Request("/auth/register", {"username": name, "password": servers.PASSWORD}) for name in newcomers]


def _send(port: int, requests: Iterable[_Request]) -> tuple[list[dict[str, str]], list[float]]:
    """Send the requests one after the other; returns each reply, and the seconds that it took."""
    replies, seconds = [], []
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection:
        for request in requests:
            body = None if request.body is None else json.dumps(request.body)
            headers = {"Content-Type": "application/json"} if body else {"Authorization": f"Bearer {request.token}"}
            began = time.perf_counter()
            connection.request("POST" if body else "GET", request.path, body, headers)
            reply = connection.getresponse()
            content = reply.read()
            seconds.append(time.perf_counter() - began)
            if reply.status >= http.HTTPStatus.BAD_REQUEST:
                raise RefusedError(f"{request.path}: answered {reply.status}")
            replies.append(json.loads(content)["data"])
    return replies, seconds


def _hash_seconds(cost: int) -> float:
    salt = bcrypt.gensalt(cost)
    began = time.process_time()
    bcrypt.hashpw(servers.PASSWORD.encode(), salt)
    return time.process_time() - began


def _spread(samples: Sequence[float]) -> str:
    """The median, and the range."""
    spread = Spread.from_samples(samples)
    return f"{spread.median:.2f} ({spread.least:.2f} to {spread.most:.2f})"
