"""Clients that keep their connections and ask without a pause, as a proxy or a busy application does."""

import http.client
import itertools
import json
import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import httpx

from tests.e2e.settings import PASSWORD
from tests.servers.process import wait_until

PATIENCE = 20.0
"""Seconds that a client waits for a reply."""
REST = 0.1


@dataclass(frozen=True)
class Request:
    """A request, by `method`; with `content` it is a POST."""

    path: str
    headers: dict[str, str] = field(default_factory=dict)
    content: dict[str, Any] | None = None
    method: str = "GET"


class Connection:
    """One connection to the service, kept from request to request.

    If the server has closed it before the next request, it is replaced; that costs nothing.
    """

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        """`patience`: the seconds without a byte after which `send` raises TimeoutError."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
        self.close = self._connection.close

    def connect(self) -> None:
        """Make sure of a connection that the server has not closed; ConnectionRefusedError if nobody listens."""
        if self._connection.sock is not None and select.select([self._connection.sock], [], [], 0)[0]:
            self._connection.close()
        if self._connection.sock is None:
            self._connection.connect()

    def send(self, request: Request) -> tuple[http.client.HTTPResponse, bytes]:
        """The reply and its body; OSError or HTTPException if no whole reply comes: the request is lost."""
        if request.content is None:
            self._connection.request(request.method, request.path, headers=request.headers)
        else:
            headers = request.headers | {"Content-Type": "application/json"}
            self._connection.request("POST", request.path, json.dumps(request.content), headers)
        response = self._connection.getresponse()
        return response, response.read()


class Client(Thread):
    """Sends what `requests` gives, one after the other, until it is stopped or nobody listens any more."""

    def __init__(self, port: int, requests: Iterator[Request]) -> None:
        super().__init__(daemon=True)
        self.answered: list[tuple[Request, int]] = []
        self.lost: list[str] = []
        self.refused = False
        self.ending = Event()
        self.rests = False
        """Whether it waits REST seconds between its requests."""
        self._requests = requests
        self._connection = Connection(port)

    def run(self) -> None:
        for request in self._requests:
            if self.ending.wait(REST if self.rests else 0):
                break
            try:
                self._connection.connect()
            except ConnectionRefusedError:
                self.refused = True
                break
            try:
                self.answered.append((request, self._connection.send(request)[0].status))
            except (OSError, http.client.HTTPException) as error:
                self.lost.append(f"{request.path}: {error!r}")
                self._connection.close()
        self._connection.close()


class Clients:
    """Several of them at once."""

    def __init__(self, clients: Sequence[Client]) -> None:
        self._clients = clients

    def wait_for_more(self, requests: int = 5) -> None:
        """Return when each of them has got this many more replies."""
        before = [len(client.answered) for client in self._clients]

        def went_on() -> bool:
            return all(
                len(client.answered) >= count + requests for client, count in zip(self._clients, before, strict=True)
            )

        wait_until(went_on, 60)

    def wait_for_end(self) -> None:
        """Return when all of them have ended."""
        for client in self._clients:
            client.join(PATIENCE)
            assert not client.is_alive()

    def stop(self) -> None:
        """Let each get its last reply, and end."""
        for client in self._clients:
            client.ending.set()
        self.wait_for_end()

    @contextmanager
    def at_rest(self) -> Iterator[None]:
        """Inside, they ask ten times a second at most: what starts meanwhile starts in half the time."""
        for client in self._clients:
            client.rests = True
        yield
        for client in self._clients:
            client.rests = False

    @property
    def answered(self) -> list[tuple[Request, int]]:
        return list(itertools.chain.from_iterable(client.answered for client in self._clients))

    def statuses(self, path: str) -> set[int]:
        """The statuses of the replies to this path."""
        return {status for request, status in self.answered if request.path == path}

    @property
    def lost(self) -> list[str]:
        return list(itertools.chain.from_iterable(client.lost for client in self._clients))

    @property
    def refused(self) -> int:
        """How many of them found nobody listening."""
        return sum(client.refused for client in self._clients)


@contextmanager
def clients(port: int, kinds: Sequence[Callable[[], Iterator[Request]]]) -> Iterator[Clients]:
    """Start a client for each of these, each asking for its own requests; at the end they stop."""
    started = [Client(port, kind()) for kind in kinds]
    for client in started:
        client.start()
    together = Clients(started)
    try:
        yield together
    finally:
        together.stop()


def repeating(request: Request) -> Callable[[], Iterator[Request]]:
    """The same request again and again."""
    return lambda: itertools.repeat(request)


def registering(name: str) -> Callable[[], Iterator[Request]]:
    """Registrations of ever new accounts."""
    return lambda: (
        Request("/auth/register", content={"username": f"{name}-{number}", "password": PASSWORD})
        for number in itertools.count()
    )


def register(base_url: str, username: str, **more: str) -> str:
    """Register an account, with these additional fields; returns its access token."""
    body = {"username": username, "password": PASSWORD, **more}
    reply = httpx.post(f"{base_url}/auth/register", json=body, timeout=PATIENCE)
    assert reply.status_code == 201, reply.text
    return str(reply.json()["data"]["access_token"])


def log_in(base_url: str, username: str) -> httpx.Response:
    """The reply to a login."""
    return httpx.post(f"{base_url}/auth/login", json={"username": username, "password": PASSWORD}, timeout=PATIENCE)


def me(base_url: str, token: str) -> httpx.Response:
    """The reply of `GET /auth/me` to this token."""
    return httpx.get(f"{base_url}/auth/me", headers=bearer(token), timeout=PATIENCE)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
