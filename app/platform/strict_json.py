"""Reads JSON that others wrote, and what has only one reading.

What other parsers would read differently is refused (RFC 8259 section 4 and 9, RFC 7493), so that proxies, clients and
this service all see the same document.
"""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, NoReturn

from app.platform.errors import MalformedJson

DEEPEST = 32
"""Levels of nesting, including the outermost."""
_INT64 = range(-(2**63), 2**63)
_INT64_DIGITS = 20
"""The most characters in such an integer; longer ones are not even converted."""


def parse_json(raw: bytes) -> Any:  # noqa: ANN401 - any JSON value
    """The one value of a JSON document, numbers with a point as Decimal; raises MalformedJson."""
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
    except RecursionError:
        raise MalformedJson(_TOO_DEEP) from None
    except (ValueError, ArithmeticError):  # also from the codec and the hooks below
        raise MalformedJson from None
    _check(value)
    return value


_TOO_DEEP = f"The body is nested deeper than {DEEPEST} levels."


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError("duplicate key")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _int(digits: str) -> int:
    if len(digits) > _INT64_DIGITS or (value := int(digits)) not in _INT64:
        raise ValueError("outside signed 64 bits")
    return value


def _decimal(digits: str) -> Decimal:
    if not math.isfinite(float(digits)):
        raise ValueError("outside the range of a double")
    return Decimal(digits)  # raises ArithmeticError for exponents as in 1e-99999999999999999999


_DECODER = json.JSONDecoder(
    object_pairs_hook=_no_duplicates, parse_int=_int, parse_float=_decimal, parse_constant=_refuse
)


def _check(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Raise MalformedJson for a lone surrogate in a string or key, and for nesting that is too deep."""
    level, depth = [value], 0
    while level:
        inner: list[Any] = []
        nested = False
        for item in level:
            if isinstance(item, str):
                _check_text(item)
            elif isinstance(item, dict):
                nested = True
                inner.extend(item)
                inner.extend(item.values())
            elif isinstance(item, list):
                nested = True
                inner.extend(item)
        depth += nested
        if depth > DEEPEST:
            raise MalformedJson(_TOO_DEEP)
        level = inner


def _check_text(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise MalformedJson("The body contains a lone surrogate.") from None
