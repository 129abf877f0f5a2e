"""Endpoints: a function, with a decorator that declares everything a reader or the OpenAPI document needs.

An endpoint has to declare who may call it, or the service does not start: `access` has no default.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Response, request

from app.platform.errors import (
    Failure,
    InvalidHost,
    InvalidRequest,
    MalformedJson,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.platform.identifiers import is_identifier
from app.web import exchange, guard
from app.web.body import read_body, read_query, receive
from app.web.limits import LIMITS, Limit
from app.web.view import Document, Streamed, View, envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic import BaseModel

    from app.accounts.fields import InputRules
    from app.accounts.model import User
    from app.accounts.principal import Principal
    from app.config import Settings
    from app.platform.container import Container
    from app.platform.devices import Device
    from app.web.guard import Access

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Call:
    """What an endpoint receives: the parts of the application, the device that sent the request, and the principal."""

    parts: Container
    device: Device
    principal: Principal | None

    def get(self, kind: type[T]) -> T:
        """The service of this type."""
        return self.parts.get(kind)

    @property
    def caller(self) -> Principal:
        """The user and the session of the access token; only if `access` requires one."""
        if self.principal is None:
            raise TypeError("a public endpoint has no caller")
        return self.principal

    @property
    def user(self) -> User:
        """The user of the access token; only if `access` requires one."""
        return self.caller.user

    @property
    def query(self) -> dict[str, list[str]]:
        """The raw query string, for an endpoint that refuses unknown parameters in its own way."""
        return request.args.to_dict(flat=False)

    @property
    def bearer(self) -> str | None:
        """The token in `Authorization: Bearer`, of whatever kind."""
        return guard.bearer(request)


@dataclass(frozen=True, slots=True)
class File:
    """A reply that does not come from a view: a page, a script, a document."""

    content: bytes
    media_type: str
    headers: dict[str, str] = field(default_factory=dict)
    status: int | None = None
    """Defaults to the endpoint's status."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of the ways in which an endpoint succeeds: what it returns, sent with this `status` and `message`."""

    returns: type[View | File]
    status: int = 200
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as it was declared."""

    function: Callable[..., View | File | Streamed]
    method: str
    path: str
    access: Access
    outcomes: tuple[Outcome, ...]
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    limit: Limit | None
    cache: int
    any_host: bool
    any_origin: bool
    media_type: str
    development_only: bool
    operation: str
    """Its name in the OpenAPI document, and so in generated clients: a verb, as in `listSessions`."""
    declared: tuple[type[Failure], ...]
    tag: str = ""
    """The heading of the documentation that it stands under."""
    sample: bool = False

    @property
    def name(self) -> str:
        """Unique among the endpoints."""
        return f"{self.tag}.{self.function.__name__}".lstrip(".")

    @property
    def usual(self) -> Outcome:
        """How it usually succeeds."""
        return self.outcomes[0]

    @property
    def shown(self) -> str:
        """Its name for Flask, which `flask routes` shows: with the access that a caller needs."""
        return f"{self.name} ({self.access})"

    @property
    def raises(self) -> tuple[type[Failure], ...]:
        """Every failure that the endpoint may reply with, by status."""
        implied: tuple[type[Failure], ...] = (InvalidRequest, *self.access.raises)
        if not self.any_host:
            implied += (InvalidHost,)
        if self.body:
            implied += (PayloadTooLarge, UnsupportedMediaType, MalformedJson, ValidationFailed)
        if self.query:
            implied += (ValidationFailed,)
        if self.access.authenticated:
            implied += (Unavailable,)
        return tuple(sorted({*self.declared, *implied}, key=lambda failure: (failure.status, failure.code)))


def endpoint(
    rule: str,
    *,
    access: Access,
    returns: type[View | File],
    status: int = 200,
    message: str | None = None,
    or_else: tuple[Outcome, ...] = (),
    body: type[BaseModel] | None = None,
    query: type[BaseModel] | None = None,
    limit: str | None = None,
    cache: int = 0,
    any_host: bool = False,
    any_origin: bool = False,
    media_type: str = "application/json",
    development_only: bool = False,
    operation: str | None = None,
    raises: tuple[type[Failure], ...] = (),
) -> Callable[[Callable[..., View | File | Streamed]], Endpoint]:
    """Declare an endpoint: `rule` is its method and path, as in "POST /auth/login".

    The function is called with a `Call`, then the validated `body` and `query` if it has them, then the parts of the
    path in <angle brackets>; its docstring is its documentation. `returns` is what it returns, sent with `status` and
    `message`; `or_else` lists other outcomes, distinguished by their types. `limit` names one of LIMITS. `cache` is how
    many seconds anyone may cache the reply. `any_host` exempts it from ALLOWED_HOSTS, `any_origin` lets scripts of any
    web page read it. `development_only` leaves it out in production. `operation` is its name
    in the OpenAPI document, by default that of the function, as `changePassword`. `raises` lists its own failures.
    """
    method, _, path = rule.partition(" ")

    def declare(function: Callable[..., View | File | Streamed]) -> Endpoint:
        return Endpoint(
            function=function,
            method=method,
            path=path,
            access=access,
            outcomes=(Outcome(returns, status, message), *or_else),
            body=body,
            query=query,
            limit=LIMITS[limit] if limit else None,
            cache=cache,
            any_host=any_host,
            any_origin=any_origin,
            media_type=media_type,
            development_only=development_only,
            operation=operation or _camel_case(function.__name__),
            declared=raises,
        )

    return declare


def _camel_case(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(other.capitalize() for other in others)


def served(endpoints: Iterable[Endpoint], settings: Settings) -> tuple[Endpoint, ...]:
    """The endpoints without those that these settings leave out."""
    in_production, samples = settings.profile == "production", settings.server.samples
    return tuple(
        declared
        for declared in endpoints
        if not (declared.development_only and in_production) and (samples or not declared.sample)
    )


def install(app: Flask, endpoints: tuple[Endpoint, ...], parts: Container, rules: InputRules) -> None:
    """Serve the endpoints."""
    for declared in endpoints:
        app.add_url_rule(
            declared.path,
            endpoint=declared.shown,
            view_func=_view(declared, parts, rules, check_failures=app.testing),
            methods=[declared.method],
        )


class UndeclaredFailureError(Exception):
    """An endpoint failed with a failure that it does not declare; raised in tests only."""


def _view(declared: Endpoint, parts: Container, rules: InputRules, *, check_failures: bool) -> Callable[..., Response]:
    """The function that Flask calls: checks access, parses the input, calls the endpoint, and formats the result."""
    function, body, query = declared.function, declared.body, declared.query
    reply = _replier(declared)

    def view(**path: str) -> Response:
        principal = _admit(declared, parts)
        arguments: list[Any] = [Call(parts, exchange.current().device, principal)]
        if body is not None:
            arguments.append(read_body(request, body, rules))
        if query is not None:
            arguments.append(read_query(request, query, rules))
        _check_identifiers(path)
        response = reply(function(*arguments, **path))
        if principal is not None and _sessions(parts).use_is_due(principal):
            response.call_on_close(partial(_note_use, parts, principal))
        return response

    if not check_failures:
        return view

    def checked(**path: str) -> Response:
        try:
            return view(**path)
        except Failure as failure:
            if type(failure) not in declared.raises:
                raise UndeclaredFailureError(f"{declared.name} does not declare {failure.code}") from failure
            raise

    return checked


def _admit(declared: Endpoint, parts: Container) -> Principal | None:
    """Who calls the endpoint; raises as `guard.admit` does."""
    if declared.body is not None:
        receive(request)  # first, so that a slow sender's token is checked after the last byte
    principal = guard.admit(declared.access, request, parts)
    if principal is not None:
        exchange.current().user_id = principal.user.id
    return principal


def _check_identifiers(path: dict[str, str]) -> None:
    """Raise NotFound unless every `..._id` in the path has the exact form of the identifiers that the service issues.

    Databases disagree on which other forms match: MariaDB ignores trailing spaces. Access is checked before this.
    """
    if not all(is_identifier(value) for name, value in path.items() if name.endswith("_id")):
        raise NotFound


def _note_use(parts: Container, principal: Principal) -> None:
    """Record the use of a session after the reply is sent, so that nobody waits for it and its failure does no harm."""
    with suppress(Unavailable):
        _sessions(parts).note_use(principal)


def _few_at_once(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The parts of a long reply; raises Overloaded at the first if this process sends as many of them as it may.

    Each takes a thread for as long as the client takes to receive it, and costs more than other requests.
    """
    if not _STREAMS.acquire(blocking=False):
        raise Overloaded("Too many long replies are being sent at the moment.", retry_after=5)
    try:
        yield from parts
    finally:
        _STREAMS.release()


