"""Endpoints: a function, with a decorator that declares everything a reader or the OpenAPI document needs.

An endpoint has to declare who may call it, or the service does not start: `access` has no default.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from itertools import chain
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast
from urllib.parse import quote

from flask import Flask, Response, request

from app.platform.errors import (
    Failure,
    Forbidden,
    InvalidHost,
    InvalidRequest,
    MalformedJson,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.platform.identifiers import is_identifier, parsing_once
from app.web import exchange, guard, problems
from app.web.body import read_body, read_query, receive, validate
from app.web.call import CallBy
from app.web.form import OF_FORMS, read_form
from app.web.input import Body
from app.web.limits import LIMITS, Limit, counter
from app.web.parameters import OF_BODIES, read_parameters
from app.web.result import Carrying, Cookie, File, Header, Reply, RequestHeader, redirect
from app.web.view import BareView, Streamed, View, envelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from flask import Request
    from pydantic import BaseModel

    from app.config import Settings
    from app.web.call import Shared
    from app.web.caller import Admitted
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


page = partial(endpoint, returns=File, media_type="text/html")
"""Declare an endpoint that shows a page, or leads a browser on."""


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


def install(app: Flask, endpoints: tuple[Endpoint, ...], shared: Shared) -> None:
    """Serve the endpoints. Raises ValueError for one that asks for a permission that does not exist."""
    for declared in endpoints:
        needed = declared.access.permission
        if needed is not None and needed not in shared.permissions:
            raise ValueError(f"{declared.method} {declared.path}: there is no permission {needed!r}")
        if declared.access.cookie is not None and shared.page_authenticator is None:
            raise ValueError(f"{declared.method} {declared.path}: nothing authenticates the cookie of pages")
        view = _view(declared, shared, check_failures=app.testing)
        has_fields = declared.body is not None or declared.form is not None
        app.add_url_rule(
            declared.path,
            endpoint=declared.shown,
            view_func=parsing_once()(view) if has_fields else view,
            methods=[declared.method],
        )


class UndeclaredFailureError(Exception):
    """An endpoint failed with a failure that it does not declare; raised in tests only."""


def _view(declared: Endpoint, shared: Shared, *, check_failures: bool) -> Callable[..., Response]:
    """The function that Flask calls: checks access, parses the input, calls the endpoint, and formats the result."""
    has_body = declared.has_body
    read_inputs = _reader(declared, shared.input_context)
    function = declared.function if declared.form is None else _of_form(declared, declared.form, shared)
    reply = _replier(declared, https=shared.https)
    count = counter(shared.rates, shared.limits.get(declared.limit.name) if declared.limit else None)
    admit, as_stranger = _admitter(declared.access, shared), _stranger(declared.access, shared)

    def view(**path: str) -> Response:
        http = cast("Request", request._get_current_object())  # type: ignore[attr-defined] # noqa: SLF001 - Werkzeug's way
        current = exchange.state_of(http)
        count(current, "address", current.device.ip)
        if has_body:
            receive(http)  # first, so that a slow sender's token is checked after the last byte
        try:
            admitted = admit(http)
        except guard.NOT_LOGGED_IN as failure:
            if as_stranger is None:
                raise
            return reply(as_stranger(http, failure))
        if admitted is not None:
            current.user_id = admitted.caller.subject
            count(current, "session", admitted.caller.counted_as)
        arguments: list[Any] = [CallBy(shared, current.device, admitted), *read_inputs(http)]
        _check_identifiers(path)
        response = reply(function(*arguments, **path))
        if admitted is not None and admitted.authenticator.use_is_due(admitted.caller):
            response.call_on_close(partial(_note_use, admitted))
        return response

    return _checking(declared, view) if check_failures else view


def _checking(declared: Endpoint, view: Callable[..., Response]) -> Callable[..., Response]:
    """The same view, which fails loudly with a failure that its endpoint does not declare."""

    def checked(**path: str) -> Response:
        try:
            return view(**path)
        except Failure as failure:
            if type(failure) not in declared.raises:
                raise UndeclaredFailureError(f"{declared.name} does not declare {failure.code}") from failure
            raise

    return checked


def _admitter(access: Access, shared: Shared) -> Callable[[Request], Admitted[Any] | None]:
    """The function that gives who calls, and raises a failure for who may not."""
    if access.cookie is None:
        return partial(guard.admit, access, authenticators=shared.authenticators)
    return partial(guard.admit_by_cookie, access, authenticator=shared.page_authenticator, https=shared.https)


def _stranger(access: Access, shared: Shared) -> Callable[[Request, Failure], File] | None:
    """The function that leads who is not logged in on the pages to the login, and back; None where it is a failure."""
    if access.cookie is None:
        return None
    login, pages = f"{shared.settings.server.public_url}{_LOGIN_PAGE}", shared.pages

    def lead(http: Request, failure: Failure) -> File:
        if http.method == "POST":  # what was typed is lost, which a person has to be told
            return problems.as_form(failure, pages, "log_in_again.html", {"login": f"{login}?to={quote(http.path)}"})
        query = http.environ.get("QUERY_STRING", "")
        to = f"{http.path}?{query}" if query and len(query) <= _LONGEST_QUERY else http.path
        return redirect(f"{login}?to={quote(to, safe='/')}")

    return lead


_LOGIN_PAGE = "/login"
_LONGEST_QUERY = 1000


def _reader(declared: Endpoint, context: object) -> Callable[[Request], list[Any]]:
    """The function that gives the body and the query that an endpoint declares, and refuses any other body."""
    body, query, is_without_fields = declared.body, declared.query, declared.takes_json and declared.body is None
    parameters = declared.parameters

    def read(http: Request) -> list[Any]:
        found: list[Any] = []
        if body is not None:
            found.append(read_body(http, body, context))
        elif is_without_fields:
            read_body(http, Body, context)
        if query is not None:
            found.append(read_query(http, query, context))
        if parameters is not None:
            found.append(read_parameters(http, parameters))
        return found

    return read


def _of_form(declared: Endpoint, form: type[BaseModel], shared: Shared) -> Callable[..., Result]:
    """The function of the endpoint, which is given the validated form, and whose failures show the form again."""
    function, again, pages, context = declared.function, declared.again, shared.pages, shared.input_context
    public_url, local_too = shared.settings.server.public_url, shared.settings.profile != "production"
    shown_again: tuple[type[Failure], ...] = () if again is None else (ValidationFailed, *again.failures)

    def answer(call: CallBy[Any], *arguments: object, **path: str) -> Result:
        sent = read_form(request, public_url, local_too=local_too)
        try:
            return function(call, validate(sent, form, context), *arguments, **path)
        except shown_again as failure:
            assert again is not None  # noqa: S101 - nothing is caught without it
            facts, headers = again.variables(call, sent, failure), again.headers(call, sent) if again.headers else {}
            return problems.as_form(failure, pages, again.template, facts, headers)

    return answer


def _check_identifiers(path: dict[str, str]) -> None:
    """Raise NotFound unless every `..._id` in the path has the exact form of the identifiers that the service issues.

    Databases disagree on which other forms match: MariaDB ignores trailing spaces. Access is checked before this.
    """
    for name, value in path.items():
        if name.endswith("_id") and not is_identifier(value):
            raise NotFound


def _note_use(admitted: Admitted[Any]) -> None:
    """Record the use of a token after the reply is sent, so that nobody waits for it and its failure does no harm."""
    with suppress(Unavailable):
        admitted.authenticator.note_use(admitted.caller)


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


def _replier(declared: Endpoint, *, https: bool) -> Callable[[Any], Response]:
    """Returns the function that turns the result of the endpoint into a response."""
    media_type, cache = declared.media_type, declared.cache
    envelopes = {
        outcome.returns: (
            outcome.status,
            *((b"", b"") if issubclass(outcome.returns, BareView) else envelope(outcome.message)),
        )
        for outcome in declared.outcomes
    }

    def reply(result: Result) -> Response:
        if isinstance(result, File):
            status, *_ = envelopes[File]
            response = Response(result.content, status=result.status or status, content_type=result.media_type)
            response.headers.update(result.headers)
        elif isinstance(result, Streamed):
            status, before, behind = envelopes[result.view]
            # Made before the status is sent, so that a failure up to here gets an ordinary error reply.
            parts = _few_at_once(result.parts)
            first = next(parts)
            content = chain((before + first,), parts, (behind,))
            response = Response(content, status=status, content_type=media_type)
        elif isinstance(result, Carrying):
            response = reply(result.reply)
            _carry(declared, result, response, https=https)
            return response
        else:
            status, before, behind = envelopes[type(result)]
            json = before + result.__pydantic_serializer__.to_json(result) + behind
            response = Reply(json, status=status, content_type=media_type)
        if declared.any_origin:
            response.headers["Access-Control-Allow-Origin"] = "*"
        if cache:
            response.headers["Cache-Control"] = f"public, max-age={cache}"
            response.add_etag()
            response.make_conditional(request)
        return response

    return reply


def _carry(declared: Endpoint, result: Carrying, response: Response, *, https: bool) -> None:
    """Add headers and cookies to the response; raises TypeError if the endpoint does not declare them."""
    if undeclared := result.carried - declared.carries:
        names = ", ".join(sorted(carried.name for carried in undeclared))
        raise TypeError(f"{declared.name} does not declare that it carries {names}")
    result.write(response, https=https)
