"""Entities as documents: what MongoDB embeds, and what a column of SQL holds as JSON.

A document has the fields of its dataclass, without those that are None. A point in time is a date in MongoDB and RFC
3339 text in JSON, in UTC and in whole milliseconds in both.

While versions are replaced one instance after the other, an older and a newer one work on the same documents. So:

- what a document lacks takes the default of its field. A field that is added later has to have one;
- what a document holds beyond the fields that this version knows is no error, and is not lost: `Codec.unknown` is kept
  with the entity, and written again;
- a word that only a newer version knows is no error either, since texts are not compared with a list: the field that
  holds one is declared as `str`.
"""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Generic, TypeAlias, TypeVar, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

T = TypeVar("T")
Document: TypeAlias = "dict[str, Any]"
_ID: Final = "id"
"""The field that names an embedded document, among those beside it."""


class Codec(Generic[T]):
    """Maps the entities of a dataclass to documents, and back."""

    def __init__(self, kind: type[T]) -> None:
        """`kind` and the dataclasses in it need the types of their fields at runtime."""
        self._name = kind.__name__
        self._adapter = TypeAdapter(kind)
        self._parts = {name: _parts_of(hint) for name, hint in get_type_hints(kind).items()}
        """The names of all fields; of one that embeds documents, the names of their fields."""

    def document(self, entity: T, unknown: Mapping[str, Any] | None = None) -> Document:
        """The entity as a document, with what is `unknown` of it; lists that are empty are left out."""
        dumped = self._adapter.dump_python(entity, exclude_none=True)
        document = {name: _plain(found) for name, found in dumped.items() if found != ()}
        return self._with_unknown(document, unknown) if unknown else document

    def entity(self, document: Mapping[str, Any]) -> T:
        """The entity that is in a document; other fields of it are ignored.

        Raises ValueError for a document that holds none. It names the fields that are wrong, but not what is in them:
        errors go to the log, where no address and no hash belongs.
        """
        try:
            return self._adapter.validate_python(document)
        except ValidationError as error:
            wrong = error.errors(include_url=False, include_context=False, include_input=False)
            fields = ", ".join(f"{'.'.join(map(str, each['loc']))} ({each['type']})" for each in wrong)
        raise ValueError(f"no {self._name}: {fields}")

    def unknown(self, document: Mapping[str, Any]) -> Document:
        """What a document holds beyond the fields of its dataclass, for `document`: empty if it is of this version.

        Of an embedded document that is under its `id`; so it goes when that document does.
        """
        found = {name: content for name, content in document.items() if name not in self._parts}
        for name, known in self._parts.items():
            if known and name in document:
                parts = {part[_ID]: _beyond(part, known) for part in _listed(document[name]) if part.keys() - known}
                if parts:
                    found[name] = parts
        return found

    def text(self, entity: T, unknown: Mapping[str, Any] | None = None) -> str | None:
        """The document as JSON; None for an empty one."""
        document = self.document(entity, unknown)
        return to_json(document) if document else None

    def _with_unknown(self, document: Document, unknown: Mapping[str, Any]) -> Document:
        for name, content in unknown.items():
            if name not in self._parts:
                document[name] = content
            else:
                for part in _listed(document.get(name, ())):
                    part.update(content.get(part[_ID], {}))
        return document


def to_json(document: Mapping[str, Any]) -> str:
    """A document as JSON; raises TypeError for what has no form in it."""
    return json.dumps(document, default=_instant)


def from_json(text: str | None) -> Document:
    """The document that is in a text; an empty one for None. A point in time is still text: `Codec.entity` reads it."""
    found: Document = {} if text is None else json.loads(text)
    return found


def _instant(content: object) -> str:
    if isinstance(content, datetime):
        return content.astimezone(UTC).isoformat(timespec="milliseconds")
    raise TypeError(f"no JSON for {type(content).__name__}")


def _plain(found: object) -> object:
    return list(found) if isinstance(found, tuple) else found


def _listed(found: object) -> Iterable[Document]:
    # Embedded are one or several; a null is the same as nothing.
    return (found,) if isinstance(found, dict) else found or ()  # type: ignore[return-value]


def _beyond(part: Document, known: frozenset[str]) -> Document:
    return {name: content for name, content in part.items() if name not in known}


def _parts_of(hint: object) -> frozenset[str]:
    """The names of the fields of the dataclass that is in a type; empty if there is none."""
    if isinstance(hint, type) and is_dataclass(hint):
        return frozenset(field.name for field in fields(hint))
    return frozenset().union(*map(_parts_of, get_args(hint)))
