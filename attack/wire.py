"""Requests as bytes, and their replies. A client library would tidy up what the checks have to send as it is."""

from __future__ import annotations

import io
import json
import socket
import ssl
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage, HTTPResponse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attack.target import Target

CONNECT_SECONDS = 5.0
REPLY_SECONDS = 30.0
"""From the first byte sent to the last one received."""
FIRST_SECONDS = 8.0
"""How long a server may think before the first byte of a reply, even if silence counts as its end sooner."""
LONGEST = 4 * 1024 * 1024
"""Bytes of a reply that are read."""


class UnreachableError(Exception):
    """No whole reply came; the message says why."""


class UntrustedError(UnreachableError):
    """The certificate is not trusted, so nothing was sent."""


@dataclass(frozen=True)
class Answer:
    """One reply. `seconds` lie between the request and the reply's first byte."""

    status: int
    headers: HTTPMessage
    body: bytes
    seconds: float

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def json(self) -> dict[str, Any]:
        """The JSON object in the body; empty if it holds none."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def data(self) -> dict[str, Any]:
        """What a success holds."""
        found = self.json.get("data")
        return found if isinstance(found, dict) else {}

    @property
    def code(self) -> str:
        """What a failure is called; "" if it has no name."""
        return str(self.json.get("code", ""))

    @property
    def succeeded(self) -> bool:
        return 200 <= self.status < 300  # noqa: PLR2004 - RFC 9110 section 15.3

    def __str__(self) -> str:
        return f"{self.status} {self.code}".strip()


@dataclass(frozen=True)
class Conversation:
    """All replies to some bytes, and whether the server closed the connection after them."""

    answers: tuple[Answer, ...]
    closed: bool

    def __str__(self) -> str:
        statuses = ", ".join(str(answer.status) for answer in self.answers) or "no reply"
        return f"{statuses}, {'closed' if self.closed else 'kept open'}"


def written(method: str, path: str, headers: Sequence[tuple[str, str]], body: bytes | None = None) -> bytes:
    """A request as bytes, with the length of its body; nothing in it is checked or encoded but to Latin-1."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers)]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + (body or b"")


def connected(target: Target, tls: ssl.SSLContext | None = None) -> socket.socket:
    """A connection to the target. Raises UnreachableError, or UntrustedError if its certificate is not trusted."""
    try:
        plain = socket.create_connection((target.host, target.port), timeout=CONNECT_SECONDS)
    except OSError as error:
        raise UnreachableError(f"no connection to {target.authority}: {error.strerror or error}") from None
    if not target.is_https:
        return plain
    try:
        return (tls or target.tls).wrap_socket(plain, server_hostname=target.host)
    except ssl.SSLCertVerificationError as error:
        plain.close()
        raise UntrustedError(f"the certificate is not trusted: {error.verify_message}") from None
    except OSError as error:
        plain.close()
        raise UnreachableError(f"no TLS with {target.authority}: {error.strerror or error}") from None


def talk(target: Target, sent: bytes, *, idle: float = REPLY_SECONDS, method: str = "") -> Conversation:
    """Send these bytes; return the replies that come until the server closes, or is silent for `idle` seconds.

    `method` is that of the request: replies to HEAD have no body.
    Raises UnreachableError if there is no connection, or if what came is no HTTP.
    """
    received = bytearray()
    first = 0.0
    closed = False
    with closing(connected(target)) as connection:
        began = time.perf_counter()
        # A server may have seen enough, answer and close; its answer is still there to read.
        with suppress(ConnectionError, ssl.SSLError):
            connection.sendall(sent)
        try:
            while len(received) < LONGEST and (left := REPLY_SECONDS - (time.perf_counter() - began)) > 0:
                connection.settimeout(min(idle if received else max(idle, FIRST_SECONDS), left))
                chunk = connection.recv(65536)
                first = first or time.perf_counter() - began
                if not chunk:
                    closed = True
                    break
                received += chunk
        except TimeoutError:
            pass
        except OSError:  # a reset, also one without TLS's goodbye
            closed = True
    return Conversation(tuple(_answers(bytes(received), first, method)), closed)


def one(target: Target, sent: bytes, method: str = "") -> Answer:
    """The first reply to a request that asks to close the connection. Raises UnreachableError."""
    found = talk(target, sent, method=method)
    if not found.answers:
        raise UnreachableError("the connection was closed without a reply" if found.closed else "no reply in time")
    return found.answers[0]


class _Stream(io.BytesIO):
    """Stands for the socket of HTTPResponse, which closes it after each reply; the next one follows."""

    def makefile(self, _mode: str) -> io.BytesIO:
        return self

    def close(self) -> None:
        pass


def _answers(received: bytes, seconds: float, method: str) -> list[Answer]:
    stream = _Stream(received)
    found: list[Answer] = []
    while stream.tell() < len(received):
        response = HTTPResponse(stream, method=method)  # type: ignore[arg-type] # all it asks of a socket is makefile
        try:
            response.begin()
            body = response.read()
        except (HTTPException, ValueError, OSError) as error:
            if found:
                break
            raise UnreachableError(f"what came is no reply of HTTP: {error!r}") from None
        found.append(Answer(response.status, response.headers, body, seconds))
    return found
