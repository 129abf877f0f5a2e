"""Generates load: wrk for thousands of requests, threads for a few slow ones."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Event, Lock, Thread
from time import monotonic
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SCRIPT = Path(__file__).with_name("load.lua")
_LONGEST_ANSWER = 60
SHED_PAUSE = 0.5


def missing() -> str | None:
    """What to install; None if nothing is missing."""
    return None if shutil.which("wrk") else "wrk is missing: apt-get install wrk"


@dataclass(frozen=True, slots=True)
class Request:
    """A request to send over and over: a GET, or with a `body` or `bodies` a POST.

    "{n}" in the body becomes a number that no other request of a run has, "{round}" the number passed to `numbered`,
    and "{token}" a refresh token: first those in `refresh_tokens`, one per connection, then those of the replies.
    Each of `bodies` is JSON that works once; if there are too few, what is sent again is refused.
    """

    port: int
    path: str
    token: str | None = None
    body: Mapping[str, str] | None = None
    refresh_tokens: Sequence[str] = ()
    bodies: Sequence[str] = ()

    def numbered(self, number: int) -> Request:
        """The same request, for the round with this number."""
        if self.body is None:
            return self
        return replace(self, body={name: text.replace("{round}", str(number)) for name, text in self.body.items()})


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: how many replies in how many seconds, and the milliseconds that they took."""

    requests: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Replies per second."""
        return self.requests / self.seconds


class RefusedError(RuntimeError):
    """Some replies were failures, so nothing was measured."""


def run(request: Request, *, connections: int, seconds: int) -> Answers:
    """Send the request over `connections` connections, on each as soon as the last reply is there.

    Raises RefusedError if any reply was not a success.
    """
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "--timeout",
        f"{_LONGEST_ANSWER}s",
        "-s",
        str(_SCRIPT),
    ]
    if request.token:
        command += ["-H", f"Authorization: Bearer {request.token}"]
    command += [f"http://127.0.0.1:{request.port}{request.path}", "--"]
    with NamedTemporaryFile("w", encoding="utf-8") as file:
        if request.bodies:
            file.write("\n".join(request.bodies))
            file.flush()
            command += ["POST", f"@{file.name}"]
        elif request.body is not None:
            command += ["POST", json.dumps(request.body), *request.refresh_tokens]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    made = json.loads(done.stdout.splitlines()[-1])
    if made["refused"] or made["broken"]:
        raise RefusedError(f"{request.path}: {made['refused']} refused, {made['broken']} broken of {made['requests']}")
    return Answers(made["requests"], made["microseconds"] / 1e6, made["p50"] / 1e3, made["p99"] / 1e3)


def each(port: int, path: str, tokens: Sequence[str], *, connections: int) -> None:
    """POST once with each access token, over `connections` connections. Raises RefusedError if one failed."""

    def post(share: Sequence[str]) -> list[int]:
        answered = []
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=_LONGEST_ANSWER)) as connection:
            for token in share:
                connection.request("POST", path, headers={"Authorization": f"Bearer {token}", "Content-Length": "0"})
                with connection.getresponse() as reply:
                    reply.read()
                    answered.append(reply.status)
        return answered

    shares = [tokens[number::connections] for number in range(connections)]
    with ThreadPoolExecutor(connections) as pool:
        refused = [status for answered in pool.map(post, shares) for status in answered if status != http.HTTPStatus.OK]
    if refused:
        raise RefusedError(f"{path}: answered {refused}")


class InFlight:
    """Keeps `count` requests under way, each on a connection of its own, from `with` to its end.

    One that is shed (503) is tried again on a new connection after SHED_PAUSE seconds. At the end it waits for the last
    replies, but does not count them. Raises RefusedError if any reply was neither a success nor 503.
    """

    def __init__(self, request: Request, count: int) -> None:
        self._completed: list[float] = []
        self.shed = 0
        self._request = request
        self._refused: list[int] = []
        self._ended = Event()
        self._lock = Lock()
        self._threads = [Thread(target=self._send, daemon=True) for _ in range(count)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()
        if self._refused:
            raise RefusedError(f"{self._request.path}: answered {sorted(set(self._refused))}")

    @property
    def rate(self) -> float:
        """Successes per second, from the first to the last; what was under way at either end does not count."""
        if len(self._completed) < 2:
            raise RefusedError(f"{self._request.path}: {len(self._completed)} answered, which is no rate")
        return (len(self._completed) - 1) / (self._completed[-1] - self._completed[0])

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._request.port, timeout=_LONGEST_ANSWER)
        body = json.dumps(self._request.body)
        while not self._ended.is_set():
            connection.request("POST", self._request.path, body, {"Content-Type": "application/json"})
            reply = connection.getresponse()
            reply.read()
            if self._note(reply.status) == http.HTTPStatus.SERVICE_UNAVAILABLE:
                connection.close()
                self._ended.wait(SHED_PAUSE)
        connection.close()

    def _note(self, status: int) -> int:
        with self._lock:
            if status == http.HTTPStatus.SERVICE_UNAVAILABLE:
                self.shed += 1
            elif status >= http.HTTPStatus.BAD_REQUEST:
                self._refused.append(status)
                self._ended.set()
            elif not self._ended.is_set():
                self._completed.append(monotonic())
        return status
