"""Each operation of an observed store is timed and traced, and still does its work."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from app.features import REPOSITORIES
from app.platform.errors import Unavailable
from app.platform.instrumentation import Observer
from app.store.observed import observed
from tests.stores import Store, sql_store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Witness(Observer):
    """Writes down which calls there were, and how they ended."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    @contextmanager
    def store_call(self, operation: str) -> Iterator[None]:
        try:
            yield
        except Unavailable:
            self.seen.append(f"{operation} failed")
            raise
        self.seen.append(operation)


@pytest.fixture
def witness() -> Witness:
    return Witness()


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[Store]:
    store = sql_store(f"sqlite:///{tmp_path}/latchkey.db")
    yield store
    store.close()


@pytest.fixture
def store(plain: Store, witness: Witness) -> Store:
    return Store(observed(plain, witness))


def test_a_call_is_named_after_its_repository_and_operation(store: Store, witness: Witness) -> None:
    store.prepare()
    assert store.users.account("nobody") is None
    assert store.users.page(after=None, limit=10, active_only=True) == []
    assert witness.seen == ["users.account", "users.page"]


def test_a_failing_call_is_observed_to_its_end(store: Store, witness: Witness) -> None:
    with pytest.raises(Unavailable):  # the database has no tables
        store.users.account("nobody")
    assert witness.seen == ["users.account failed"]


def test_every_operation_of_every_repository_is_observed(plain: Store, store: Store) -> None:
    for kind in REPOSITORIES:
        original: object
        looked_at: object
        original, looked_at = plain.repository(kind), store.repository(kind)
        verbs = {name for name in dir(original) if not name.startswith("_") and callable(getattr(original, name))}
        assert verbs
        assert vars(looked_at).keys() == verbs
        assert all(getattr(looked_at, verb) is not getattr(original, verb) for verb in verbs)


def test_everything_else_is_delegated_to_the_store(plain: Store, store: Store) -> None:
    store.prepare()
    store.ping()
    assert (store.common_name, store.problems()) == (plain.common_name, plain.problems())
    with pytest.raises(AttributeError, match="nonsense"):
        store.inner.nonsense  # type: ignore[attr-defined]  # noqa: B018 - it is not there
