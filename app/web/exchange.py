"""One request and its reply: the client's address, the request id, the headers of every reply, and the log line."""

from __future__ import annotations

import re
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING

import structlog
from flask import Flask, request
from uuid_utils import uuid4

from app.platform import log
from app.platform.devices import Device
from app.platform.errors import InvalidHost
from app.platform.instrumentation import NOBODY
from app.web.cors import Cors
from app.web.forwarding import client_finder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIEnvironment
    from flask import Request

    from app.config import Settings
    from app.platform.failure import Failure
    from app.platform.instrumentation import Observer
    from app.web.limits import Limit
    from app.web.rates import Standing

_REQUEST_ID = re.compile(r"[A-Za-z0-9_-]{8,64}")
_HEADERS = [
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Frame-Options", "DENY"),
]
_DEFAULTS = [
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
]
"""Headers for replies that do not set their own."""
_TRACE_CONTEXT = {"traceparent": "HTTP_TRACEPARENT", "tracestate": "HTTP_TRACESTATE"}
_TWO_YEARS = 63_072_000
_KEY = "latchkey.exchange"
_LONGEST_HOST = 260
"""Characters: a name of 253 (RFC 1035 section 2.3.4), a dot and a port."""
_log = structlog.get_logger("latchkey.request")


@dataclass(slots=True)
class RequestState:
    """The facts about the current request: `user_id` once it is authenticated, `failure` once it has failed.

    `proxied` is whether it came through a trusted proxy. `headers` are added to the reply, whatever it becomes.
    """

    request_id: str
    device: Device
    started: float
    proxied: bool
    user_id: str | None = None
    failure: Failure | None = None
    headers: list[tuple[str, str]] = field(default_factory=list)
    standing: tuple[Limit, Standing] | None = None
    """How the request stands with the rate limit that is nearest, which every reply of a limited endpoint tells."""


def current() -> RequestState:
    """The state of the current request."""
    return state_of(request)


def state_of(request: Request) -> RequestState:
    """The state of this request."""
    state: RequestState = request.environ[_KEY]
    return state


def begin_hook(
    settings: Settings, observer: Observer = NOBODY, probes: frozenset[str] = frozenset(), cors: Cors | None = None
) -> Callable[[WSGIEnvironment, StartResponse], StartResponse]:
    """Returns the function that begins an exchange, and wraps `start_response` to end it and to notify `observer`.

    Successes on the paths `probes` are logged at debug level: lines of them would push audit events out of the log.
    `cors` adds the headers for pages of other origins; without it there are none.
    It works on WSGI, outside Flask's hooks, which would take three times as long on every request.
    """
    server = settings.server
    client_of = client_finder(server.trusted_proxies)
    cors = cors or Cors()
    https = server.public_url.startswith("https:")
    headers = [*_HEADERS, *([("Strict-Transport-Security", f"max-age={_TWO_YEARS}")] if https else [])]

    def begin(environ: WSGIEnvironment, start_response: StartResponse) -> StartResponse:
        trusted, client = client_of(environ)
        sent_id = environ.get("HTTP_X_REQUEST_ID", "") if trusted else ""
        state = environ[_KEY] = RequestState(
            request_id=sent_id if _REQUEST_ID.fullmatch(sent_id) else uuid4().hex,
            device=Device(client, environ.get("HTTP_USER_AGENT", "")),
            started=time.perf_counter(),
            proxied=trusted,
        )

        def end(
            status: str, sent: list[tuple[str, str]], exc_info: OptExcInfo | None = None, /
        ) -> Callable[[bytes], object]:
            names = {name for name, _ in sent}
            missing = [default for default in _DEFAULTS if default[0] not in names]
            _end(environ, state, int(status[:3]), observer, probes)
            shared = cors.headers(environ, names)
            complete = [*sent, *headers, *missing, *shared, *state.headers, ("X-Request-ID", state.request_id)]
            if state.standing is not None:
                limit, standing = state.standing
                complete += [("RateLimit-Policy", limit.policy), ("RateLimit", limit.standing(standing))]
            return start_response(status, complete, exc_info)

        return end

    return begin


@contextmanager
def under_way(environ: WSGIEnvironment, observer: Observer) -> Iterator[None]:
    """The log context and trace of the request: every line logged within it names the request.

    The trace context is accepted from trusted proxies only; otherwise anyone could add to the traces of others, and
    choose which requests are traced.
    """
    state: RequestState = environ[_KEY]
    named = _TRACE_CONTEXT.items() if state.proxied else ()
    carried = {name: environ[key] for name, key in named if key in environ}
    with (
        observer.exchange(environ["PATH_INFO"], carried) as facts,
        log.telling({"request_id": state.request_id, **facts}),
    ):
        yield


def _end(
    environ: WSGIEnvironment, state: RequestState, status: int, observer: Observer, probes: frozenset[str]
) -> None:
    """Log the exchange and notify the observer."""
    rule, method, seconds = request.url_rule, environ["REQUEST_METHOD"], time.perf_counter() - state.started
    route = rule.rule if rule else None
    observer.exchange_ended(method, route, status, state.failure, seconds)
    write = _log.debug if route in probes and status < HTTPStatus.BAD_REQUEST else _log.info
    write(
        "request",
        method=method if len(method) <= 16 else "?",  # noqa: PLR2004 - a method has few letters
        route=route,
        status=status,
        ms=round(seconds * 1000, 2),
        request_id=state.request_id,
        user_id=state.user_id,
        ip=state.device.ip,
    )


def check_hosts(app: Flask, settings: Settings, exempt: frozenset[str]) -> None:
    """Refuse requests with a host name that is not in ALLOWED_HOSTS, except at the `exempt` endpoints."""
    host_is_allowed = _host_check(settings.server.allowed_hosts)

    @app.before_request
    def check_host() -> None:
        if not host_is_allowed(request.environ.get("HTTP_HOST", "")) and request.endpoint not in exempt:
            raise InvalidHost


def _host_check(allowed: tuple[str, ...]) -> Callable[[str], bool]:
    """Returns a function that says whether a Host header (RFC 9110 section 7.2) names an allowed host, on any port.

    A missing or malformed header names none, even if any host is allowed (RFC 9112 section 3.2).
    """
    any_host = "*" in allowed
    exact = frozenset(name for name in allowed if not name.startswith("."))
    suffixes = tuple(name for name in allowed if name.startswith("."))

    @lru_cache(maxsize=1024)
    def look_up(host: str) -> bool:
        parts = re.fullmatch(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(:[0-9]{1,5})?", host)
        if parts is None:
            return False
        if any_host:
            return True
        name = parts[1].strip("[]").lower().removesuffix(".")
        return name in exact or f".{name}".endswith(suffixes) if suffixes else name in exact

    return lambda host: len(host) <= _LONGEST_HOST and look_up(host)
