"""More logins than can be hashed, beside requests that carry a token: what becomes of both."""

from __future__ import annotations

import asyncio
import http
import json
import sys
import time
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Self

from bench import load, servers
from bench.instances import OTHER
from bench.load import RefusedError, Request

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from bench.instances import Instances
    from bench.load import Answers
    from bench.scenarios import Samples

CONNECTIONS = 4
"""Those of the requests with a token: each is sent when the last was answered."""
FEW = 8
"""So many logins at once keep the threads that hash busy, and none is refused: their rate is the capacity."""
STORMS: dict[str, Callable[[int, float], Logins]] = {
    "storm": lambda port, _: Logins(port, at_once=64),
    "storm-256": lambda port, _: Logins(port, at_once=256),
    "storm-10x": lambda port, capacity: Logins(port, a_second=10 * capacity),
}
"""What comes, given the port and the capacity, by the names of the figures."""
PATIENCE = 10.0
"""Seconds after which a client gives up: sooner than a full queue is done."""
_SECONDS = 6
_RAMP_SECONDS = 1.0
_LOGIN = json.dumps({"login": "user0", "password": servers.PASSWORD}).encode()


def storm(instances: Instances, rounds: int) -> Samples:
    """Of each round: `goodput` of logins relative to the capacity, beside the same requests with a token.

    And of these requests: `rate` relative to no logins, and by how many milliseconds `p50` and `p99` rise. What they
    are compared with is measured just before each storm.
    """
    port = instances.on_sqlite.port
    me = Request(port, "/auth/me", token=servers.log_in(port, OTHER))
    load.run(me, connections=CONNECTIONS, seconds=2)
    samples: Samples = {}
    for _ in range(rounds):
        for name, logins in STORMS.items():
            calm = load.run(me, connections=CONNECTIONS, seconds=_SECONDS // 2)
            capacity, _ = _beside(me, Logins(port, at_once=FEW))
            if not capacity:
                print(f"not counted: no login in {_SECONDS} s, the machine is too busy", file=sys.stderr)
                continue
            goodput, stormy = _beside(me, logins(port, capacity))
            for figure, value in (
                ("goodput", goodput / capacity),
                ("rate", stormy.rate / calm.rate),
                ("p50", stormy.p50 - calm.p50),
                ("p99", stormy.p99 - calm.p99),
            ):
                samples.setdefault(f"{name}-{figure}", []).append(value)
    if not samples:
        raise RefusedError("storm: no login succeeded in any round")
    return samples


def _beside(me: Request, logins: Logins) -> tuple[float, Answers]:
    """Successful logins per second, and what came back of the requests beside them."""
    with logins:
        time.sleep(_RAMP_SECONDS)  # until they are all there
        began, before = time.monotonic(), logins.succeeded
        answers = load.run(me, connections=CONNECTIONS, seconds=_SECONDS)
        return (logins.succeeded - before) / (time.monotonic() - began), answers


class Logins:
    """Logins from `with` to its end, each on a connection of its own.

    Either `at_once` clients log in again and again, and return after a 503 when they were told to; or so many begin
    `a_second`, and ignore what they are told. All give up after PATIENCE. At the end those under way leave, so that the
    next measurement finds an empty queue. Raises RefusedError if a reply was neither a success nor 503; 0 is
    none at all.
    """

    def __init__(self, port: int, *, at_once: int = 0, a_second: float = 0.0) -> None:
        self.succeeded = 0
        self.shed = 0
        self.gave_up = 0
        self._port = port
        self._refused: set[int] = set()
        self._loop = asyncio.new_event_loop()
        self._ended = asyncio.Event()
        self._work = self._offer(a_second) if a_second else self._repeat(at_once)
        self._thread = Thread(target=self._loop.run_until_complete, args=[self._until_ended(self._work)], daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join()
        self._loop.close()
        if self._refused:
            raise RefusedError(f"/auth/login: answered {sorted(self._refused)}")

    async def _until_ended(self, work: Coroutine[None, None, None]) -> None:
        running = asyncio.ensure_future(work)
        await self._ended.wait()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running

    async def _repeat(self, at_once: int) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(self._again_and_again())

    async def _again_and_again(self) -> None:
        while True:
            pause = await self._log_in()
            await asyncio.sleep(pause)

    async def _offer(self, a_second: float) -> None:
        begins = self._loop.time()
        async with asyncio.TaskGroup() as group:
            while True:
                group.create_task(self._log_in())
                begins += 1 / a_second
                await asyncio.sleep(begins - self._loop.time())

    async def _log_in(self) -> float:
        """Log in once; the seconds after which the client may return."""
        try:
            async with asyncio.timeout(PATIENCE):
                status, headers = await self._reply()
        except TimeoutError:
            self.gave_up += 1
            return 0
        except (OSError, EOFError):
            status, headers = 0, {}
        if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
            self.shed += 1
            return float(headers["retry-after"])
        if status == http.HTTPStatus.OK:
            self.succeeded += 1
        else:
            self._refused.add(status)
        return 0

    async def _reply(self) -> tuple[int, dict[str, str]]:
        """The status and the headers of a login."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
        try:
            writer.write(
                b"POST /auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(_LOGIN), _LOGIN)
            )
            first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()  # or the end of the loop would leave the connection open
        pairs = (line.partition(":") for line in lines)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in pairs}
