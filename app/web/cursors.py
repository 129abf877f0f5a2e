"""The opaque cursors of lists: each encodes the identifier of the last object of a page."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID


def cursor_behind(identifier: str | None) -> str | None:
    """The cursor of the page after the object with this identifier (a UUID); None for None."""
    return None if identifier is None else urlsafe_b64encode(UUID(identifier).bytes).decode().rstrip("=")


def identifier_of(cursor: str) -> str:
    """The identifier that a cursor encodes; raises ValueError for a text that `cursor_behind` never returns."""
    identifier = str(UUID(bytes=urlsafe_b64decode(cursor + "==")))
    if cursor_behind(identifier) != cursor:
        raise ValueError("not the canonical form")
    return identifier
