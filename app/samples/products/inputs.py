"""The bodies of requests about products."""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainValidator, WithJsonSchema

from app.accounts.fields import Name
from app.web.input import Body, wrong

HIGHEST_PRICE: Final = 10**9
_SMALLEST: Final = Decimal("0.01")
_PRICE: Final = re.compile(r"(0|[1-9][0-9]*)(\.[0-9]{1,2})?")
_LONGEST_DESCRIPTION: Final = 1000
_LINES: Final = frozenset("\t\n\r")


def _price(value: object) -> Decimal:
    """The price in a number, which is never a float here (`app/web/body.py`), or in a text."""
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise wrong("invalid_type", "This has to be a number, or a string that contains one.")
    if isinstance(value, str) and not _PRICE.fullmatch(value):
        raise wrong("invalid_price", "A price is written in digits, at most two of them after a point.")
    price = Decimal(value)
    if price < 0:
        raise wrong("too_small", "A price is at least 0.")
    if price > HIGHEST_PRICE:
        raise wrong("too_large", "A price is at most {most}.", most=HIGHEST_PRICE)
    if price != price.quantize(_SMALLEST):
        raise wrong("too_many_places", "A price has at most two digits after the point.")
    return abs(price.quantize(_SMALLEST))  # of -0.0, 0


def _description(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" and character not in _LINES for character in text):
        raise wrong("invalid_description", "A description contains no control characters but tabs and line ends.")
    return text


Price = Annotated[
    Decimal,
    PlainValidator(_price),
    WithJsonSchema(
        {
            "type": "number",
            "format": "double",
            "minimum": 0,
            "maximum": HIGHEST_PRICE,
            "description": (
                "At most two digits after the point; stored exactly. A string with such a number"
                ' ("19.99", without a sign or an exponent) is accepted, too.'
            ),
            "examples": [19.99],
        }
    ),
]


class CreateProduct(Body):
    """A new product."""

    name: Name = Field(examples=["Desk lamp"])
    price: Price
    description: Annotated[str, Field(max_length=_LONGEST_DESCRIPTION), AfterValidator(_description)] | None = Field(
        default=None,
        description="At most 1,000 characters, without control characters except tabs and line ends.",
        examples=["Bends both ways."],
    )
