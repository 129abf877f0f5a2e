"""The forms of our pages: how they are parsed, and shown again when they fail."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from app.config.values import is_loopback
from app.platform.errors import (
    FieldError,
    Forbidden,
    InvalidRequest,
    MalformedJson,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.web.body import read_raw
from app.web.origins import origin_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flask import Request

    from app.platform.errors import Failure
    from app.web.call import Call

OF_FORMS = (Forbidden, InvalidRequest, MalformedJson, PayloadTooLarge, UnsupportedMediaType, ValidationFailed)
"""The failures of every endpoint that takes a form."""

_MEDIA_TYPE = "application/x-www-form-urlencoded"
_MOST_FIELDS = 20


@dataclass(frozen=True, slots=True)
class Again:
    """How a form is shown again after a failure, so that people can correct it: also with a wrong field.

    The `template` gets `sent`, the values that are `still_good` after this failure; `errors`, a message for each wrong
    field; and `facts`, by what was sent. `words` replaces the messages of fields that are not meant for people, by
    field and code.
    """

    template: str
    failures: tuple[type[Failure], ...]
    still_good: Callable[[Mapping[str, str], Failure], Mapping[str, str]]
    words: Mapping[tuple[str, str], str] = field(default_factory=dict)
    facts: Callable[[Call, Mapping[str, str]], Mapping[str, object]] = lambda _call, _sent: {}
    headers: Callable[[Call, Mapping[str, str]], dict[str, str]] | None = None
    """What the page carries besides, by what was `sent`."""

    def variables(self, call: Call, sent: Mapping[str, str], failure: Failure) -> dict[str, object]:
        """The variables of the template after this failure of the form that was `sent`."""
        errors = {wrong.field: self.words.get((wrong.field, wrong.code), wrong.message) for wrong in failure.fields}
        return {"sent": self.still_good(sent, failure), "errors": errors, **self.facts(call, sent)}


def keeping(*names: str) -> Callable[[Mapping[str, str], Failure], dict[str, str]]:
    """What is `still_good` of a form, where that is the same after each failure: the values of these fields."""
    return lambda sent, _failure: {name: value for name, value in sent.items() if name in names}


def read_form(request: Request, public_url: str, *, local_too: bool) -> dict[str, str]:
    """The fields of a form that one of our own pages sent, without those left empty.

    Such a page has the origin of `public_url`, or, with `local_too`, the origin of the request itself, if its host is a
    name of this machine only. Raises UnsupportedMediaType, Forbidden, PayloadTooLarge, MalformedJson for fewer bytes
    than announced, InvalidRequest if it is not a form in UTF-8, and ValidationFailed for a field that is sent twice.
    """
    if request.mimetype != _MEDIA_TYPE or request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaType(f"This page accepts only its own form ({_MEDIA_TYPE}).")
    if not _is_from_here(request, public_url, local_too=local_too):
        raise Forbidden("This form was not sent by a page of this service.")
    try:
        text = read_raw(request).decode("ascii")  # browsers encode everything else as %XX
        fields = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=_MOST_FIELDS
        )
    except ValueError:
        raise InvalidRequest("The form could not be read.") from None
    sent = dict(fields)
    if len(sent) != len(fields):
        names = [name for name, _ in fields]
        repeated = sorted({name for name in names if names.count(name) > 1})
        raise ValidationFailed(
            fields=tuple(FieldError(name[:64], "repeated", "This may be given once only.") for name in repeated)
        )
    return {name: value for name, value in sent.items() if value}


def _is_from_here(request: Request, public_url: str, *, local_too: bool) -> bool:
    """Whether a page of ours sent the request, by headers that the browser sets and pages cannot (OWASP ASVS 3.5.1).

    Without Origin, or if the browser withholds it ("null"), Sec-Fetch-Site decides.
    """
    sent = request.environ.get("HTTP_ORIGIN", "null")
    if sent == "null":
        return bool(request.environ.get("HTTP_SEC_FETCH_SITE") == "same-origin")
    origin = origin_of(sent)
    if origin is None:
        return False
    if origin == origin_of(public_url):
        return True
    return local_too and is_loopback(origin[1]) and origin == origin_of(f"{request.scheme}://{request.host}")