_STREAMS = BoundedSemaphore(4)


def _replier(declared: Endpoint) -> Callable[[Any], Response]:
    """Returns the function that turns the result of the endpoint into a response."""
    media_type, cache = declared.media_type, declared.cache
    envelopes = {
        outcome.returns: (
            outcome.status,
            *((b"", b"") if issubclass(outcome.returns, Document) else envelope(outcome.message)),
        )
        for outcome in declared.outcomes
    }

    def reply(result: View | File | Streamed) -> Response:
        status, before, behind = envelopes[result.view if isinstance(result, Streamed) else type(result)]
        if isinstance(result, Streamed):
            # Made before the status is sent, so that a failure up to here gets an ordinary error reply.
            parts = _few_at_once(result.parts)
            first = next(parts)
            content = chain((before + first,), parts, (behind,))
            response = Response(content, status=status, content_type=media_type)
        elif isinstance(result, File):
            response = Response(result.content, status=result.status or status, content_type=result.media_type)
            response.headers.update(result.headers)
        else:
            json = before + result.__pydantic_serializer__.to_json(result) + behind
            response = Response(json, status=status, content_type=media_type)
        if declared.any_origin:
            response.headers["Access-Control-Allow-Origin"] = "*"
        if cache:
            response.headers["Cache-Control"] = f"public, max-age={cache}"
            response.add_etag()
            response.make_conditional(request)
        return response

    return reply


def _sessions(parts: Container) -> Any:
    from app.sessions.service import SessionService

    return parts.get(SessionService)
