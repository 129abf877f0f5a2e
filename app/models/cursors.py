"""The opaque cursors of lists: where a page ended, by the identifier of its last object."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from uuid import UUID


def cursor_behind(identifier: str | None) -> str | None:
    """The cursor that goes on behind the object with this identifier (a UUID); None for None."""
    return None if identifier is None else urlsafe_b64encode(UUID(identifier).bytes).decode().rstrip("=")


def identifier_of(cursor: str) -> str:
    """The identifier that a cursor goes on behind; raises ValueError for what `cursor_behind` never made."""
    identifier = str(UUID(bytes=urlsafe_b64decode(cursor + "==")))
    if cursor_behind(identifier) != cursor:
        raise ValueError("not the canonical form")
    return identifier
