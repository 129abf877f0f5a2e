"""What a feature declares about itself: `FEATURE` in its `__init__.py`.

Nothing else knows a feature: the application serves its endpoints, the stores open its repositories, the deletion of an
account calls its `erase`, and so on, all from this declaration.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime, timedelta

    import click

    from app.platform.container import Container, Factory
    from app.web.endpoint import Endpoint


Eraser: TypeAlias = "Callable[[str], Iterator[None]]"
"""Erases what a feature holds about a user, given their identifier, a piece at each step; idempotent."""


class Expiring(Protocol):
    """A repository that keeps things for a limited time."""

    def purge(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` things that have expired at `now`; returns how many. Raises Unavailable."""


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do once in `every`, by one worker of all; `run` returns how many things it did."""

    name: str
    every: timedelta
    run: Callable[[], int]


@dataclass(frozen=True, slots=True)
class Tag:
    """Endpoints that the documentation shows together."""

    name: str
    description: str
    endpoints: tuple[Endpoint, ...]


@dataclass(frozen=True, slots=True)
class Erasers:
    """Those of all features."""

    erasers: tuple[Eraser, ...]


@dataclass(frozen=True, slots=True)
class ExpiringRepositories:
    """Those of all features."""

    repositories: tuple[Expiring, ...]


@dataclass(frozen=True, slots=True)
class Feature:
    """A package of `app/`, as the rest of the application sees it. Everything has a default: declare what there is."""

    tags: tuple[Tag, ...] = ()
    """The endpoints of the API, in the order of the documentation."""
    pages: tuple[Tag, ...] = ()
    """What people open in a browser, and what these pages need: served, but not part of the OpenAPI document."""
    services: Mapping[type, Factory] = field(default_factory=dict)
    """The parts that this feature builds, by their type."""
    repositories: tuple[type, ...] = ()
    """The Protocols of its repositories. That of `model.py:Users` is implemented by `mongo.py:MongoUsers`, which names
    its indexes, and by `sql.py:SqlUsers`."""
    erase: Callable[[Container], Eraser] | None = None
    """Called when an account is deleted."""
    expires: tuple[type[Expiring], ...] = ()
    """Those of its repositories that keep things for a limited time."""
    jobs: tuple[Callable[[Container], Job], ...] = ()
    permissions: frozenset[str] = frozenset()
    """The permissions that it declares, as `resource:action`."""
    commands: tuple[click.Command, ...] = ()
    """Commands for operators: `flask ...`."""
    sample: bool = False
    """Whether `SAMPLES=off` leaves out its endpoints."""

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoints of the API, each with its tag."""
        return self._tagged(self.tags)

    @property
    def page_endpoints(self) -> tuple[Endpoint, ...]:
        """The pages, each with its tag."""
        return self._tagged(self.pages)

    def _tagged(self, tags: tuple[Tag, ...]) -> tuple[Endpoint, ...]:
        return tuple(replace(declared, tag=tag.name, sample=self.sample) for tag in tags for declared in tag.endpoints)
