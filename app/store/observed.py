"""Wraps a store so that each call is timed and traced: it runs inside `Observer.store_call`."""

from __future__ import annotations

from functools import wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from app.store.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.platform.instrumentation import Observer

REPOSITORIES: Final = tuple(
    name for name in vars(Store) if isinstance(vars(Store)[name], property) and name != "product"
)
"""The names of the repositories in the Protocol `Store`."""


def observed(store: Store, observer: Observer) -> Store:
    """The same store, reporting each call to `observer`; an operation is named like "users.add"."""
    return cast("Store", _ObservedStore(store, observer))


class _ObservedStore:
    """Observed repositories; everything else is delegated to the store."""

    def __init__(self, store: Store, observer: Observer) -> None:
        self._store = store
        for name in REPOSITORIES:
            setattr(self, name, _verbs(name, getattr(store, name), observer))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)


def _verbs(repository_name: str, repository: object, observer: Observer) -> SimpleNamespace:
    """The operations of a repository (it has nothing else), each observed."""
    names = [name for name in dir(repository) if not name.startswith("_") and callable(getattr(repository, name))]
    return SimpleNamespace(
        **{name: _looked_at(f"{repository_name}.{name}", getattr(repository, name), observer) for name in names}
    )


def _looked_at(operation: str, verb: Callable[..., Any], observer: Observer) -> Callable[..., Any]:
    @wraps(verb)
    def call(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - what the operation returns
        with observer.store_call(operation):
            return verb(*arguments, **named)

    return call
