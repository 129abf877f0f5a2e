"""Failures in the shape of RFC 6749 section 5.2, for the endpoints that other specifications describe."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

from flask import Response

from app.platform.errors import (
    ExpiredToken,
    Forbidden,
    InvalidHost,
    InvalidRequest,
    InvalidToken,
    MalformedJson,
    MethodNotAllowed,
    MissingToken,
    NotFound,
    Overloaded,
    PayloadTooLarge,
    SessionEnded,
    TooManyRequests,
    Unavailable,
    UnsupportedMediaType,
    ValidationFailed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.platform.errors import Failure

OF_METADATA: Final = "invalid_client_metadata"
"""RFC 7591 section 3.2.2; there, wrong redirect URIs have a word of their own."""
_OF_REDIRECTS: Final = "invalid_redirect_uri"
_UNREADABLE: Final = (
    *(InvalidRequest, MalformedJson, ValidationFailed, PayloadTooLarge, UnsupportedMediaType),
    *(InvalidHost, MethodNotAllowed, NotFound),
)
_NOT_LOGGED_IN: Final = (MissingToken, InvalidToken, ExpiredToken, SessionEnded)
_LATER: Final = (TooManyRequests, Overloaded, Unavailable)
_FORBIDDEN_CHARACTERS: Final = re.compile(r"[^ !#-\[\]-~]+")
"""What an `error_description` does not hold."""
_LONGEST: Final = 1000


def as_rfc(failure: Failure, word: str, headers: Mapping[str, str]) -> Response:
    """The failure as such a reply, with these headers; `word` is the `error` for a request that cannot be read."""
    error, status = _error_of(failure, word)
    body = {"error": error, "error_description": _description(failure)}
    response = Response(json.dumps(body), status, headers, mimetype="application/json")
    if isinstance(failure, Forbidden):
        needed = "" if failure.scope is None else f', scope="{failure.scope}"'
        response.headers["WWW-Authenticate"] = f'Bearer error="{error}"{needed}'
    return response


def _error_of(failure: Failure, word: str) -> tuple[str, int]:
    """Its `error`, and the status."""
    if isinstance(failure, ValidationFailed):
        of_redirects = word == OF_METADATA and all(_is_of_redirects(wrong.field) for wrong in failure.fields)
        return (_OF_REDIRECTS if of_redirects else word), 400
    if isinstance(failure, _UNREADABLE):
        # RFC 6749 section 5.2 knows 400 alone; a registration is JSON, and read as everywhere else.
        of_type = isinstance(failure, UnsupportedMediaType) and word != OF_METADATA
        return word, 400 if of_type else failure.status
    if isinstance(failure, _NOT_LOGGED_IN):
        return "invalid_token", failure.status
    if isinstance(failure, Forbidden):
        return "insufficient_scope", failure.status
    if isinstance(failure, _LATER):
        return "temporarily_unavailable", failure.status
    return "server_error", 500


def _is_of_redirects(field: str) -> bool:
    return field.partition(".")[0] == "redirect_uris"


def _description(failure: Failure) -> str:
    """The message, and every wrong field, in the characters that RFC 6749 allows."""
    told = " ".join([failure.message, *(f"{wrong.field}: {wrong.message}" for wrong in failure.fields)])
    return _FORBIDDEN_CHARACTERS.sub("'", told)[:_LONGEST]
