"""Failures as replies: the one place where an error becomes HTTP."""

from __future__ import annotations

import errno
from types import MappingProxyType
from typing import TYPE_CHECKING

import structlog
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException
from werkzeug.exceptions import MethodNotAllowed as WerkzeugMethodNotAllowed

from app.platform.errors import (
    Failure,
    FieldError,
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    MissingToken,
    NotFound,
    PayloadTooLarge,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
    cause_of,
)
from app.platform.log import reason_of
from app.web import exchange
from app.web.pages import ADVICE, Pages
from app.web.problem_views import Problem, ProblemDetails
from app.web.rfc_errors import as_rfc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.config import Settings
    from app.web.result import File

_PROBLEM_JSON = "application/problem+json"
_BY_STATUS: dict[int, type[Failure]] = {
    404: NotFound,
    413: PayloadTooLarge,
    415: UnsupportedMediaType,
}
_ON_PAGES = ("text/html", "application/json", _PROBLEM_JSON)
_ELSEWHERE = ("application/json", _PROBLEM_JSON, "text/html")
"""A client that does not say what it accepts gets the first type of the list."""
_SAMPLE_FIELD = FieldError("password", "too_short", "A password has at least 10 characters.")
_SAMPLE_REQUEST = "9fd6eeefdda32312630d860928468d20"
_RETRY_AFTER = 1
"""Seconds, if the failure does not say."""
_NOTHING_LEFT = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""The system's errors when it has no file descriptor or no memory left."""
_NO_THREAD = "can't start new thread"
"""How Python says that the system gives it no memory for a thread, or no thread."""
_log = structlog.get_logger("latchkey.failure")


