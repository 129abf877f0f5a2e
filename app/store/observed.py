"""Wraps a store so that each call of a repository is timed and traced: it runs inside `Observer.store_call`."""

from __future__ import annotations

import re
from functools import wraps
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.platform.instrumentation import Observer
    from app.store.store import Store

T = TypeVar("T")


def observed(store: Store, observer: Observer) -> Store:
    """The same store, reporting each call to `observer`; an operation is named like "users.add"."""
    return cast("Store", _ObservedStore(store, observer))


class _ObservedStore:
    """Observed repositories; everything else is delegated to the store."""

    def __init__(self, store: Store, observer: Observer) -> None:
        self._store = store
        self._observer = observer

    def repository(self, kind: type[T]) -> T:
        """The operations of the repository (it has nothing else), each observed."""
        repository, name = self._store.repository(kind), _snake_case(kind.__name__)
        operations = [
            each for each in dir(repository) if not each.startswith("_") and callable(getattr(repository, each))
        ]
        wrapped = {each: _reported(f"{name}.{each}", getattr(repository, each), self._observer) for each in operations}
        return cast("T", SimpleNamespace(**wrapped))

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the store has
        return getattr(self._store, name)


def _snake_case(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _reported(name: str, operation: Callable[..., Any], observer: Observer) -> Callable[..., Any]:
    @wraps(operation)
    def call(*arguments: object, **named: object) -> Any:  # noqa: ANN401 - what the operation returns
        with observer.store_call(name):
            return operation(*arguments, **named)

    return call
