"""Checks whether a password is known from a breach (OWASP ASVS 6.2.12) with a service that does not learn it.

It is a range service, such as Pwned Passwords or a copy of its data run by the operator: for the first 5 hexadecimal
digits of a SHA-1 it returns the rest of every breached SHA-1 that begins with them (k-anonymity).
"""

from __future__ import annotations

import hashlib
import http.client
import re
import ssl
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from app.config.values import range_url
from app.security.bounded_calls import BoundedCalls

if TYPE_CHECKING:
    from app.security.bounded_calls import Watch

TIMEOUT = 1.0
"""Seconds that a look-up takes at the most, from the name's resolution to the last byte."""
LARGEST_ANSWER = 1_000_000
"""Bytes; Pwned Passwords sends about 40,000."""

_PREFIX = 5
_AT_ONCE = 8
_HEADERS = {"Add-Padding": "true", "User-Agent": "latchkey", "Connection": "close"}
_ANSWER = re.compile(rb"(?:[0-9A-F]{35}:[0-9]+(?:\r?\n|\Z))*", re.IGNORECASE)
_log = structlog.get_logger("latchkey.passwords")


class BreachedPasswords:
    """The range service at `url`, asked for at most `timeout` seconds: it fails open.

    ValueError for a URL that is neither https nor http to this machine itself. Certificates are checked against those
    of the system, or of SSL_CERT_FILE. Redirects are not followed, and the proxies of the environment not used.
    """

    is_local = False

    def __init__(self, url: str, timeout: float = TIMEOUT) -> None:
        parts = urlsplit(range_url(url))
        self._host = parts.hostname or ""
        self._path = parts.path
        self._context = ssl.create_default_context() if parts.scheme == "https" else None
        self._port = parts.port or (http.client.HTTPS_PORT if self._context else http.client.HTTP_PORT)
        self._timeout = timeout
        self._calls = BoundedCalls("breaches", _AT_ONCE)

    def contains(self, password: str) -> bool:
        """Whether the service knows the password. False when it cannot be asked, which is logged."""
        encoded = password.encode("utf-8", errors="surrogatepass")
        digest = hashlib.sha1(encoded, usedforsecurity=False).hexdigest().upper()
        try:
            return _is_listed(digest[_PREFIX:], self._ask(digest[:_PREFIX]))
        except Exception as error:  # noqa: BLE001 - whatever goes wrong there, people have to be able to register
            _log.warning("a new password was not looked up among the breached ones", cause=_cause(error))
            return False

    def check(self) -> str | None:
        """Ask about no password in particular: None if the answer is usable, else what went wrong, for the operator."""
        try:
            _is_listed("", self._ask("0" * _PREFIX))
        except Exception as error:  # noqa: BLE001 - as in `contains`
            return _cause(error)
        return None

    def _ask(self, prefix: str) -> bytes:
        """The answer of the service to these 5 digits."""
        return self._calls.run(lambda watch: self._fetch(prefix, watch), self._timeout)

    def _fetch(self, prefix: str, watch: Watch) -> bytes:
        with closing(self._connection()) as connection:
            connection.connect()  # with TLS: the handshake as a whole has the timeout
            watch(connection.sock)
            connection.request("GET", f"{self._path}/{prefix}", headers=_HEADERS)
            with connection.getresponse() as response:
                if response.status != http.client.OK:
                    raise _UnusableAnswerError(f"status {response.status}")
                answer = response.read(LARGEST_ANSWER + 1)
                if len(answer) > LARGEST_ANSWER:
                    raise _UnusableAnswerError("longer than 1 MB")
                if response.length:  # what is still to come of the Content-Length: read() does not tell, given a size
                    raise _UnusableAnswerError("broken off")
                return answer

    def _connection(self) -> http.client.HTTPConnection:
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(self._host, self._port, timeout=self._timeout, context=self._context)


class _UnusableAnswerError(Exception):
    """The service answered, but not what it should; the text holds nothing that was sent."""


def _is_listed(suffix: str, answer: bytes) -> bool:
    """Whether the answer counts the suffix once or more; a count of 0 is padding."""
    if not _ANSWER.fullmatch(answer):
        raise _UnusableAnswerError("not a list of suffixes and counts")
    return re.search(rb"(?im)^%b:0*[1-9]" % suffix.encode(), answer) is not None


def _cause(error: Exception) -> str:
    """What went wrong, for the operator, without what was sent: a text of http.client may repeat it."""
    name = type(error).__name__
    if isinstance(error, _UnusableAnswerError):
        return f"the answer is unusable: {error}"
    return f"{name}: {error.strerror}" if isinstance(error, OSError) and error.strerror else name
