"""URLs that others name, read strictly: what two readers might read differently is refused."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from app.security.public_addresses import address_of

if TYPE_CHECKING:
    from app.security.public_addresses import Address

LONGEST: Final = 2048
HTTPS: Final = 443
_PORTS = {"https": HTTPS, "http": 80}
_LAST_PORT = 65535
_NETLOC = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(?::([0-9]{1,5}))?")
_LABEL = "[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_NAME = re.compile(rf"(?=.{{1,253}}\Z)(?:{_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""The last label of what some read as an IPv4 address, in any of its forms: decimal, octal, hexadecimal, short."""


class Url(NamedTuple):
    """The parts of a URL. Only they are used: another parser might read the URL differently."""

    scheme: str
    host: str
    """A name in lower case, or an address without brackets."""
    address: Address | None
    """What the host is, if it is no name."""
    port: int
    target: str
    """Path and query, as they were written."""
    authority: str
    """Host and port, as the Host header has them."""


def read_url(text: str) -> Url:
    """The parts of an http(s) URL; ValueError, whose text ends a sentence that begins with "The URL"."""
    if len(text) > LONGEST:
        raise ValueError(f"has to be at most {LONGEST} characters long")
    if not text.isascii() or not text.isprintable() or any(character in text for character in ' \\"<>^`{|}'):
        raise ValueError("has to consist of characters that a URL may hold; write others percent-encoded")
    if "#" in text:
        raise ValueError("has to come without a fragment")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise ValueError("has to be a URL") from None
    default, netloc = _PORTS.get(parts.scheme), parts.netloc.lower()
    if default is None:
        raise ValueError("has to begin with https://")
    if "@" in netloc:
        raise ValueError("has to come without user name and password")
    match = _NETLOC.fullmatch(netloc)
    port = int(match[2] or default) if match else 0
    if match is None or not 1 <= port <= _LAST_PORT:
        raise ValueError("has to have a host, and a port from 1 to 65535 or none")
    host, address = _host(match[1])
    target = text.partition("://")[2][len(netloc) :]
    return Url(
        parts.scheme,
        host,
        address,
        port,
        target if target.startswith("/") else f"/{target}",
        match[1] + ("" if port == default else f":{port}"),
    )


def _host(text: str) -> tuple[str, Address | None]:
    """The host without brackets; and its address, if that is what it is, in its one usual form."""
    bare = text.removeprefix("[").removesuffix("]")
    if text.startswith("[") or _NUMBER.fullmatch(text.rpartition(".")[2]):
        with suppress(ValueError):
            return bare, address_of(bare)
    elif _NAME.fullmatch(text):
        return text, None
    raise ValueError("has to have a host name without a dot at the end, or an address in its usual form: 192.0.2.1")
