"""A store that is looked at while it works: each verb of its repositories runs inside `Observer.store_call`."""

from __future__ import annotations

from functools import wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, cast

from app.models.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.instrumentation import Observer

REPOSITORIES: Final = tuple(
    name for name in vars(Store) if isinstance(vars(Store)[name], property) and name != "product"
)
"""The repositories of a store, as the Protocol has them."""


def observed(store: Store, observer: Observer) -> Store:
    """The same store, with `observer` looking on: an operation is called like "users.add"."""
    return cast("Store", _ObservedStore(store, observer))


class _ObservedStore:
    """Repositories that are looked at; everything else is that of the store itself."""

    def __init__(self, store: Store, observer: Observer) -> None:
        self._store = store
        for name in REPOSITORIES:
            setattr(self, name, _verbs(name, getattr(store, name), observer))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)


def _verbs(repository_name: str, repository: object, observer: Observer) -> SimpleNamespace:
    """The verbs of a repository, which is all that it has, each inside a call that is looked at."""
    names = [name for name in dir(repository) if not name.startswith("_") and callable(getattr(repository, name))]
    return SimpleNamespace(
        **{name: _looked_at(f"{repository_name}.{name}", getattr(repository, name), observer) for name in names}
    )


def _looked_at(operation: str, verb: Callable[..., Any], observer: Observer) -> Callable[..., Any]:
    @wraps(verb)
    def call(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - what the verb gives
        with observer.store_call(operation):
            return verb(*arguments, **named)

    return call
