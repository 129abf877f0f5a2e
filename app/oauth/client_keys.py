"""The keys of clients that prove by a signature who they are, and of the platforms that run them.

What is published is fetched through the egress guard and kept for an hour, in this process.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import structlog

from app.platform import deadline
from app.platform.errors import Unavailable
from app.security.egress import SECONDS, EgressError, EgressFailedError, EgressRefusedError
from app.security.key_sets import KEPT_FOR, KeySet, named, signing_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import jwt

    from app.security.egress import Egress

AT_ONCE: Final = 4
"""Requests for keys that run at once."""
MOST_BYTES: Final = 64 * 1024
RESTS_FOR: Final = 10.0
"""Seconds for which a publisher that gave no keys is not asked again: anybody may send what makes us ask."""
_MOST_KEPT: Final = 2000
_OK: Final = 200
_FAILED: Final = 500
_TOO_MANY: Final = 429
_NO_ANSWER: Final = "The keys of the client cannot be fetched at the moment."
_log = structlog.get_logger("latchkey.oauth")


class NoKeysError(Exception):
    """What is published holds no keys. The text says why."""


@dataclass(slots=True)
class _Kept:
    keys: KeySet = field(default_factory=KeySet)
    jwks_uri: str = ""
    """Of an issuer, whose metadata names it."""
    until: float = float("-inf")
    rests_until: float = float("-inf")
    failure: Callable[[], Exception] = NoKeysError
    """What is raised until then."""


@dataclass(slots=True)
class PublishedKeys:
    """Finds the keys at the addresses that clients and issuers name. `clock` is in seconds, from any beginning."""

    egress: Egress
    clock: Callable[[], float] = time.monotonic
    _kept: dict[str, _Kept] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def at(self, jwks_uri: str, key_id: str | None) -> jwt.PyJWK | None:
        """The key of this `kid` in the key set at an address; without one, the only one that there is.

        Raises Unavailable if its server does not answer, and NoKeysError for what is no key set.
        """
        kept = self._of(jwks_uri)
        return kept.keys.key(key_id, lambda: self._fetch(jwks_uri, kept), self.clock())

    def of_issuer(self, issuer: str, key_id: str | None) -> jwt.PyJWK | None:
        """The same for the keys of an issuer, whose metadata (OpenID Connect Discovery) says where they are."""
        kept = self._of(issuer)
        if kept.until <= self.clock():
            found = self._fetch(f"{issuer.rstrip('/')}/.well-known/openid-configuration", kept)
            if found.get("issuer") != issuer:
                raise self._resting(kept, partial(NoKeysError, "The metadata of the issuer is that of another one."))
            if not isinstance(found.get("jwks_uri"), str):
                raise self._resting(kept, partial(NoKeysError, "The metadata of the issuer names no keys."))
            kept.jwks_uri, kept.until = found["jwks_uri"], self.clock() + KEPT_FOR
        return kept.keys.key(key_id, lambda: self._fetch(kept.jwks_uri, kept), self.clock())

    def _of(self, url: str) -> _Kept:
        with self._lock:
            if url not in self._kept and len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            return self._kept.setdefault(url, _Kept())

    def _fetch(self, url: str, kept: _Kept) -> Mapping[str, Any]:
        if kept.rests_until > self.clock():
            raise kept.failure()
        left = deadline.remaining()
        seconds = SECONDS if left is None else min(SECONDS, left)
        if not seconds:
            raise Unavailable(_NO_ANSWER)
        try:
            return _json(self.egress, url, seconds)
        except NoKeysError as error:
            raise self._resting(kept, partial(NoKeysError, str(error))) from None
        except EgressError as error:
            _log.warning("keys of a client not reached", host=urlsplit(url).hostname, cause=str(error))
            raise self._resting(kept, partial(Unavailable, _NO_ANSWER)) from None

    def _resting(self, kept: _Kept, failure: Callable[[], Exception]) -> Exception:
        kept.failure, kept.rests_until = failure, self.clock() + RESTS_FOR
        return failure()


def _json(egress: Egress, url: str, seconds: float) -> Mapping[str, Any]:
    """The JSON object at an address. Raises NoKeysError, and EgressError of a server that does not answer, or fails."""
    try:
        reply = egress.request(
            "GET", url, headers={"Accept": "application/json"}, seconds=seconds, most_bytes=MOST_BYTES
        )
    except EgressRefusedError as error:
        raise NoKeysError(f"The URL of the keys {error}.") from None
    if reply.status >= _FAILED or reply.status == _TOO_MANY:
        raise EgressFailedError(f"it replied with status {reply.status}")
    if reply.status != _OK:
        raise NoKeysError(f"The server of the keys replied with status {reply.status}.")
    try:
        found = json.loads(reply.body)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise NoKeysError("The server of the keys replied with something else than a JSON object.")
    return found


def registered_key(jwks: str, key_id: str | None) -> jwt.PyJWK | None:
    """The key of this `kid` among those that were registered with a client, as JSON."""
    return named(signing_keys(json.loads(jwks)), key_id)
