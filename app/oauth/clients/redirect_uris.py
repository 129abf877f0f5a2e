"""Which redirect URIs a client may have, and which of them a request names (RFC 8252, OAuth 2.1 section 2.3.1).

They are compared with what is asked for to the letter: so none is changed here.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from app.security.egress_urls import read_url

LONGEST: Final = 1000
"""Characters."""
LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
"""Hosts that http is allowed with: what is sent there stays on the device."""
_PORT: Final = re.compile(r":[0-9]{1,5}(?![0-9])")
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_PRIVATE: Final = re.compile(r"[a-z][a-z0-9+-]*(?:\.[a-z0-9+-]+)+:[!$&'()*+,./0-9:;=?@A-Z\[\]_a-z~%-]+")
"""A scheme of an app: a domain name of its maker, reversed (RFC 8252 section 7.1). It has a dot, as `javascript` and
`data` have not."""


def check_redirect_uri(uri: str) -> None:
    """Raises ValueError, whose text ends a sentence that begins with "The URI"."""
    if len(uri) > LONGEST:
        raise ValueError(f"has to be at most {LONGEST} characters long")
    scheme = _SCHEME.match(uri)
    if scheme is None:
        raise ValueError("has to be absolute")
    if scheme[1].lower() in {"http", "https"}:
        check_web_uri(uri)
    elif not _PRIVATE.fullmatch(uri) or (uri.partition(":")[2].startswith("//") and not _has_readable_host(uri)):
        raise ValueError("has to begin with https://, or with a scheme of an app, like com.example.app:/")


def _has_readable_host(uri: str) -> bool:
    """Whether everybody reads the part behind `//` in one way."""
    try:
        port = urlsplit(uri).port
    except ValueError:  # brackets, or a port that is none
        return False
    return "@" not in uri and port != 0


def check_web_uri(uri: str) -> None:
    """The same for a page that browsers open: https, or http on loopback."""
    parts = read_url(uri)
    if parts.scheme == "http" and parts.host not in LOOPBACK:
        raise ValueError("has to begin with https://; http is for 127.0.0.1, [::1] and localhost")


def is_same_redirect(sent: str, registered: str) -> bool:
    """Whether a redirect URI is this registered one: to the letter, or on loopback with any port (RFC 8252 7.3).

    127.0.0.1, [::1] and localhost are three names: none stands for another.
    """
    if sent == registered:
        return True
    host = _loopback_host(registered)
    if host is None:
        return False
    # Both without their port, to the letter: so neither userinfo nor a backslash can hide in between.
    start = f"http://{host}"
    if not sent.startswith(start):
        return False
    port, tail = _split_port(sent.removeprefix(start))
    _, registered_tail = _split_port(registered.removeprefix(start))
    return tail == registered_tail and (port is None or 0 < port <= 65535)  # noqa: PLR2004 - the highest port


def _loopback_host(uri: str) -> str | None:
    """The host of an http URI on loopback, as it stands there; None for any other."""
    try:
        parts = urlsplit(uri)
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        return None
    return f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname


def is_of_native_client(redirect_uri: str) -> bool:
    """Whether an app on the device receives it, so that any other app there may pose as the client (RFC 8252 8.6)."""
    return not redirect_uri.startswith("https://")


def _split_port(rest: str) -> tuple[int | None, str]:
    found = _PORT.match(rest)
    return (None, rest) if found is None else (int(found[0][1:]), rest[found.end() :])
