"""Endpoints: a function, with a decorator that declares everything a reader or the OpenAPI document needs.

An endpoint has to declare who may call it, or the service does not start: `access` has no default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from app.platform.errors import (
    Failure,
    Forbidden,
    InvalidHost,
    InvalidRequest,
    MalformedJson,
    PayloadTooLarge,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.web.form import OF_FORMS
from app.web.limits import LIMITS, Limit
from app.web.parameters import OF_BODIES
from app.web.result import Carrying, Cookie, File, Header, RequestHeader
from app.web.view import Streamed, View

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pydantic import BaseModel

    from app.config import Settings
    from app.web.form import Again
    from app.web.guard import Access
    from app.web.parameters import Source

Result: TypeAlias = View | File | Streamed | Carrying
"""What the function of an endpoint may return."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One of the ways in which an endpoint succeeds: what it returns, sent with this `status` and `message`."""

    returns: type[View | File]
    status: int = 200
    message: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An endpoint as it was declared."""

    function: Callable[..., Result]
    method: str
    path: str
    access: Access
    outcomes: tuple[Outcome, ...]
    body: type[BaseModel] | None
    query: type[BaseModel] | None
    form: type[BaseModel] | None
    again: Again | None
    parameters: Source | None
    rfc: str | None
    reads: tuple[RequestHeader, ...]
    carries: frozenset[Header | Cookie]
    cookie: Cookie | None
    limit: Limit | None
    cache: int
    any_host: bool
    any_origin: bool
    origins: Literal["registered"] | None
    probe: bool
    media_type: str
    development_only: bool
    operation: str
    """Its name in the OpenAPI document, and so in generated clients: a verb, as in `listSessions`."""
    declared: tuple[type[Failure], ...]
    tag: str = ""
    """The heading of the documentation that it stands under."""
    sample: bool = False
    on: Callable[[Settings], bool] | None = None
    """Whether these settings serve it; None is always."""

    @property
    def name(self) -> str:
        """Unique among the endpoints."""
        return f"{self.tag}.{self.function.__name__}".lstrip(".")

    @property
    def takes_json(self) -> bool:
        """Whether it reads the body as JSON. A change that declares no body does, too, and refuses every field."""
        return self.form is None and self.parameters is None and self.method != "GET"

    @property
    def has_body(self) -> bool:
        """Whether it reads a body, of whatever type."""
        return self.takes_json or self.form is not None or self.parameters == "body"

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
        if self.takes_json:
            implied += (PayloadTooLarge, UnsupportedMediaType, MalformedJson, ValidationFailed)
        if self.query:
            implied += (ValidationFailed,)
        if self.form:
            implied += OF_FORMS
        if self.parameters == "body":
            implied += OF_BODIES
        if self.again:
            implied += self.again.failures
        if self.limit:
            implied += (TooManyRequests,)
        if self.access.authenticated or self.access.optional:
            implied += (Unavailable,)
        if self.cookie:
            implied += (Forbidden,)
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
    form: type[BaseModel] | None = None,
    again: Again | None = None,
    parameters: Source | None = None,
    rfc: str | None = None,
    reads: tuple[RequestHeader, ...] = (),
    carries: tuple[Header | Cookie, ...] = (),
    cookie: Cookie | None = None,
    limit: str | None = None,
    cache: int = 0,
    any_host: bool = False,
    any_origin: bool = False,
    origins: Literal["registered"] | None = None,
    probe: bool = False,
    media_type: str = "application/json",
    development_only: bool = False,
    operation: str | None = None,
    on: Callable[[Settings], bool] | None = None,
    raises: tuple[type[Failure], ...] = (),
) -> Callable[[Callable[..., Result]], Endpoint]:
    """Declare an endpoint: `rule` is its method and path, as in "POST /auth/login".

    The function is called with a `Call`, then the validated `form` or `body`, and `query`, if it has them, then the
    parts of the path in <angle brackets>; its docstring is its documentation. A `form` is sent by a page of ours;
    `again` says after which failures it is shown again. `parameters` are those of OAuth (`Parameters`), in the query or
    in a form that anyone may send; with `rfc` failures have the shape of RFC 6749, and this `error` stands for a
    request that cannot be read. `returns` is what the function returns, sent with `status` and
    `message`; `or_else` lists other outcomes, distinguished by their types. `reads` lists the request headers that it
    asks its `Call` for. `carries` lists the headers and cookies that it may return with them (`Carrying`), `cookie` the
    one that may authenticate a request. `limit` names one of LIMITS. `cache` is how many seconds anyone may cache the
    reply. `any_host` exempts it from ALLOWED_HOSTS, `any_origin` lets scripts of any web page read it, and `origins`
    those of the pages that clients registered. A `probe` is
    requested by machines several times a minute: its successes are logged at debug level only. `development_only`
    leaves it out in production. `operation` is its name in the OpenAPI document, by default that of the function, as
    `changePassword`. `on` says whether these settings serve it. `raises` lists its own failures. Raises ValueError for
    a declaration that contradicts itself.
    """
    method, _, path = rule.partition(" ")
    if cache and carries:
        raise ValueError(f"{rule}: what is cached for everybody cannot carry headers or cookies for somebody")
    if len([each for each in (form, body, parameters == "body") if each]) > 1:
        raise ValueError(f"{rule}: a request has one body, a form or JSON")
    if parameters == ("body" if method == "GET" else "query") or (parameters and query):
        raise ValueError(f"{rule}: the parameters are in the query of a GET, or else in the body")
    if again and not form:
        raise ValueError(f"{rule}: there is no form to show again")
    if access.cookie and returns is not File:
        raise ValueError(f"{rule}: a page alone is shown by its cookie")
    if access.cookie and method != "GET" and not form:
        raise ValueError(f"{rule}: browsers send the cookie with requests of other pages, and only a form is checked")

    def declare(function: Callable[..., Result]) -> Endpoint:
        return Endpoint(
            function=function,
            method=method,
            path=path,
            access=access,
            outcomes=(Outcome(returns, status, message), *or_else),
            body=body,
            query=query,
            form=form,
            again=again,
            parameters=parameters,
            rfc=rfc,
            reads=reads,
            carries=frozenset(carries),
            cookie=cookie,
            limit=LIMITS[limit] if limit else None,
            cache=cache,
            any_host=any_host,
            any_origin=any_origin,
            origins=origins,
            probe=probe,
            media_type=media_type,
            development_only=development_only,
            operation=operation or _camel_case(function.__name__),
            on=on,
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
        if not (declared.development_only and in_production)
        and (samples or not declared.sample)
        and (declared.on is None or declared.on(settings))
    )
