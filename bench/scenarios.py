"""The measurements: each returns one sample per round, by the names of the figures."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import bcrypt

from bench import load, second_factors, servers
from bench.instances import OTHER, USERS
from bench.load import InFlight, RefusedError, Request
from bench.measure import cpu_seconds, pss_bytes
from tests.servers import otlp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.instances import Instances
    from tests.servers.process import Server

Samples = dict[str, list[float]]

CONNECTIONS = 16
LOGOUTS = 400
CHEAP_HASHES = 200
REQUEST_SECONDS = 1
HASHING_SECONDS = 4
CALM_SECONDS, STORM_SECONDS = 2, 4
STORM = 64
"""Logins in flight."""
_READS: Mapping[str, dict[str, str] | None] = dict.fromkeys(("/health", "/auth/me", "/auth/users"))
EVERYTHING = {"METRICS_ALLOW": "127.0.0.1", "AUTH_COOKIES": "on", "IMPERSONATION": "on"}
_LOGIN = {"login": "user0", "password": servers.PASSWORD}

_BARE_HASHES = """
import sys, time, bcrypt
secret, salt, count, began = b"correct horse battery staple", bcrypt.gensalt(12), 0, time.monotonic()
while time.monotonic() < began + float(sys.argv[1]):
    bcrypt.hashpw(secret, salt)
    count += 1
print(count / (time.monotonic() - began))
"""


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of one kind of request: seconds of processor time each, and replies per second."""

    cpu: float
    rate: float


def request(name: str, instances: Instances, rounds: int) -> Samples:
    """CPU per request relative to the floor in the same round; rounds with failed requests do not count.

    At bcrypt cost 4 a hash's CPU, measured in the same round too, is taken off, and the rate is a figure of its own.
    """
    server, sent = _measured(name, instances)
    samples: Samples = defaultdict(list)
    for number in range(-1, rounds):
        floor = _cost(instances.floor, Request(instances.floor.port, "/ping"))
        hash_cpu = _hash_cpu() if name.endswith("-4") else 0.0
        try:
            cost = _cost(server, sent.numbered(number))
        except RefusedError as refused:
            print(f"not counted: {refused}", file=sys.stderr)
            continue
        if number < 0:  # the first round warms up
            continue
        samples[name].append((cost.cpu - hash_cpu) / floor.cpu)
        if name.endswith("-4"):
            samples[f"{name}-rate"].append(cost.rate / floor.rate)
    if not samples:
        raise RefusedError(f"{name}: in every round some requests were refused")
    return samples


def _hash_cpu() -> float:
    """Seconds of processor time of a bare hash at bcrypt cost 4."""
    secret, salt = servers.PASSWORD.encode(), bcrypt.gensalt(4)
    began = time.process_time()
    for _ in range(CHEAP_HASHES):
        bcrypt.hashpw(secret, salt)
    return (time.process_time() - began) / CHEAP_HASHES


def _measured(name: str, instances: Instances) -> tuple[Server, Request]:
    """The request of a figure, and the server that answers it."""
    if name == "login-4":
        cheap = instances.with_cheap_hashes
        return cheap, Request(cheap.port, "/auth/login", body=_LOGIN)
    if name == "register-4":
        cheap = instances.with_cheap_hashes
        newcomer = {"username": "r{round}-{n}", "email": "r{round}-{n}@example.com", "password": servers.PASSWORD}
        return cheap, Request(cheap.port, "/auth/register", body=newcomer)
    service = instances.on_mongo if name == "me-mongo" else instances.on_sqlite
    if name == "health":
        return service, Request(service.port, "/health")
    path = "/auth/users?limit=50" if name == "users" else "/auth/me"
    return service, Request(service.port, path, token=servers.log_in(service.port, 0))


def _cost(server: Server, request: Request) -> Cost:
    pids = server.pids()
    before = cpu_seconds(pids)
    answers = load.run(request, connections=CONNECTIONS, seconds=REQUEST_SECONDS)
    time.sleep(0.1)  # until the last requests, which the load no longer waited for, are done
    return Cost((cpu_seconds(pids) - before) / answers.requests, answers.rate)


def code_to_tokens(instances: Instances, rounds: int) -> Samples:
    """The cost and the time of an authorization: the request for a code, and the one that redeems it."""
    return instances.logins_at_pages.codes(floor=instances.floor, rounds=rounds)


def introspection(instances: Instances, rounds: int) -> Samples:
    """The cost and the time of a question about an access token."""
    return instances.logins_at_pages.introspections(floor=instances.floor, rounds=rounds)


def login_with_app(instances: Instances, rounds: int) -> Samples:
    """The cost and the time of a login with a code of an authenticator app, at bcrypt cost 4."""
    service, apps = instances.with_apps
    return second_factors.logins(
        "login-totp-4", service, apps, floor=instances.floor, rounds=rounds, hash_cpu=_hash_cpu
    )


