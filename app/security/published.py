"""Documents in JSON that others publish: fetched through the guard, judged once, and kept for a while in this process.

A feature says what it expects of a document. How large it may be, how long it is kept, and that a server which gives
none is not asked again at once, is the same for all.
"""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, TypeVar

from app.platform import deadline
from app.security.egress import EgressError, EgressRefusedError
from app.security.key_sets import named, signing_keys

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from app.security.egress import Egress, EgressReply
    from app.security.key_sets import PublicKey

T = TypeVar("T")

MOST_BYTES: Final = 64 * 1024
"""Of each reply: some publish a dozen keys with their certificates."""
KEPT_FOR: Final = 3600.0
"""Seconds that a document is kept."""
RESTS_FOR: Final = 10.0
"""Seconds for which a server that gave no document is not asked for it again: anybody may send what makes us ask."""
RETRIED_AFTER: Final = 60.0
"""Seconds until keys are fetched once more because a token names one that is not among them."""
_MOST_KEPT: Final = 2000
_OK: Final = 200
_FAILED: Final = 500
_TOO_MANY: Final = 429


class UnansweredError(Exception):
    """The server does not answer, or fails: later it may. The text says why, with nothing that may be secret."""


class RefusedUrlError(UnansweredError):
    """The guard refuses the URL; nothing was sent. The text ends a sentence that begins with "The URL"."""


class WrongReplyError(Exception):
    """The server answered with something else than is expected. The text says with what: it ends a sentence."""


def answer_of(
    egress: Egress,
    method: str,
    url: str,
    *,
    seconds: float,
    body: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> EgressReply:
    """The reply to one request for JSON, whatever its status below 500. Raises UnansweredError."""
    sent = {"Accept": "application/json", **(headers or {})}
    try:
        reply = egress.request(method, url, body=body, headers=sent, seconds=seconds, most_bytes=MOST_BYTES)
    except EgressRefusedError as error:
        raise RefusedUrlError(str(error)) from None
    except EgressError as error:
        raise UnansweredError(str(error)) from None
    if reply.status >= _FAILED or reply.status == _TOO_MANY:
        raise UnansweredError(f"it replied with status {reply.status}")
    return reply


def object_in(reply: EgressReply) -> dict[str, Any]:
    """The JSON object of a reply. Raises WrongReplyError."""
    if reply.status != _OK:
        raise WrongReplyError(f"replied with status {reply.status}")
    found = json_in(reply)
    if not isinstance(found, dict):
        raise WrongReplyError("replied with something else than a JSON object")
    return found


def json_in(reply: EgressReply) -> Any:  # noqa: ANN401 - any JSON
    """The JSON of a reply. Raises WrongReplyError."""
    try:
        return json.loads(reply.body)
    except (ValueError, RecursionError):
        raise WrongReplyError("replied with something else than JSON") from None


def metadata_url(issuer: str) -> str:
    """Where an issuer publishes its metadata (OpenID Connect Discovery section 4)."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


@dataclass(slots=True)
class _Kept:
    """What came of asking for one document."""

    value: Any = None
    until: float = float("-inf")
    failure: UnansweredError | WrongReplyError | None = None
    rests_until: float = float("-inf")
    retried_at: float = float("-inf")
    turn: Lock = field(default_factory=Lock)
    """Of all who need it at once, one asks; the others get what came of it."""


@dataclass(slots=True)
class PublishedDocuments:
    """Fetches documents and keeps them by their URL. `seconds` is how long each request may take.

    All methods raise UnansweredError and WrongReplyError. `clock` is in seconds, from any beginning.
    """

    egress: Egress
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _kept: dict[tuple[str, str], _Kept] = field(default_factory=dict)
    _lock: Lock = field(default_factory=Lock)

    def read(self, url: str, judge: Callable[[Mapping[str, Any]], T]) -> T:
        """What `judge` makes of the document at this URL; for one URL it has to be the same each time.

        It raises WrongReplyError for a document that is not what it has to be: that is not kept, either.
        """
        return self._current(self._of("document", url), url, judge)

    def key(self, jwks_uri: str, key_id: str | None) -> PublicKey | None:
        """The key of this `kid` in the key set at this URL; without one, the only one that there is.

        A new key is found at once. One that is none costs a request a minute, however often it is named.
        """
        kept = self._of("keys", jwks_uri)
        found = named(self._current(kept, jwks_uri, signing_keys), key_id)
        if found is not None or not self._may_retry(kept):
            return found
        with _turn(kept, self.seconds):
            if self._may_retry(kept):
                kept.retried_at = self.clock()
                self._fetch(kept, jwks_uri, signing_keys)
        return named(kept.value, key_id)

    def _of(self, kind: str, url: str) -> _Kept:
        with self._lock:
            if (kind, url) not in self._kept and len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            return self._kept.setdefault((kind, url), _Kept())

    def _may_retry(self, kept: _Kept) -> bool:
        return kept.retried_at + RETRIED_AFTER <= self.clock()

    def _current(self, kept: _Kept, url: str, judge: Callable[[Mapping[str, Any]], T]) -> T:
        if kept.until <= self.clock():
            with _turn(kept, self.seconds):
                if kept.until <= self.clock():
                    self._fetch(kept, url, judge)
        value: T = kept.value
        return value

    def _fetch(self, kept: _Kept, url: str, judge: Callable[[Mapping[str, Any]], T]) -> None:
        if kept.failure is not None and kept.rests_until > self.clock():
            raise type(kept.failure)(*kept.failure.args)
        left = deadline.remaining()
        try:
            value = judge(object_in(answer_of(self.egress, "GET", url, seconds=self.seconds)))
        except (UnansweredError, WrongReplyError) as failure:
            if left is None or left >= self.seconds:  # else it may be that the server had no time to answer
                kept.failure, kept.rests_until = failure, self.clock() + RESTS_FOR
            raise
        kept.value, kept.until, kept.failure = value, self.clock() + KEPT_FOR, None


@contextmanager
def _turn(kept: _Kept, seconds: float) -> Iterator[None]:
    """Wait for the turn to ask for a document, no longer than asking may take."""
    left = deadline.remaining()
    if not kept.turn.acquire(timeout=seconds if left is None else min(seconds, left)):
        raise UnansweredError("others wait for its answer already")
    try:
        yield
    finally:
        kept.turn.release()
