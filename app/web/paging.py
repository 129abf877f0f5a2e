"""The query of every list, and the cursor in it."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from app.web.cursors import identifier_of
from app.web.input import Query, wrong


def _identifier(cursor: str) -> str:
    try:
        return identifier_of(cursor)
    except ValueError:
        raise wrong("invalid_cursor", "This is not a cursor from this service.") from None


def _digits(number: object) -> object:
    # pydantic would also read "5.0", "1_0", "+5" and " 5".
    if isinstance(number, str) and not re.fullmatch(r"-?[0-9]{1,18}", number):
        raise wrong("invalid_type", "This has to be an integer.")
    return number


class Limited(Query):
    """A part of a list: up to `limit` objects."""

    limit: Annotated[int, BeforeValidator(_digits)] = Field(
        default=50, ge=1, le=200, description="The maximum number of objects on a page."
    )


class Page(Limited):
    """A part of a list: up to `limit` objects after `cursor`, which is the `next` of the previous page."""

    cursor: Annotated[str, AfterValidator(_identifier)] | None = Field(
        default=None, description="The `next` of the previous page. Without it, the list starts at the beginning."
    )