def install(
    app: Flask,
    settings: Settings,
    *,
    pages: frozenset[str] = frozenset(),
    documents: frozenset[str] = frozenset(),
    rfc: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Answer every failure with the envelope, with RFC 9457 if the client prefers that, or with a page.

    On the paths in `pages`, it is a page unless the client prefers JSON. On the paths in `documents`, and on unknown
    paths, it is a page if the client prefers HTML, as browsers do. On every other path, programs rely on JSON. On the
    paths in `rfc` it has the shape of RFC 6749 for everybody; each path with its word for what cannot be read.
    """
    public_url, templates = settings.server.public_url, Pages.from_settings(settings)

    def _reply(failure: Failure) -> Response:
        exchange.current().failure = failure
        if word := rfc.get(request.path.rstrip("/")):
            return as_rfc(failure, word, _headers(failure))
        if made := _page_of(failure, templates, pages, documents):
            return Response(made.content, failure.status, made.headers, content_type=made.media_type)
        return _as_json(failure, public_url)

    @app.errorhandler(Failure)
    def of_failure(failure: Failure) -> Response:
        _note_cause(failure)
        return _reply(failure)

    @app.errorhandler(HTTPException)
    def of_http_exception(error: HTTPException) -> Response:
        if isinstance(error, WerkzeugMethodNotAllowed):
            response = _reply(MethodNotAllowed())
            response.headers["Allow"] = ", ".join(sorted({*(error.valid_methods or ()), "OPTIONS"}))
            return response
        if error.code is None or error.code >= InternalError.status:
            return _reply(InternalError())
        return _reply(_BY_STATUS.get(error.code, _refused)())

    @app.errorhandler(Exception)
    def of_fault(error: Exception) -> Response:
        if _is_want(error):
            unavailable = Unavailable(retry_after=1)
            unavailable.__cause__ = error
            return of_failure(unavailable)
        _log.error(
            "fault", request_id=exchange.current().request_id, exc_info=(type(error), error, error.__traceback__)
        )
        return _reply(InternalError())


def _is_want(error: Exception) -> bool:
    """Whether the system lacked something that it may have again soon: the request may be repeated."""
    if isinstance(error, OSError):
        return error.errno in _NOTHING_LEFT
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and str(error) == _NO_THREAD)


def _page_of(failure: Failure, templates: Pages, pages: frozenset[str], documents: frozenset[str]) -> File | None:
    """The page for a failure of this request; None if the reply is JSON."""
    if request.path.rstrip("/") in pages:
        return _as_page(failure, templates, "failure.html", {}) if accepted(_ON_PAGES) == "text/html" else None
    rule = request.url_rule
    if (rule is None or rule.rule in documents) and accepted(_ELSEWHERE) == "text/html":
        return _as_page(failure, templates, "missing.html", {}, anywhere=True)
    return None


def as_form(
    failure: Failure,
    templates: Pages,
    template: str,
    facts: Mapping[str, object],
    headers: Mapping[str, str] = MappingProxyType({}),
) -> File:
    """The failure as a page with its form, so that the form can be sent again; `facts` are the template's variables,
    and `headers` what it carries besides those of the failure.
    """
    exchange.current().failure = failure
    _note_cause(failure)
    return _as_page(failure, templates, template, facts, headers)


def _as_page(
    failure: Failure,
    templates: Pages,
    template: str,
    facts: Mapping[str, object],
    headers: Mapping[str, str] = MappingProxyType({}),
    *,
    anywhere: bool = False,
) -> File:
    """The failure as a page, with its status and headers."""
    advice, request_id = ADVICE.get(failure.code), exchange.current().request_id
    return templates.render(
        template,
        {"failure": failure, "advice": advice, "request_id": request_id, **facts},
        status=failure.status,
        headers={**headers, **_headers(failure)},
        anywhere=anywhere,
    )


def _note_cause(failure: Failure) -> None:
    """Log the cause of a server error, which the client does not see."""
    if failure.__cause__ is not None and failure.status >= InternalError.status:
        _log.warning(
            failure.code,
            cause=type(cause_of(failure)).__name__,
            detail=reason_of(failure)[:500],
            request_id=exchange.current().request_id,
        )


def _refused() -> Failure:
    """What Werkzeug refuses for reasons that need no code of their own."""
    return InvalidRequest("The request is not one that HTTP allows here.")


def _as_json(failure: Failure, public_url: str) -> Response:
    help_url, request_id = f"{public_url}/errors/{failure.code}", exchange.current().request_id
    view: Problem | ProblemDetails
    media_type = accepted(("application/json", _PROBLEM_JSON))
    if media_type == _PROBLEM_JSON:
        view = ProblemDetails.of(failure, help_url=help_url, request_id=request_id)
    else:
        view = Problem.of(failure, help_url=help_url, request_id=request_id)
    body = view.model_dump_json()
    return Response(body, failure.status, _headers(failure), mimetype=media_type)


def accepted(offered: tuple[str, ...]) -> str:
    """The offered type that the client prefers; the first if it has no preference or accepts none."""
    return request.accept_mimetypes.best_match(offered, offered[0])


def sample(failure: type[Failure], public_url: str) -> tuple[dict[str, str], str]:
    """A sample reply with this failure: its own headers, and its body as indented JSON."""
    fields = (_SAMPLE_FIELD,) if failure is ValidationFailed else ()
    made = failure(fields=fields)
    body = Problem.of(made, help_url=f"{public_url}/errors/{failure.code}", request_id=_SAMPLE_REQUEST)
    headers = {"Content-Type": "application/json", **_headers(made), "X-Request-ID": _SAMPLE_REQUEST}
    return headers, body.model_dump_json(exclude_none=True, indent=2)


def _headers(failure: Failure) -> dict[str, str]:
    headers: dict[str, str] = {}
    if failure.status == 401:  # noqa: PLR2004 - HTTP
        headers["WWW-Authenticate"] = _challenge(failure)
    elif failure.status in {429, 503}:
        headers["Retry-After"] = str(failure.retry_after or _RETRY_AFTER)
    if failure.carries:
        headers.update((name, value) for name, value in failure.headers.items() if name in failure.carries)
    return headers


def _challenge(failure: Failure) -> str:
    """RFC 6750 section 3: the error is included only if a token was sent."""
    if failure.challenge is not None:
        return failure.challenge
    if isinstance(failure, MissingToken) or failure.code in {"invalid_credentials", "invalid_login_token"}:
        return "Bearer"
    return f'Bearer error="invalid_token", error_description="{failure.message}"'
