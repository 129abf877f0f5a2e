"""How endpoints are served: who may call, what comes in, the call, and what goes out."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from flask import Flask, Response, request

from app.platform.errors import Failure, NotFound, Unavailable, ValidationFailed
from app.platform.identifiers import is_identifier, parsing_once
from app.web import exchange, guard, problems
from app.web.body import read_body, read_query, receive, validate
from app.web.call import CallBy
from app.web.form import read_form
from app.web.input import Body
from app.web.limits import counter
from app.web.parameters import read_parameters
from app.web.replies import replier
from app.web.result import File, redirect

if TYPE_CHECKING:
    from collections.abc import Callable

    from flask import Request
    from pydantic import BaseModel

    from app.web.call import Shared
    from app.web.caller import Admitted
    from app.web.endpoint import Endpoint, Result
    from app.web.guard import Access

_LOGIN_PAGE = "/login"
_LONGEST_QUERY = 1000


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
    reply = replier(declared, https=shared.https)
    count = counter(shared.rates, shared.limits.get(declared.limit) if declared.limit else None)
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
            if type(failure) not in declared.failures:
                raise UndeclaredFailureError(f"{declared.name} does not declare {failure.code}") from failure
            raise

    return checked


def _admitter(access: Access, shared: Shared) -> Callable[[Request], Admitted[Any] | None]:
    """Returns the function that finds the caller of a request, and raises a failure for those who may not call."""
    if access.cookie is None:
        return partial(guard.admit, access, authenticators=shared.authenticators)
    return partial(guard.admit_by_cookie, access, authenticator=shared.page_authenticator, https=shared.https)


def _stranger(access: Access, shared: Shared) -> Callable[[Request, Failure], File] | None:
    """Returns the function that leads visitors who are not logged in to the login and back; None if it is no page."""
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


def _reader(declared: Endpoint, context: object) -> Callable[[Request], list[Any]]:
    """Returns the function that reads the body and the query that an endpoint declares, and refuses any other body."""
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
    """The function of the endpoint, called with the validated form; after a failure the form is shown again."""
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
