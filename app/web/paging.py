"""The query of every list, and the cursor in it."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import TYPE_CHECKING, Annotated, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field

from app.platform.errors import FieldError, ValidationFailed
from app.web.cursors import cursor_at, identifier_of, place_at
from app.web.input import Query, wrong

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

T = TypeVar("T")


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


class Part(Limited):
    """A part of a short list, which is read as a whole: up to `limit` objects after `cursor`."""

    cursor: str | None = Field(
        default=None, description="The `next` of the previous page. Without it, the list starts at the beginning."
    )

    def of(self, found: Sequence[T], key: Callable[[T], str], name: str) -> tuple[Sequence[T], str | None]:
        """This part of the list of this name, which is in the order of a unique `key`; and the cursor of the next one.

        Raises ValidationFailed for a cursor of another list.
        """
        behind = 0 if self.cursor is None else bisect_right(found, _place(self.cursor, name), key=key)
        part = found[behind : behind + self.limit]
        ends = behind + self.limit >= len(found)
        return part, None if ends else cursor_at((key(part[-1]),), (name,))


def _place(cursor: str, name: str) -> str:
    try:
        [place] = place_at(cursor, (name,))
    except ValueError:
        error = FieldError("cursor", "invalid_cursor", "This is not a cursor of this list.")
        raise ValidationFailed(fields=(error,)) from None
    return place


class Page(Limited):
    """A part of a list: up to `limit` objects after `cursor`, which is the `next` of the previous page."""

    cursor: Annotated[str, AfterValidator(_identifier)] | None = Field(
        default=None, description="The `next` of the previous page. Without it, the list starts at the beginning."
    )
