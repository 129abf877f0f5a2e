"""The one guard for requests to addresses that others name: webhooks, documents of clients, their keys, providers.

Without it, who names an address could have this service ask what only it can reach. So the name is resolved once, what
is not public is refused, and the connection goes to just the address that was judged.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from app.platform import deadline
from app.security.bounded_calls import BoundedCalls
from app.security.egress_urls import HTTPS, Url, read_url
from app.security.public_addresses import Address, address_of, is_public

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from _typeshed import WriteableBuffer

    from app.config.egress_values import Destination
    from app.security.bounded_calls import Watch

    Resolve = Callable[[str, int], Sequence[str]]
    """Gives the addresses of a host name, for a port; raises OSError if there are none."""

SECONDS: Final = 3.0
"""How long a request may take, from the resolution of the name to the last byte of the reply."""
MOST_BYTES: Final = 5 * 1024
"""The longest body of a reply."""
MOST_AROUND: Final = 64 * 1024
"""Bytes that a reply may have beside its body: status, headers, sizes of chunks."""
_AT_ONCE = 8
_TRIED = 3
"""Of the addresses of a name, how many are tried until one takes the connection."""
_FIRST_FREE_PORT = 1024
"""Those below belong to services of the system, such as mail: at public addresses only that of https is asked."""
_OURS = {"host", "accept-encoding", "connection"}
"""The headers that callers cannot set."""


class EgressError(Exception):
    """There is no reply. The text says why, with nothing of path, query, request or reply, which may be secret."""


class EgressRefusedError(EgressError):
    """The address is none that may be asked; nothing was sent. The text ends a sentence that begins with "The URL"."""


class EgressFailedError(EgressError):
    """The server cannot be reached or trusted, or its reply cannot be read."""


class EgressTooLargeError(EgressError):
    """The reply is longer than it may be."""


class EgressTooSlowError(EgressError):
    """The reply was not there in time."""


@dataclass(frozen=True, slots=True)
class EgressReply:
    """What the server answered, whatever the status; a redirect is a reply, too. Names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class _Request(NamedTuple):
    """What http.client sends."""

    method: str
    target: str
    body: bytes | None
    headers: Mapping[str, str]


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host name, from the system; raises OSError if there are none."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Egress:
    """Sends requests to https URLs at public addresses, and to any at those of `allow`.

    `calls` says how many run at once: where strangers can trigger requests, use `replace` to give these places of
    their own, or slow addresses hold up all others.
    """

    allow: tuple[Destination, ...] = ()
    resolve: Resolve = resolve
    calls: BoundedCalls = field(default_factory=lambda: BoundedCalls("egress", _AT_ONCE))

    def check(self, url: str, *, seconds: float = SECONDS) -> None:
        """Raises EgressRefusedError if this URL would be refused now.

        A name that cannot be resolved now may pass by https. By http it does not: only what is allowed is asked so.
        """
        parts = _read(url)
        if parts.address is not None:
            self._addresses(parts)
            return
        try:
            self.calls.run(lambda _watch: self._addresses(parts), seconds)
        except (EgressFailedError, TimeoutError):
            if parts.scheme == "http":
                raise EgressRefusedError("has to begin with https://, since its name cannot be resolved") from None

    def request(
        self,
        method: str,
        url: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = SECONDS,
        most_bytes: int = MOST_BYTES,
    ) -> EgressReply:
        """Send one request, and return its reply. Raises EgressError.

        It takes `seconds` at the most, and no longer than the request that it is made for has left.
        No redirect is followed, no proxy used, no cookie kept, nothing decompressed. Certificates are verified for the
        name in the URL, against those of the system or of SSL_CERT_FILE.
        """
        parts, left = _read(url), deadline.remaining()
        if left == 0:
            raise EgressTooSlowError("the time of the request is up")
        seconds = seconds if left is None else min(seconds, left)
        ends_at = time.monotonic() + seconds
        sent = {"User-Agent": "latchkey"}
        sent |= {name: value for name, value in (headers or {}).items() if name.lower() not in _OURS}
        sent |= {"Host": parts.authority, "Accept-Encoding": "identity", "Connection": "close"}
        request = _Request(method, parts.target, body, sent)

        def fetch(watch: Watch) -> EgressReply:
            with closing(_connected(parts.port, self._addresses(parts), ends_at)) as plain:
                watch(plain)
                with _secured(plain, parts) as wire:
                    return _exchanged(wire, request, most_bytes)

        try:
            return self.calls.run(fetch, seconds)
        except TimeoutError:
            raise EgressTooSlowError(f"there was no whole reply within {seconds:.2g} seconds") from None
        except (OSError, http.client.HTTPException) as error:
            raise EgressFailedError(_cause(error)) from None

    def _addresses(self, url: Url) -> list[Address]:
        """The addresses of the host that may be asked; one look-up."""
        if url.scheme == "http" and not self.allow:
            raise EgressRefusedError("has to begin with https://")
        found = self._looked_up(url) if url.address is None else [url.address]
        if permitted := [address for address in dict.fromkeys(found) if self._permits(url, address)]:
            return permitted
        if url.scheme == "http":
            raise EgressRefusedError("has to begin with https://")
        if any(is_public(address) for address in found):
            raise EgressRefusedError(f"has to name port {HTTPS}, or one from {_FIRST_FREE_PORT}")
        raise EgressRefusedError("has to lead to a public address")

    def _looked_up(self, url: Url) -> list[Address]:
        try:
            return [address_of(text) for text in self.resolve(url.host, url.port)]
        except TimeoutError:
            raise
        except (OSError, ValueError):
            raise EgressFailedError("the name of the host cannot be resolved") from None

    def _permits(self, url: Url, address: Address) -> bool:
        for allowed in self.allow:
            if address in allowed.network and allowed.port in (None, url.port):
                return True
        has_port = url.port == HTTPS or url.port >= _FIRST_FREE_PORT
        return url.scheme == "https" and has_port and is_public(address)


