"""What lies in a column as JSON: objects with the fields of a dataclass, and lists of them.

A point in time is RFC 3339 text in UTC, in whole milliseconds; it lies in the fields whose names end in "_at".
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")


def written(content: object) -> str | None:
    """A dataclass, a tuple of them, or a mapping as JSON; None for what is empty."""
    return json.dumps(content, default=_plain) if content else None


def one_of(kind: type[T], text: str | None) -> T | None:
    """The dataclass that was `written`; None for None."""
    return None if text is None else _read(kind, json.loads(text))


def all_of(kind: type[T], text: str | None) -> tuple[T, ...]:
    """The dataclasses that were `written` in one; none for None."""
    return () if text is None else tuple(_read(kind, found) for found in json.loads(text))


def mapping_of(text: str | None) -> Mapping[str, str]:
    """The mapping that was `written`; an empty one for None."""
    found: dict[str, str] = {} if text is None else json.loads(text)
    return found


def _plain(content: object) -> object:
    if isinstance(content, datetime):
        return content.astimezone(UTC).isoformat(timespec="milliseconds")
    if is_dataclass(content):
        return {field.name: getattr(content, field.name) for field in fields(content)}
    raise TypeError(f"no JSON for {type(content).__name__}")


def _read(kind: type[T], found: dict[str, Any]) -> T:
    times = {name: datetime.fromisoformat(text) for name, text in found.items() if name.endswith("_at")}
    return kind(**found | times)
