"""The links of the OpenAPI document: which field of a reply is which part of the path of another request.

They follow from the declarations alone, by names: the part behind `/api-keys` is the `id` of an `api_key`. So nothing
has to be declared, and a link is there as soon as an endpoint is.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, get_args

from app.web.result import File
from app.web.view import BareView, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from app.web.endpoint import Endpoint


@dataclass(frozen=True, slots=True)
class Link:
    """A reply of `source` with this `status` holds what the path of `target` needs."""

    source: Endpoint
    status: int
    target: Endpoint
    parameters: tuple[tuple[str, str], ...]
    """Each part of the path, and the runtime expression that gives it (OpenAPI 3.1, section 4.8.20.4)."""

    def shown(self) -> dict[str, Any]:
        """The link object."""
        return {"operationId": self.target.operation_id, "parameters": dict(self.parameters)}


def links_of(endpoints: Sequence[Endpoint]) -> tuple[Link, ...]:
    """All links between these endpoints.

    What is named in a path comes from the reply of a request that makes one; where none does, from any other change
    that replies with one; where that is none either, from a list, whose first it is.
    """
    found: list[Link] = []
    for target in endpoints:
        ranked: dict[int, list[Link]] = {}
        for source in endpoints:
            for rank, link in _between(source, target):
                ranked.setdefault(rank, []).append(link)
        if ranked:
            found += ranked[min(ranked)]
    return tuple(found)


def _between(source: Endpoint, target: Endpoint) -> Iterable[tuple[int, Link]]:
    """The links from one to the other; the smaller the number, the better."""
    names = re.findall(r"<(\w+)>", target.path)
    if not names:
        return
    *known, name = names
    collection, _, _ = target.path.rpartition(f"/<{name}>")
    resource = collection.rpartition("/")[2].replace("-", "_")
    if not set(known) <= set(re.findall(r"<(\w+)>", source.path)):
        return
    before = tuple((each, f"$request.path.{each}") for each in known)
    for status, rank, pointer in sorted(set(_places(source, collection, resource, name))):
        yield rank, Link(source, status, target, (*before, (name, f"$response.body#/data/{pointer}")))


def _places(source: Endpoint, collection: str, resource: str, name: str) -> Iterable[tuple[int, int, str]]:
    """Where replies hold the name of one: the status, how good a source that is, and the place."""
    # A user's API keys are not those of a service account, which have a path of their own.
    elsewhere = source.path != collection and f"/{resource.replace('_', '-')}/" in f"{source.path}/"
    one = _singular(resource)
    for outcome in source.outcomes:
        fields = {} if issubclass(outcome.returns, File | BareView) else outcome.returns.model_fields
        if source.method != "GET" and one in fields and not elsewhere:
            if key := _key(fields[one].annotation, name):
                yield outcome.status, 0 if outcome.status == _CREATED else 1, f"{one}/{key}"
        elif source.path == collection and source.method == "GET" and resource in fields:
            (*_, item) = get_args(fields[resource].annotation) or (None,)
            if key := _key(item, name):
                yield outcome.status, 2, f"{resource}/0/{key}"


_CREATED = 201


def _singular(resource: str) -> str:
    """`delivery` of `deliveries`, `api_key` of `api_keys`."""
    return f"{resource[:-3]}y" if resource.endswith("ies") else resource.removesuffix("s")


def _key(view: Any, name: str) -> str | None:  # noqa: ANN401 - an annotation
    """The field of a view that a part of a path names: it has that name, or is the `id` that `..._id` stands for."""
    if not isinstance(view, type) or not issubclass(view, View):
        return None
    if name in view.model_fields:
        return name
    return "id" if name.endswith("_id") and "id" in view.model_fields else None