def _read(url: str) -> Url:
    try:
        return read_url(url)
    except ValueError as error:
        raise EgressRefusedError(str(error)) from None


def _connected(port: int, addresses: Sequence[Address], ends_at: float) -> socket.socket:
    """A connection to the first of these addresses that takes one."""
    tried = addresses[:_TRIED]
    for left, address in zip(range(len(tried), 0, -1), tried, strict=True):
        try:
            wire = socket.create_connection((str(address), port), timeout=_until(ends_at) / left)
        except OSError:
            if left == 1:
                raise
        else:
            wire.settimeout(_until(ends_at))
            return wire
    raise EgressFailedError("the name of the host has no address")


def _until(ends_at: float) -> float:
    """Seconds until a time; a socket takes 0 for another thing."""
    return max(ends_at - time.monotonic(), 0.001)


def _secured(plain: socket.socket, url: Url) -> socket.socket:
    """The connection in TLS, with a certificate for the host in the URL; for http, the connection itself."""
    return plain if url.scheme == "http" else _tls().wrap_socket(plain, server_hostname=url.host)


@cache
def _tls() -> ssl.SSLContext:
    """Made at the first use, since the certificates of the system take 2 MB."""
    return ssl.create_default_context()


def _exchanged(wire: socket.socket, request: _Request, most_bytes: int) -> EgressReply:
    """Send a request on this connection, and read the reply."""
    connection = http.client.HTTPConnection("")
    connection.auto_open = 0  # it is never to resolve a name itself
    connection.sock = _Bounded(wire, most_bytes + MOST_AROUND)
    connection.request(*request)
    with connection.getresponse() as response:
        if (response.getheader("Content-Encoding") or "identity").lower() != "identity":
            raise EgressFailedError("the reply is compressed, which it was not asked to be")
        if (response.length or 0) > most_bytes:
            raise EgressTooLargeError(f"the reply is longer than {most_bytes} bytes")
        content = response.read(most_bytes + 1)
        if len(content) > most_bytes:
            raise EgressTooLargeError(f"the reply is longer than {most_bytes} bytes")
        if response.length:  # what is still to come: read() does not tell, given a size
            raise EgressFailedError("the reply is broken off")
        headers = {
            name.lower(): " ".join(", ".join(response.headers.get_all(name, ())).split()) for name in response.headers
        }
        return EgressReply(response.status, headers, content)


class _Bounded(io.RawIOBase):
    """A connection, as far as http.client uses it, that gives no more than `most` bytes.

    http.client has no limit of its own: not for all headers together, nor for a chunk whose size is negative.
    """

    def __init__(self, wire: socket.socket, most: int) -> None:
        super().__init__()
        self._wire = wire
        self._left = most

    def sendall(self, data: bytes) -> None:
        """Send all of this."""
        self._wire.sendall(data)

    def makefile(self, _mode: str) -> BinaryIO:
        """What the reply is read from."""
        return io.BufferedReader(self)

    def readable(self) -> bool:
        """See io.RawIOBase."""
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        """See io.RawIOBase."""
        received = self._wire.recv_into(buffer)
        self._left -= received
        if self._left < 0:
            raise EgressTooLargeError("the reply is too long")
        return received

    def close(self) -> None:
        """Leaves the connection to who opened it: http.client closes it before it has read the reply."""


def _cause(error: Exception) -> str:
    """What went wrong. A text of http.client may repeat the reply."""
    name = type(error).__name__
    return f"{name}: {error.strerror}" if isinstance(error, OSError) and error.strerror else name
