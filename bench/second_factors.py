"""Logins with a second factor: the password, then what the login token asks for. Each way to prove one is a Way.

A code works once and a login token ends with its login, so what is sent differs each time: threads send it, not wrk.
"""

from __future__ import annotations

import http.client
import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Any, Protocol

import pyotp

from bench import servers
from bench.load import RefusedError
from bench.measure import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.scenarios import Samples
    from tests.servers.process import Server
    from tests.servers.service import Service

LOGINS = 320
"""For the CPU of one, since the kernel counts in hundredths; also the number of users, who log in once a round."""
ALONE = 40
"""Logins one after the other, for their time."""
CONNECTIONS = 16


class Client:
    """One connection."""

    def __init__(self, port: int) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.close = self._connection.close

    def send(self, path: str, body: dict[str, Any] | None = None, token: str = "", *, expected: int = 200) -> Any:  # noqa: ANN401 - JSON
        """The reply to a POST, or without a body to a GET; RefusedError if its status is not `expected`."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        content = None if body is None else json.dumps(body)
        self._connection.request("GET" if body is None else "POST", path, content, headers)
        reply = self._connection.getresponse()
        answer = reply.read()
        if reply.status != expected:
            raise RefusedError(f"{path}: answered {reply.status}")
        return json.loads(answer)


class Way(Protocol):
    """A way to prove a second factor, as LOGINS users of one service have it."""

    def renew(self) -> None:
        """Called before each round: make what is used up good again."""

    def finish(self, client: Client, number: int, login_token: str) -> None:
        """Send the request, or the requests, by which the user of this number finishes their login."""


class Totp:
    """By an authenticator app of each user; `database` is the SQLite file of the service."""

    def __init__(self, service: Service, database: Path) -> None:
        self._database = database
        self._apps = in_turn(service.port, range(LOGINS), _enrolled)

    def renew(self) -> None:
        """Forget the time steps that are spent, so that nobody has to wait for the next one."""
        with closing(sqlite3.connect(self._database)) as connection, connection:
            connection.execute("UPDATE totp_secrets SET last_step = NULL")

    def finish(self, client: Client, number: int, login_token: str) -> None:
        code = self._apps[number].now()
        client.send("/auth/login/continue", {"login_token": login_token, "method": "totp", "code": code})


def logins(
    name: str, service: Service, way: Way, *, floor: Server, rounds: int, hash_cpu: Callable[[], float]
) -> Samples:
    """The whole login: its CPU beyond the hash, and its time when nothing else is asked, each relative to the floor's.

    `hash_cpu` measures a bare hash. The floor answers the same client, and is measured in the same round.
    """
    samples: Samples = {name: [], f"{name}-p50": []}

    def log_in(client: Client, number: int) -> None:
        body = {"login": f"user{number}", "password": servers.PASSWORD}
        begun = client.send("/auth/login", body, expected=403)
        way.finish(client, number, begun["login"]["token"])

    def ping(client: Client, _: int) -> None:
        client.send("/ping")

    for number in range(-1, rounds):
        floor_cpu, bare = _cpu_of_each(floor, ping), hash_cpu()
        way.renew()
        cpu = _cpu_of_each(service, log_in)
        floor_time = _time_of_each(floor, ping)
        way.renew()
        taken = _time_of_each(service, log_in)
        if number >= 0:  # the first round warms up
            samples[name].append((cpu - bare) / floor_cpu)
            samples[f"{name}-p50"].append(taken / floor_time)
    return samples


def _cpu_of_each(server: Server, act: Callable[[Client, int], object]) -> float:
    """Seconds of processor time of the server for each of LOGINS acts, over CONNECTIONS connections."""
    pids = server.pids()
    before = cpu_seconds(pids)
    in_turn(server.port, range(LOGINS), act)
    return (cpu_seconds(pids) - before) / LOGINS


def _time_of_each(server: Server, act: Callable[[Client, int], object]) -> float:
    """The median of the seconds that each of ALONE acts takes, one after the other."""
    took = []
    with closing(Client(server.port)) as client:
        for number in range(ALONE):
            began = time.perf_counter()
            act(client, number)
            took.append(time.perf_counter() - began)
    return median(took)


def in_turn(port: int, numbers: Sequence[int], act: Callable[[Client, int], Any]) -> list[Any]:
    """What `act` gives for each number, in their order; CONNECTIONS threads share them."""

    def share(first: int) -> list[tuple[int, Any]]:
        with closing(Client(port)) as client:
            return [(number, act(client, number)) for number in numbers[first::CONNECTIONS]]

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        given = dict(chain.from_iterable(pool.map(share, range(CONNECTIONS))))
    return [given[number] for number in numbers]


def _enrolled(client: Client, number: int) -> pyotp.TOTP:
    """The authenticator app of a new user."""
    body = {"username": f"user{number}", "email": f"user{number}@example.com", "password": servers.PASSWORD}
    token = client.send("/auth/register", body, expected=201)["data"]["access_token"]
    app = pyotp.TOTP(client.send("/auth/factors/totp", {}, token, expected=201)["data"]["secret"])
    client.send("/auth/factors/totp/confirm", {"code": app.now()}, token)
    return app
