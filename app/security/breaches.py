"""Checks whether a password is known from a breach (OWASP ASVS 6.2.12) with a service that does not learn it.

It is a range service, such as Pwned Passwords or a copy of its data run by the operator: for the first 5 hexadecimal
digits of a SHA-1 it returns the rest of every breached SHA-1 that begins with them (k-anonymity).

The standard library is enough: its modules are loaded anyway, and the timeout of client libraries covers each read
only, so a server that sends byte by byte never exceeds it.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import re
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from app.config.values import range_url

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

TIMEOUT = 1.0
"""Seconds that a look-up takes at the most, from the name's resolution to the last byte."""
LARGEST_ANSWER = 1_000_000
"""Bytes; Pwned Passwords sends about 40,000."""

_PREFIX = 5
_THREADS = 8
_HEADERS = {"Add-Padding": "true", "User-Agent": "latchkey", "Connection": "close"}
_ANSWER = re.compile(rb"(?:[0-9A-F]{35}:[0-9]+(?:\r?\n|\Z))*", re.IGNORECASE)
_log = structlog.get_logger("latchkey.passwords")


class BreachedPasswords:
    """The range service at `url`, asked for at most `timeout` seconds: it fails open.

    ValueError for a URL that is neither https nor http to this machine itself. Certificates are checked against those
    of the system, or of SSL_CERT_FILE. Redirects are not followed, and the proxies of the environment not used.
    Threads start with the first look-up: it may be built before a fork and used after it.
    """

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(range_url(url))
        self._host = parts.hostname or ""
        self._path = parts.path
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (http.client.HTTPS_PORT if self._context else http.client.HTTP_PORT)
        self._timeout = timeout
        # Nothing else ends a resolution of the name in time; the sockets keep the deadline themselves.
        self._executor = ThreadPoolExecutor(max_workers=_THREADS, thread_name_prefix="breaches")

    def contains(self, password: str) -> bool:
        """Whether the service knows the password. False when it cannot be asked, which is logged."""
        encoded = password.encode("utf-8", errors="surrogatepass")
        digest = hashlib.sha1(encoded, usedforsecurity=False).hexdigest().upper()
        deadline = time.monotonic() + self._timeout
        try:
            # One that gets a thread too late finds no time left and asks nothing.
            answer = self._executor.submit(self._ask, digest[:_PREFIX], deadline).result(self._timeout)
            return _is_listed(digest[_PREFIX:], answer)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong there, people have to be able to register
            _log.warning("a new password was not looked up among the breached ones", cause=_cause(error))
            return False

    def check(self) -> str | None:
        """Ask about no password in particular: None if the answer is usable, else what went wrong, for the operator."""
        deadline = time.monotonic() + self._timeout
        try:
            answer = self._executor.submit(self._ask, "0" * _PREFIX, deadline).result(self._timeout)
            _is_listed("", answer)
        except Exception as error:  # noqa: BLE001 - as in `contains`
            return _cause(error)
        return None

    def _ask(self, prefix: str, deadline: float) -> bytes:
        """The answer of the service to these 5 digits."""
        with socket.create_connection((self._host, self._port), timeout=_left(deadline)) as plain:
            if self._context is None:
                connection = http.client.HTTPConnection(self._host, self._port)
                return self._exchange(connection, plain, prefix, deadline)
            plain.settimeout(_left(deadline))  # the handshake as a whole has this time
            with self._context.wrap_socket(plain, server_hostname=self._host) as wrapped:
                secure = http.client.HTTPSConnection(self._host, self._port, context=self._context)
                return self._exchange(secure, wrapped, prefix, deadline)

    def _exchange(
        self, connection: http.client.HTTPConnection, wire: socket.socket, prefix: str, deadline: float
    ) -> bytes:
        connection.sock = _Timed(wire, deadline)
        connection.request("GET", f"{self._path}/{prefix}", headers=_HEADERS)
        response = connection.getresponse()
        if response.status != http.client.OK:
            raise _UnusableAnswerError(f"status {response.status}")
        answer = response.read(LARGEST_ANSWER + 1)
        if len(answer) > LARGEST_ANSWER:
            raise _UnusableAnswerError("longer than 1 MB")
        if response.length:  # what is still to come of the Content-Length: read() does not tell when given a size
            raise _UnusableAnswerError("broken off")
        return answer


class _Timed(io.RawIOBase):
    """A socket as http.client uses it, but that all waits together end at the deadline."""

    def __init__(self, wire: socket.socket, deadline: float) -> None:
        self._wire = wire
        self._deadline = deadline

    def sendall(self, request: bytes) -> None:
        self._wire.settimeout(_left(self._deadline))
        self._wire.sendall(request)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        self._wire.settimeout(_left(self._deadline))
        return self._wire.recv_into(buffer)

    def close(self) -> None:
        """Nothing: who opened the socket closes it; http.client does so before the answer is read."""


class _UnusableAnswerError(Exception):
    """The service answered, but not what it should; the text holds nothing that was sent."""


def _is_listed(suffix: str, answer: bytes) -> bool:
    """Whether the answer counts the suffix once or more; a count of 0 is padding."""
    if not _ANSWER.fullmatch(answer):
        raise _UnusableAnswerError("not a list of suffixes and counts")
    return re.search(rb"(?im)^%b:0*[1-9]" % suffix.encode(), answer) is not None


def _left(deadline: float) -> float:
    """The seconds until then; TimeoutError when there are none."""
    seconds = deadline - time.monotonic()
    if seconds <= 0:
        raise TimeoutError
    return seconds


def _cause(error: Exception) -> str:
    """What went wrong, for the operator, without what was sent: a text of http.client may repeat it."""
    name = type(error).__name__
    if isinstance(error, _UnusableAnswerError):
        return f"the answer is unusable: {error}"
    return f"{name}: {error.strerror}" if isinstance(error, OSError) and error.strerror else name
