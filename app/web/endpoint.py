"""Endpoints: functions with a decorator that declares everything a reader or the OpenAPI document needs.

An endpoint has to declare who may call it, or the service does not start: `access` has no default.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
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
from app.web.limits import LIMITS
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Declaration:
    """What an endpoint declares about its function.

    The function is called with a `Call`, then the validated `form` or `body`, and `query`, if it has them, then the
    parts of the path in <angle brackets>; its docstring is its documentation. Raises ValueError for a declaration that
    contradicts itself.
    """

    rule: str = field(kw_only=False)
    """Method and path, as in "POST /auth/login"."""
    access: Access
    returns: type[View | File]
    """What the function returns, sent with `status` and `message`."""
    status: int = 200
    message: str | None = None
    or_else: tuple[Outcome, ...] = ()
    """Other outcomes, distinguished by the types that the function returns."""
    body: type[BaseModel] | None = None
    """The body, as JSON. A change without it still reads the body, and refuses every field."""
    query: type[BaseModel] | None = None
    form: type[BaseModel] | None = None
    """The form that a page of ours sends."""
    again: Again | None = None
    """After which failures the form is shown again."""
    parameters: Source | None = None
    """Where the parameters of OAuth are (`Parameters`): in the query, or in a form that anyone may send."""
    rfc: str | None = None
    """With it, failures have the shape of RFC 6749, and this `error` stands for a request that cannot be read."""
    reads: tuple[RequestHeader, ...] = ()
    """The request headers that it asks its `Call` for."""
    carries: tuple[Header | Cookie, ...] = ()
    """The headers and cookies that it may return (`Carrying`)."""
    cookie: Cookie | None = None
    """The cookie that may authenticate a request."""
    limit: str | None = None
    """The name of its rate limit, one of LIMITS."""
    cache: int = 0
    """How many seconds anyone may cache the reply."""
    any_host: bool = False
    """Exempt from ALLOWED_HOSTS."""
    any_origin: bool = False
    """Scripts of any web page may read it."""
    origins: Literal["registered"] | None = None
    """Scripts of the pages that clients registered may read it."""
    probe: bool = False
    """Requested by machines several times a minute: its successes are logged at debug level only."""
    media_type: str = "application/json"
    development_only: bool = False
    """Left out in production."""
    operation: str | None = None
    """Its name in the OpenAPI document, by default that of the function, as `changePassword`."""
    on: Callable[[Settings], bool] | None = None
    """Whether these settings serve it; None is always."""
    raises: tuple[type[Failure], ...] = ()
    """Its own failures; those that follow from the rest are added."""

    def __post_init__(self) -> None:
        bodies = [each for each in (self.form, self.body, self.parameters == "body") if each]
        changes, on_page = self.method != "GET", self.access.cookie is not None
        contradictions = {
            "what is cached for everybody cannot carry headers or cookies for somebody": self.cache and self.carries,
            "a request has one body, a form or JSON": len(bodies) > 1,
            "the parameters are in the query of a GET, or else in the body": (
                self.parameters == ("query" if changes else "body") or (self.parameters and self.query)
            ),
            "there is no form to show again": self.again and not self.form,
            "there is no such rate limit": self.limit is not None and self.limit not in LIMITS,
            "a page alone is shown by its cookie": on_page and self.returns is not File,
            "browsers send the cookie with requests of other pages, and only a form is checked": (
                on_page and changes and not self.form
            ),
        }
        for message, holds in contradictions.items():
            if holds:
                raise ValueError(f"{self.rule}: {message}")

    @property
    def method(self) -> str:
        """The method of requests."""
        return self.rule.partition(" ")[0]

    @property
    def path(self) -> str:
        """The path of requests, with its parts in <angle brackets>."""
        return self.rule.partition(" ")[2]


class endpoint(Declaration):  # noqa: N801 - it reads as a decorator
    """Declares an endpoint: the decorator of its function."""

    __slots__ = ()

    def __call__(self, function: Callable[..., Result]) -> Endpoint:
        return Endpoint(**{each.name: getattr(self, each.name) for each in fields(self)}, function=function)


page = partial(endpoint, returns=File, media_type="text/html")
"""Declares an endpoint that shows a page, or leads a browser on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint(Declaration):
    """A function that was declared, and what its feature adds."""

    function: Callable[..., Result]
    tag: str = ""
    """The heading of the documentation that it stands under."""
    sample: bool = False

    @property
    def name(self) -> str:
        """Unique among the endpoints."""
        return f"{self.tag}.{self.function.__name__}".lstrip(".")

    @property
    def shown(self) -> str:
        """Its name for Flask, which `flask routes` shows: with the access that a caller needs."""
        return f"{self.name} ({self.access})"

    @property
    def operation_id(self) -> str:
        """Its name in the OpenAPI document, and so in generated clients: a verb, as in `listSessions`."""
        first, *others = self.function.__name__.split("_")
        return self.operation or first + "".join(other.capitalize() for other in others)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How it succeeds, the usual way first."""
        return (Outcome(self.returns, self.status, self.message), *self.or_else)

    @property
    def takes_json(self) -> bool:
        """Whether it reads the body as JSON. A change that declares no body does, too, and refuses every field."""
        return self.form is None and self.parameters is None and self.method != "GET"

    @property
    def has_body(self) -> bool:
        """Whether it reads a body, of whatever type."""
        return self.takes_json or self.form is not None or self.parameters == "body"

    @property
    def failures(self) -> tuple[type[Failure], ...]:
        """Every failure that it may reply with, by status."""
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
        return tuple(sorted({*self.raises, *implied}, key=lambda failure: (failure.status, failure.code)))


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
