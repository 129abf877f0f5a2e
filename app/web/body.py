"""Every request body and query is parsed here.

A body is one JSON document with only one reading (`app.platform.strict_json`).
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from gunicorn.http.errors import ParseException
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from app.platform.errors import (
    Failure,
    FieldError,
    MalformedJson,
    PayloadTooLarge,
    UnsupportedMediaType,
    ValidationFailed,
)
from app.platform.strict_json import parse_json

if TYPE_CHECKING:
    from flask import Request

_FORM = "application/x-www-form-urlencoded"
"""The type that curl gives a body by default."""
_TOKENS_IN_QUERIES = frozenset({"access_token", "token", "x-access-token"})
"""Parameters that are ignored, so that no token is accepted where logs would keep it (RFC 9700 section 4.3.2)."""
MOST_WRONG_FIELDS_TOLD = 100
"""So that a small body with many wrong fields does not get a large reply."""
_LONGEST_NAME_TOLD = 64

_Input = TypeVar("_Input", bound=BaseModel)


def read_body(request: Request, model: type[_Input], context: object) -> _Input:
    """The body as `model`, with this `context` for pydantic.

    Raises PayloadTooLarge, UnsupportedMediaType, MalformedJson, or ValidationFailed with every wrong field
    up to MOST_WRONG_FIELDS_TOLD; fields that the model names come first.
    """
    raw = read_raw(request)
    if not raw and not request.mimetype:
        return validate({}, model, context)
    if request.mimetype != "application/json":
        raise UnsupportedMediaType(_OF_CURL if request.mimetype == _FORM else None)
    if request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaType("The body has to be in UTF-8.")
    if not raw and may_be_left_out(model):
        return validate({}, model, context)
    return validate(parse_json(raw), model, context)


_OF_CURL = f'{UnsupportedMediaType.message} With curl, add -H "Content-Type: application/json".'


@cache
def may_be_left_out(model: type[BaseModel]) -> bool:
    """Whether a request may leave out this body: an empty object would be valid, too."""
    try:
        model.model_validate({})
    except ValidationError:
        return False
    return True


def read_query(request: Request, model: type[_Input], context: object) -> _Input:
    """The query string as `model`; raises ValidationFailed with every wrong field, as `read_body` does."""
    given = {name: values for name, values in request.args.lists() if name not in _TOKENS_IN_QUERIES}
    wrong = [
        FieldError(name, "repeated", "This may be given once only.")
        for name, values in given.items()
        if name in model.model_fields and len(values) > 1
    ]
    repeated = {error.field for error in wrong}
    try:
        query = validate({name: values[0] for name, values in given.items()}, model, context)
    except ValidationFailed as failed:
        wrong += [error for error in failed.fields if error.field not in repeated]
    if wrong:
        raise ValidationFailed(fields=tuple(wrong[:MOST_WRONG_FIELDS_TOLD]))
    return query


def receive(request: Request) -> None:
    """Receive the bytes of the body, even if they are wrong. `read_raw` returns them later, or raises the error.

    So the token is checked after the last byte, however long that takes, and still before the body is reported as
    wrong.
    """
    try:
        request.environ[_RECEIVED] = _receive(request)
    except Failure as failure:
        request.environ[_RECEIVED] = failure


def read_raw(request: Request) -> bytes:
    """The bytes of the body.

    Raises PayloadTooLarge, MalformedJson for fewer bytes than announced, or UnsupportedMediaType for a content coding
    (RFC 9110 section 8.4): none is decoded here, so that no small body can become a large one.
    """
    if _RECEIVED not in request.environ:
        receive(request)
    received: bytes | Failure = request.environ[_RECEIVED]
    if isinstance(received, Failure):
        raise received
    return received


def _receive(request: Request) -> bytes:
    announced = request.content_length
    try:
        raw = request.get_data(cache=False)
        # If no length is announced, Flask reads as many bytes as are allowed and ignores the rest.
        if announced is None and len(raw) == request.max_content_length and request.environ["wsgi.input"].read(1):
            raise PayloadTooLarge
    except RequestEntityTooLarge:
        raise PayloadTooLarge from None
    except ParseException:
        raise MalformedJson("The chunks of the body do not follow RFC 9112.") from None
    except (ClientDisconnected, TimeoutError):  # gone, or silent for longer than `worker.Worker` waits
        raise MalformedJson(_TOO_SHORT) from None
    if announced is not None and len(raw) < announced:
        raise MalformedJson(_TOO_SHORT)
    if raw and request.headers.get("Content-Encoding", "").strip().lower() not in {"", "identity"}:
        raise UnsupportedMediaType("The body has to be sent without a Content-Encoding.")
    return raw


_RECEIVED = "latchkey.body"
_TOO_SHORT = "The body ended before its announced length."


def validate(value: Any, model: type[_Input], context: object) -> _Input:  # noqa: ANN401 - any JSON value
    """The value as `model`; raises ValidationFailed as `read_body` does."""
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False, include_context=True)[:MOST_WRONG_FIELDS_TOLD]
        raise ValidationFailed(fields=tuple(_field_error(detail) for detail in details)) from None


_MESSAGES = {
    "missing": ("required", "This field is required."),
    "extra_forbidden": ("unknown_field", "There is no such field here."),
    "string_too_short": ("too_short", "This has at least {min_length} character."),
    "string_too_long": ("too_long", "This has at most {max_length} characters."),
    "greater_than_equal": ("too_small", "This is at least {ge}."),
    "less_than_equal": ("too_large", "This is at most {le}."),
}
"""The code and message for each of pydantic's error types."""
_TYPES = {"string_type": "a string", "bool_type": "true or false", "list_type": "a list", "int_type": "an integer"}


def _field_error(detail: Any) -> FieldError:  # noqa: ANN401 - pydantic's ErrorDetails, whose ctx is untyped
    field = ".".join(map(str, detail["loc"]))[:_LONGEST_NAME_TOLD] or "body"
    kind, context = detail["type"], detail.get("ctx", {})
    if kind in _MESSAGES:
        code, message = _MESSAGES[kind]
        return FieldError(field, code, message.format(**context))
    if kind in _TYPES:
        return FieldError(field, "invalid_type", f"This has to be {_TYPES[kind]}.")
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return FieldError(field, "invalid_type", "This has to be an object.")
    if kind.startswith("int_"):
        return FieldError(field, "invalid_type", "This has to be an integer.")
    return FieldError(field, kind, detail["msg"])
