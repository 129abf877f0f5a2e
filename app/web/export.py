"""Exports: one JSON document, to which each feature adds a list that is read page by page while it is sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pydantic import create_model
from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from app.web.call import CallBy
    from app.web.caller import CallerT
    from app.web.view import View


@dataclass(frozen=True, slots=True)
class Exporter:
    """What a feature adds to an export: a list, under a name of its own, of things that look like `view`."""

    name: str
    view: type[View]
    pages: Callable[[Any], Iterator[Sequence[View]]]
    """Reads what the caller has, page by page; called once for an export, with the call."""


def exporter(
    name: str, view: type[View]
) -> Callable[[Callable[[CallBy[CallerT]], Iterator[Sequence[View]]]], Exporter]:
    """Declare an exporter: a function that gives the pages of its list."""

    def declare(pages: Callable[[CallBy[CallerT]], Iterator[Sequence[View]]]) -> Exporter:
        return Exporter(name, view, pages)

    return declare


class Paged(Protocol):
    """Some things of a list; the next page starts after `next`, None at the end."""

    @property
    def next(self) -> str | None: ...


PageT = TypeVar("PageT", bound=Paged)


def all_pages(read: Callable[[str | None], PageT]) -> Iterator[PageT]:
    """The pages of a list, one after the other; `read` gets where a page starts, None for the first one."""
    start: str | None = None
    while True:
        page = read(start)
        yield page
        if (start := page.next) is None:
            return


def document_of(head: type[View], exporters: Sequence[Exporter]) -> type[View]:
    """What an export looks like: the fields of `head`, and behind them the list of each exporter.

    Raises ValueError for two of one name: of a repeated name in JSON, a reader keeps one and drops the other.
    """
    names = [*head.model_fields, *(each.name for each in exporters)]
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"an export has two of {', '.join(sorted(twice))}")
    lists: dict[str, Any] = {each.name: (list[each.view], ...) for each in exporters}  # type: ignore[name-defined]
    return create_model(head.__name__, __base__=head, __doc__=head.__doc__, **lists)


def parts_of(head: View, lists: Mapping[str, Iterator[Sequence[View]]]) -> Iterator[bytes]:
    """The JSON of an export, of which a page is read for each part.

    The first part has the first page that is not empty: a failure up to here gets an ordinary error reply. Only the
    last part closes the document: JSON that breaks off earlier is invalid.
    """
    held = to_json(head).removesuffix(b"}")
    for name, pages in lists.items():
        held += b',"%b":[' % name.encode()
        separator = b""
        for page in pages:
            if content := b",".join(map(to_json, page)):
                yield held + separator + content
                held, separator = b"", b","
        held += b"]"
    yield held + b"}"
