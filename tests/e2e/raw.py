"""Bytes to a socket and back: for requests that no client library would send."""

import io
import json
import socket
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from http.client import HTTPMessage, HTTPResponse
from typing import Any

PATIENCE = 20.0
"""Seconds without a byte after which the server is taken to keep the connection."""

MISREAD = [
    ("Content-Length: 4", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", "Content-Length: 4"),
    ("Content-Length: 4", "Content-Length: 4"),
    ("Content-Length: 4", "Content-Length: 5"),
    ("Content-Length: 4, 4",),
    ("Content-Length: +4",),
    ("Content-Length: -4",),
    ("Content-Length: 0x4",),
    ("Content-Length: 4 4",),
    ("Content-Length:",),
    ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding : chunked",),
    ("X-Null: a\x00b",),
    (": no name",),
]
"""Headers that two servers could read in two ways, or that are none: each is refused wherever it is sent."""

ODD_PATHS = [
    "/admin", "/admin/", "/admin/users", "/%61dmin/users", "/%61%64%6d%69%6e", "/ADMIN/users",
    # Dotted, and encoded once or twice.
    "/admin/users/..%2f..%2frobots.txt", "/admin/..%2frobots.txt", "/admin/%2e%2e/robots.txt",
    "/admin/%2e%2e%2frobots.txt", "/admin%2f..%2frobots.txt", "/admin/../robots.txt", "/admin/./../robots.txt",
    "/x/../admin/users", "/x/%2e%2e/admin/users", "/x/..%2fadmin", "/x%2f..%2fadmin%2fusers", "/./admin", "/.%2fadmin",
    "/robots.txt/../admin/users", "/robots.txt%2f..%2fadmin", "/robots.txt/..%2fadmin/users", "/robots.txt/.",
    "/%252e%252e/admin", "/x/%252e%252e%252fadmin", "/%2561dmin/users", "/admin/%252e%252e%252frobots.txt",
    # Doubled.
    "//admin/users", "/%2fadmin/users", "///admin", "/x//..//admin", "//x/../admin", "/admin//..//robots.txt",
    "/admin/x//..%2f..%2frobots.txt", "//robots.txt", "/%2f/robots.txt",
    # With what ends a path, or a segment of it, for somebody.
    "/;/admin/users", "/;x/admin", "/admin;/users", "/admin;x=y/users", "/x/..;/admin/users", "/admin/..;/robots.txt",
    "/robots.txt;/../admin", "/robots.txt;/..%2fadmin/users", "/robots.txt/..;/admin", "/%3b/admin", "/x/..%3b/admin",
    "/robots.txt?/../admin", "/robots.txt%3f/../admin", "/admin%3f/../robots.txt", "/admin/%3f/..%2f..%2frobots.txt",
    "/robots.txt#/../admin", "/robots.txt%23/../admin", "/admin/users%23/..%2f..%2f..%2frobots.txt",
    "/robots.txt%00", "/robots.txt%00/../admin", "/admin/%00/..%2f..%2frobots.txt", "/admin%00",
    "/robots.txt%0d%0a/../admin", "/admin/%0d%0aX:y/..%2f..%2frobots.txt", "/admin%0a", "/%0aadmin",
    "/\\admin", "/x\\..\\admin", "/x%5c..%5cadmin", "/admin%5c..%5crobots.txt", "/admin/..\\robots.txt",
    "/admin%20", "/admin%09", "/admin.", "/admin%c0%af..%c0%afrobots.txt", "/%c0%ae%c0%ae/admin",
    # In the form for proxies (RFC 9112 section 3.2.2).
    "http://localhost/admin/..%2frobots.txt", "http://localhost//admin/users", "http://localhost/x/..%2fadmin",
]  # fmt: skip
"""Ways to write a path, several of which lead to /admin for one reader and to /robots.txt for another."""


@dataclass(frozen=True)
class Reply:
    """One reply, as it came."""

    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def talk(port: int, sent: bytes, *, hang_up: bool = False) -> list[Reply]:
    """Send these bytes and return every reply, until the server closes the connection.

    `hang_up` tells the server that nothing more follows. Raises TimeoutError if the server keeps the connection open: a
    well-formed request has to end with `Connection: close`.
    """
    received = bytearray()
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as client:
        # A server that has seen enough answers and closes; its answer is still there to read.
        with suppress(ConnectionResetError, BrokenPipeError):
            client.sendall(sent)
            if hang_up:
                client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            while chunk := client.recv(65536):
                received += chunk
    return _replies(bytes(received))


def one(port: int, sent: bytes, *, hang_up: bool = False) -> Reply:
    """The only reply to these bytes."""
    replies = talk(port, sent, hang_up=hang_up)
    assert len(replies) == 1, replies
    return replies[0]


def request(
    start: str, *headers: str, body: bytes | None = None, host: Sequence[str] = ("localhost",), close: bool = True
) -> bytes:
    """A request: the method and target in `start`, these lines of headers, a `Host` for each of `host`; with a body,
    its length and type; and with `close`, `Connection: close`."""
    lines = [f"{start} HTTP/1.1", *(f"Host: {name}" for name in host), *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + (body or b"")


class _Stream(io.BytesIO):
    """Stands for the socket of HTTPResponse, which closes it after each reply; the next one follows."""

    def makefile(self, _mode: str) -> io.BytesIO:
        return self

    def close(self) -> None:
        pass


def _replies(received: bytes) -> list[Reply]:
    stream = _Stream(received)
    replies = []
    while stream.tell() < len(received):
        response = HTTPResponse(stream)  # type: ignore[arg-type] # all it asks of a socket is makefile
        response.begin()
        replies.append(Reply(response.status, response.headers, response.read()))
    return replies