def login_with_passkey(name: str, instances: Instances, rounds: int) -> Samples:
    """A login with a passkey alone, both requests: CPU and rate relative to the floor's, and logins per second.

    Rounds with failed requests do not count.
    """
    passkeys = instances.passkeys_on_postgres if name.endswith("-pg") else instances.passkeys_on_sqlite
    samples: Samples = defaultdict(list)
    for number in range(-1, rounds):
        floor = _cost(instances.floor, Request(instances.floor.port, "/ping"))
        try:
            both = [_cost(passkeys.service, request) for request in (passkeys.options(), passkeys.logins())]
        except RefusedError as refused:
            print(f"not counted: {refused}", file=sys.stderr)
            continue
        if number < 0:  # the first round warms up
            continue
        rate = 1 / sum(1 / cost.rate for cost in both)
        samples[name].append(sum(cost.cpu for cost in both) / floor.cpu)
        samples[f"{name}-rate"].append(rate / floor.rate)
        samples[f"{name}-a-second"].append(rate)
    if not samples:
        raise RefusedError(f"{name}: in every round some requests were refused")
    return samples


def refresh(name: str, instances: Instances, rounds: int) -> Samples:
    """CPU of an exchange of refresh tokens, 16 sessions side by side, relative to the floor's."""
    service = instances.on_mongo if name == "refresh-mongo" else instances.on_sqlite
    return {name: _beside_floor(lambda: _cost(service, _exchange(service.port)).cpu, instances, rounds)}


def logout(instances: Instances, rounds: int) -> Samples:
    """CPU of a logout, relative to the floor's."""
    return {"logout": _beside_floor(lambda: _cost_of_logout(instances), instances, rounds)}


def _beside_floor(cpu: Callable[[], float], instances: Instances, rounds: int) -> list[float]:
    """Of each round what `cpu` measures, relative to the floor's just before; the first round warms up."""
    samples = []
    for _ in range(-1, rounds):
        floor = _cost(instances.floor, Request(instances.floor.port, "/ping"))
        samples.append(cpu() / floor.cpu)
    return samples[1:]


def _exchange(port: int) -> Request:
    """An exchange of refresh tokens, of as many new sessions as there are connections."""
    opened = [servers.open_session(port, OTHER)["refresh_token"] for _ in range(CONNECTIONS)]
    return Request(port, "/auth/refresh", body={"refresh_token": "{token}"}, refresh_tokens=opened)


def _cost_of_logout(instances: Instances) -> float:
    """Seconds of processor time of a logout; so many are measured because the kernel counts in hundredths."""
    service = instances.without_limits
    tokens = [servers.open_session(service.port, number % USERS)["access_token"] for number in range(LOGOUTS)]
    pids = service.pids()
    before = cpu_seconds(pids)
    load.each(service.port, "/auth/logout", tokens, connections=CONNECTIONS)
    return (cpu_seconds(pids) - before) / LOGOUTS


def refresh_storm(instances: Instances, rounds: int) -> Samples:
    """The rate of 16 sessions that refresh while 64 logins are in flight, relative to that without them."""
    port, samples = instances.on_sqlite.port, []
    for _ in range(rounds):
        calm = load.run(_exchange(port), connections=CONNECTIONS, seconds=CALM_SECONDS)
        exchange = _exchange(port)
        with InFlight(Request(port, "/auth/login", body=_LOGIN), STORM):
            time.sleep(0.5)  # until they are all there
            stormy = load.run(exchange, connections=CONNECTIONS, seconds=STORM_SECONDS)
        samples.append(stormy.rate / calm.rate)
    return {"refresh-storm": samples}


def login(instances: Instances, rounds: int) -> Samples:
    """The rate of logins, 8 at once, relative to that of two processes that only hash."""
    request = Request(instances.on_sqlite.port, "/auth/login", body=_LOGIN)
    samples = []
    for _ in range(rounds):
        bare = _bare_hashes_a_second()
        with InFlight(request, 8) as logins:
            time.sleep(HASHING_SECONDS)
        samples.append(logins.rate / bare)
    return {"login": samples}


def _bare_hashes_a_second() -> float:
    command = [sys.executable, "-c", _BARE_HASHES, str(HASHING_SECONDS)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    return sum(float(process.communicate()[0]) for process in processes)


def memory(instances: Instances) -> Samples:
    """The memory of the process tree after load, in MB; nothing that shares pages with it may run beside it."""
    return {"memory": [_memory_after_load(instances.settings, _READS)]}


def memory_without_oauth(instances: Instances) -> Samples:
    """The same without the authorization server, which is on by default."""
    return {"memory-without-oauth": [_memory_after_load(instances.settings | {"OAUTH": "off"}, _READS)]}


def whole_memory(instances: Instances) -> Samples:
    """The same with all that is off by default and needs no server that holds data: metrics, traces, cookies, acting
    for users, second factors."""
    with otlp.collector() as traces:
        settings = instances.settings | EVERYTHING | {"OTEL_EXPORTER_OTLP_ENDPOINT": traces.url}
        return {"memory-everything": [_memory_after_load(settings, {**_READS, "/auth/factors/totp": {}})]}


def _memory_after_load(settings: dict[str, str], requests: Mapping[str, dict[str, str] | None]) -> float:
    with servers.service(settings) as service:
        token = servers.log_in(service.port, 0)
        with InFlight(Request(service.port, "/auth/login", body=_LOGIN), 8):
            for path, body in requests.items():
                load.run(Request(service.port, path, token, body), connections=CONNECTIONS, seconds=1)
        return pss_bytes(service.pids()) / 1e6


def start(instances: Instances, rounds: int) -> Samples:
    """Seconds from the start of gunicorn, on an existing database, to the first 200."""
    samples = []
    settings = instances.settings
    for _ in range(rounds):
        began = time.monotonic()
        with servers.service(settings):
            samples.append(time.monotonic() - began)
    return {"start": samples}
