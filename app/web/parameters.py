"""The parameters of OAuth: in a query or a form, each once; unknown ones are ignored (RFC 6749 section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, TypeAlias
from urllib.parse import parse_qsl

from app.platform.errors import InvalidRequest, MalformedJson, PayloadTooLarge, UnsupportedMediaType
from app.web.body import read_raw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flask import Request

    from app.platform.errors import Failure

Source: TypeAlias = Literal["query", "body"]
"""Where an endpoint reads its parameters."""
OF_BODIES: Final[tuple[type[Failure], ...]] = (MalformedJson, PayloadTooLarge, UnsupportedMediaType)
"""What else than InvalidRequest refuses parameters in a body."""

_MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
_MOST: Final = 100
_REPEATABLE: Final = frozenset({"resource"})
"""RFC 8707 section 2."""
_LONGEST_NAME_TOLD: Final = 64


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a client sent, by name. None of the values is empty, and no name but `resource` has several."""

    values: Mapping[str, tuple[str, ...]] = field(repr=False)  # secrets are among them

    def get(self, name: str) -> str | None:
        """The value, the first of several; None if it was not sent."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> tuple[str, ...]:
        """All values, in the order in which they were sent."""
        return self.values.get(name, ())

    def one_of_each(self) -> dict[str, str]:
        """The first value of each name."""
        return {name: sent[0] for name, sent in self.values.items()}


def read_parameters(request: Request, source: Source) -> Parameters:
    """The parameters in the query or the body of a request.

    Raises InvalidRequest for what cannot be read, or with the names that are there twice; for a body also
    UnsupportedMediaType, PayloadTooLarge, and MalformedJson for fewer bytes than announced.
    """
    return parse_parameters(_query(request) if source == "query" else _body(request))


def parse_parameters(text: str) -> Parameters:
    """Those in a text of the type `application/x-www-form-urlencoded`. Raises InvalidRequest as above.

    A parameter without a value is as good as omitted. NUL is in no value: PostgreSQL refuses it.
    """
    try:
        fields = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=_MOST
        )
    except ValueError:
        raise InvalidRequest(_UNREADABLE) from None
    if not text.isascii() or any("\0" in name or "\0" in value for name, value in fields):
        raise InvalidRequest(_UNREADABLE)
    found: dict[str, tuple[str, ...]] = {}
    for name, value in fields:
        if value:
            found[name] = (*found.get(name, ()), value)
    if repeated := sorted(name for name, values in found.items() if len(values) > 1 and name not in _REPEATABLE):
        names = ", ".join(name[:_LONGEST_NAME_TOLD] for name in repeated)
        raise InvalidRequest(f"These parameters may be given once only: {names}.")
    return Parameters(found)


_UNREADABLE: Final = "The parameters could not be read: send them as application/x-www-form-urlencoded, in UTF-8."


def _query(request: Request) -> str:
    return str(request.environ.get("QUERY_STRING", ""))


def _body(request: Request) -> str:
    """The text of the body; it may be empty, and has no type then."""
    raw = read_raw(request)
    if not raw and not request.mimetype:
        return ""
    if request.mimetype != _MEDIA_TYPE or request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaType(f"Send the parameters as {_MEDIA_TYPE}, in UTF-8.")
    try:
        return raw.decode("ascii")  # everything else is sent as %XX
    except ValueError:
        raise InvalidRequest(_UNREADABLE) from None
