"""The origins whose pages may read the replies of the token endpoint: those of the redirect URIs of clients.

A client that describes itself is registered nowhere: its page is one of a host that CIMD_ALLOW names.
"""

from __future__ import annotations

import time
from threading import Lock
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from app.config.browsers import origin_of
from app.config.oauth import includes_host
from app.platform.errors import Unavailable
from app.security.egress_urls import read_url

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.oauth.clients.model import Clients

KEPT_SECONDS: Final = 10
"""How long a process goes by what it read: so long does a deleted client linger."""
_UNKNOWN_SECONDS: Final = 2
"""How long an origin that is not known stays unknown: so long does a new client wait for its pages."""
_AFTER_FAILURE: Final = 1
"""Seconds until a store that did not answer is asked again."""


class ClientOrigins:
    """Knows them for KEPT_SECONDS, and looks again for one that it does not know.

    `hosts` are those of CIMD_ALLOW; `now` is a monotonic clock, in seconds.
    """

    def __init__(
        self, clients: Clients, now: Callable[[], float] = time.monotonic, *, hosts: tuple[str, ...] = ()
    ) -> None:
        self._clients, self._now, self._hosts = clients, now, hosts
        self._known: frozenset[str] = frozenset()
        self._until = self._unknown_until = float("-inf")
        self._lock = Lock()

    def includes(self, origin: str) -> bool:
        """Whether a page of this origin belongs to a client. Raises nothing: while the store is away, none does."""
        if self._is_due(origin):
            with self._lock:
                if self._is_due(origin):  # no other thread has read meanwhile
                    self._read()
        return origin in self._known or self._may_describe_itself(origin)

    def _may_describe_itself(self, origin: str) -> bool:
        if not self._hosts or not origin.startswith("https://"):
            return False
        try:
            url = read_url(origin)
        except ValueError:
            return False
        return origin == f"https://{url.authority}" and includes_host(self._hosts, url.host)

    def _is_due(self, origin: str) -> bool:
        return self._now() >= (self._until if origin in self._known else self._unknown_until)

    def _read(self) -> None:
        try:
            self._known, kept = _as_sent(self._clients.origins()), KEPT_SECONDS
        except Unavailable:
            self._known, kept = frozenset(), _AFTER_FAILURE
        self._until = self._now() + kept
        self._unknown_until = self._now() + min(kept, _UNKNOWN_SECONDS)


def _as_sent(origins: frozenset[str]) -> frozenset[str]:
    """The origins as browsers send them: in lower case, without the port that is the default."""
    parts = (urlsplit(origin) for origin in origins)
    return frozenset(origin_of(each) for each in parts if each.scheme in {"http", "https"} and each.hostname)
