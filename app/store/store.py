"""A store: a database, and the repositories of all features over it."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable

T = TypeVar("T")


class Store(Protocol):
    """Creating one opens nothing: connections are opened at first use, in the process that uses them."""

    @property
    def common_name(self) -> str:
        """Its common name: "MongoDB", "SQLite", "PostgreSQL", "MySQL"."""

    def repository(self, kind: type[T]) -> T:
        """The repository with this Protocol."""

    def prepare(self) -> None:
        """Bring the indexes or the schema up to date; idempotent, and safe to run concurrently.

        Raises `UnusableStoreError`, and `Unavailable` when the store does not answer.
        """

    def ping(self) -> None:
        """Check that the store answers; raises `Unavailable` if it does not."""

    def problems(self) -> list[str]:
        """What is wrong with the indexes, schema or settings of the store, one line each; empty if all is well.

        A line that begins with "note:" is for information only.
        """

    def close(self) -> None:
        """Close all connections; the store can be used again afterwards."""


def implementations(kinds: Iterable[type], store: Literal["mongo", "sql"]) -> dict[type, Any]:
    """The class that implements each of these Protocols: for `model.py:Users`, `mongo.py:MongoUsers` beside it.

    Only the modules of one store are imported, which saves the memory of the other's driver.
    """
    found = {}
    for kind in kinds:
        beside = import_module(f"{kind.__module__.rpartition('.')[0]}.{store}")
        found[kind] = getattr(beside, f"{store.capitalize()}{kind.__name__}")
    return found
