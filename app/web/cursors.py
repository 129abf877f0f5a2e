"""The opaque cursors of lists: each encodes the identifier of the last object of a page, or its place and the query."""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import TYPE_CHECKING, Final
from uuid import UUID

if TYPE_CHECKING:
    from collections.abc import Sequence

_DIGEST_BYTES: Final = 9


def cursor_behind(identifier: str | None) -> str | None:
    """The cursor of the page after the object with this identifier (a UUID); None for None."""
    return None if identifier is None else urlsafe_b64encode(UUID(identifier).bytes).decode().rstrip("=")


def identifier_of(cursor: str) -> str:
    """The identifier that a cursor encodes; raises ValueError for a text that `cursor_behind` never returns."""
    identifier = str(UUID(bytes=urlsafe_b64decode(cursor + "==")))
    if cursor_behind(identifier) != cursor:
        raise ValueError("not the canonical form")
    return identifier


def cursor_at(place: Sequence[str], query: Sequence[str | None]) -> str:
    """The cursor of the page behind a place in what a query finds."""
    content = json.dumps(place).encode()
    return urlsafe_b64encode(_digest(query) + content).decode().rstrip("=")


def place_at(cursor: str, query: Sequence[str | None]) -> list[str]:
    """The place that a cursor of the same query encodes, which anybody may have made; raises ValueError for any other
    text, and for a place of anything but texts that every store takes.
    """
    decoded = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    try:
        found = json.loads(decoded[_DIGEST_BYTES:])
    except RecursionError:
        raise ValueError("not a place") from None
    if not isinstance(found, list) or not all(map(_is_plain_text, found)):
        raise ValueError("not a place")
    if cursor_at(found, query) != cursor:
        raise ValueError("not a cursor of this query")
    return found


def _is_plain_text(part: object) -> bool:
    """Whether a part of a place is text without NUL or half a character, which databases fail at."""
    return isinstance(part, str) and not re.search("[\0\ud800-\udfff]", part)


def _digest(query: Sequence[str | None]) -> bytes:
    return sha256(json.dumps(query).encode()).digest()[:_DIGEST_BYTES]
