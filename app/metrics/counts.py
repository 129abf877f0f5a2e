"""The counters and timings of the service. docs/monitoring.md explains the purpose of each."""

from __future__ import annotations

import time
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final, get_args

from prometheus_client import Counter, Gauge, Histogram, disable_created_metrics

from app.platform.errors import ExpiredToken, InvalidToken, MissingToken, ReusedRefreshToken, SessionEnded, Unavailable
from app.platform.instrumentation import DeliveryOutcome, Grant, HashRefusal, MailOutcome, Observer, TokenRefusal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry

    from app.platform.failure import Failure

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
"""Any other method counts as "other", since a client may send any word."""
_SUCCESS: Final = "success"
_OF_TOKENS: Final = (MissingToken, InvalidToken, ExpiredToken, SessionEnded)
_INVALID: Final = frozenset(get_args(TokenRefusal)) - {"expired"}
"""What makes a token invalid; an expired one has a code of its own."""
_REFUSALS: Final = (*(failure.code for failure in _OF_TOKENS), *sorted(_INVALID))
"""What `_why` gives."""
_REQUEST_SECONDS: Final = (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15)
_WAIT_SECONDS: Final = (0.005, 0.05, 0.25, 1, 2.5, 5, 15)
_STORE_SECONDS: Final = (0.001, 0.005, 0.02, 0.1, 0.5, 2)

disable_created_metrics()


class Counts(Observer):
    """Prometheus metrics of `registry`; None leaves them unregistered, since the collector sums the workers.

    Every label takes few values, whatever clients send. Values known beforehand start at zero, so that the first event
    shows as an increase.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        counter, histogram = partial(Counter, registry=registry), partial(Histogram, registry=registry)
        of_request = ["method", "route"]
        self._requests = counter("latchkey_http_requests", "Requests answered.", [*of_request, "status"])
        self._request_seconds = histogram(
            "latchkey_http_request_duration_seconds",
            "Time from a request to its reply.",
            of_request,
            buckets=_REQUEST_SECONDS,
        )
        self._logins = counter("latchkey_logins", "Logins by outcome.", ["outcome"])
        self._registrations = counter("latchkey_registrations", "Registrations by outcome.", ["outcome"])
        self._issued = counter("latchkey_tokens_issued", "Access tokens made.", ["grant"])
        self._refused = counter("latchkey_tokens_refused", "Access tokens refused.", ["reason"])
        self._reuse = counter("latchkey_refresh_reuse", "Refresh tokens used twice.")
        self._stuffing = counter("latchkey_stuffing_waves", "Waves of credential stuffing that began.")
        self._hashes_waiting = Gauge(
            "latchkey_hash_queue_depth",
            "Passwords that wait to be hashed.",
            registry=registry,
            multiprocess_mode="livesum",
        )
        self._hash_wait = histogram(
            "latchkey_hash_wait_seconds", "Time a password waited to be hashed.", buckets=_WAIT_SECONDS
        )
        self._hashes_refused = counter("latchkey_hashes_refused", "Passwords not hashed.", ["reason"])
        self._store_seconds = histogram(
            "latchkey_store_call_duration_seconds", "Time of calls of the store.", ["operation"], buckets=_STORE_SECONDS
        )
        self._store_failures = counter("latchkey_store_failures", "Calls that the store did not answer.", ["operation"])
        self._mails = counter("latchkey_mails", "Mails by outcome.", ["outcome"])
        self._deliveries = counter("latchkey_webhook_deliveries", "Posts to webhooks by outcome.", ["outcome"])
        self._begin_at_zero()

    def exchange_ended(
        self, method: str, route: str | None, status: int, failure: Failure | None, seconds: float
    ) -> None:
        method, route = method if method in _METHODS else "other", route or "none"
        self._requests.labels(method, route, status).inc()
        self._request_seconds.labels(method, route).observe(seconds)
        outcome = failure.code if failure else _SUCCESS
        if (method, route) == ("POST", "/auth/login"):
            self._logins.labels(outcome).inc()
        elif (method, route) == ("POST", "/auth/register"):
            self._registrations.labels(outcome).inc()
        if isinstance(failure, _OF_TOKENS):
            self._refused.labels(_why(failure)).inc()
        elif isinstance(failure, ReusedRefreshToken):
            self._reuse.inc()

    def token_issued(self, grant: Grant) -> None:
        self._issued.labels(grant).inc()

    def stuffing_noticed(self) -> None:
        self._stuffing.inc()

    def mail_tried(self, outcome: MailOutcome) -> None:
        self._mails.labels(outcome).inc()

    def webhook_tried(self, outcome: DeliveryOutcome) -> None:
        self._deliveries.labels(outcome).inc()

    @contextmanager
    def store_call(self, operation: str) -> Iterator[None]:
        began = time.perf_counter()
        try:
            yield
        except Unavailable:
            self._store_failures.labels(operation).inc()
            raise
        finally:
            self._store_seconds.labels(operation).observe(time.perf_counter() - began)

    def hash_queued(self) -> None:
        self._hashes_waiting.inc()

    def hash_began(self, waited: float) -> None:
        self._hashes_waiting.dec()
        self._hash_wait.observe(waited)

    def hash_refused(self, reason: HashRefusal) -> None:
        if reason in {"deadline", "gone"}:
            self._hashes_waiting.dec()
        self._hashes_refused.labels(reason).inc()

    def _begin_at_zero(self) -> None:
        known: tuple[tuple[Counter, tuple[str, ...]], ...] = (
            (self._logins, (_SUCCESS, "invalid_credentials")),
            (self._registrations, (_SUCCESS,)),
            (self._issued, get_args(Grant)),
            (self._refused, _REFUSALS),
            (self._hashes_refused, get_args(HashRefusal)),
            (self._mails, get_args(MailOutcome)),
            (self._deliveries, get_args(DeliveryOutcome)),
        )
        for counter, values in known:
            for value in values:
                counter.labels(value)


def _why(failure: Failure) -> str:
    """Why an access token was refused: what `POST /auth/explain` says of an invalid one, else the code."""
    reason = str(getattr(failure.__cause__, "reason", None))
    return reason if reason in _INVALID else failure.code
