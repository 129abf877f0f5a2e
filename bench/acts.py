"""What differs each time it is sent, so that threads of Python send it, and not wrk."""

from __future__ import annotations

import http.client
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from statistics import median
from typing import TYPE_CHECKING, Any

from bench.load import RefusedError
from bench.measure import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bench.scenarios import Samples
    from tests.servers.process import Server

MANY = 320
"""Acts for the CPU of one, since the kernel counts in hundredths; also the number of users, who act once a round."""
ALONE = 40
"""Acts one after the other, for their time."""
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
        _, answer = self.exchange("GET" if body is None else "POST", path, content, headers, expected=expected)
        return json.loads(answer)

    def exchange(
        self, method: str, path: str, content: str | None, headers: Mapping[str, str], *, expected: int
    ) -> tuple[http.client.HTTPMessage, bytes]:
        """The headers and the body of any reply; RefusedError if its status is not `expected`."""
        self._connection.request(method, path, content, dict(headers))
        reply = self._connection.getresponse()
        answer = reply.read()
        if reply.status != expected:
            raise RefusedError(f"{path.partition('?')[0]}: answered {reply.status}")
        return reply.headers, answer


def measured(
    name: str,
    server: Server,
    act: Callable[[Client, int], object],
    *,
    floor: Server,
    rounds: int,
    bare_cpu: Callable[[], float] = lambda: 0.0,
    before: Callable[[], object] = lambda: None,
) -> Samples:
    """The CPU of an act beyond what is bare in it, such as a hash, and its time when nothing else is asked, each
    relative to the floor's.

    `before` is called before each MANY acts. The floor answers the same client, and is measured in the same round.
    """
    samples: Samples = {name: [], f"{name}-p50": []}

    def ping(client: Client, _: int) -> None:
        client.send("/ping")

    for number in range(-1, rounds):
        floor_cpu, bare = _cpu_of_each(floor, ping), bare_cpu()
        before()
        cpu = _cpu_of_each(server, act)
        floor_time = _time_of_each(floor, ping)
        before()
        taken = _time_of_each(server, act)
        if number >= 0:  # the first round warms up
            samples[name].append((cpu - bare) / floor_cpu)
            samples[f"{name}-p50"].append(taken / floor_time)
    return samples


def _cpu_of_each(server: Server, act: Callable[[Client, int], object]) -> float:
    """Seconds of processor time of the server for each of MANY acts, over CONNECTIONS connections."""
    pids = server.pids()
    before = cpu_seconds(pids)
    in_turn(server.port, range(MANY), act)
    return (cpu_seconds(pids) - before) / MANY


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
