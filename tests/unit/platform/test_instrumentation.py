"""Several observers can subscribe at once, and each sees every event."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from app.platform.instrumentation import NOBODY, Observer, Observers, together

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.platform.failure import Failure
    from app.platform.instrumentation import Grant, HashRefusal, MailOutcome


class Witness(Observer):
    """Writes down what it sees, under its name."""

    def __init__(self, name: str, seen: list[str]) -> None:
        self._name = name
        self._seen = seen

    def note(self, *facts: object) -> None:
        self._seen.append(" ".join(map(str, (self._name, *facts))))

    def exchange_ended(
        self, method: str, route: str | None, status: int, failure: Failure | None, seconds: float
    ) -> None:
        self.note("ended", method, route, status, failure, seconds)

    def token_issued(self, grant: Grant) -> None:
        self.note("issued", grant)

    def mail_tried(self, outcome: MailOutcome) -> None:
        self.note("mail", outcome)

    @contextmanager
    def store_call(self, operation: str) -> Iterator[None]:
        self.note("begin", operation)
        try:
            yield
        finally:
            self.note("end", operation)

    @contextmanager
    def hashing(self) -> Iterator[None]:
        self.note("begin hash")
        yield
        self.note("end hash")

    def hash_queued(self) -> None:
        self.note("queued")

    def hash_began(self, waited: float) -> None:
        self.note("began", waited)

    def hash_refused(self, reason: HashRefusal) -> None:
        self.note("refused", reason)


def test_each_sees_everything_in_order() -> None:
    seen: list[str] = []
    both = together(Witness("a", seen), None, Witness("b", seen))
    both.exchange_ended("GET", "/", 200, None, 0.5)
    both.token_issued("login")
    both.mail_tried("sent")
    both.hash_queued()
    both.hash_began(0.5)
    both.hash_refused("deadline")
    expected = ["ended GET / 200 None 0.5", "issued login", "mail sent", "queued", "began 0.5", "refused deadline"]
    assert seen == [f"{name} {event}" for event in expected for name in "ab"]


def test_work_runs_inside_the_contexts_of_both_observers() -> None:
    seen: list[str] = []
    both = together(Witness("a", seen), Witness("b", seen))
    with both.hashing(), both.store_call("users.add"):
        seen.append("done")
    assert seen == [
        *("a begin hash", "b begin hash", "a begin users.add", "b begin users.add", "done"),
        *("b end users.add", "a end users.add", "b end hash", "a end hash"),
    ]


def test_an_exception_inside_reaches_both_observers_and_the_caller() -> None:
    seen: list[str] = []
    both = together(Witness("a", seen), Witness("b", seen))
    with pytest.raises(KeyError), both.store_call("users.add"):
        raise KeyError
    assert seen[2:] == ["b end users.add", "a end users.add"]


def test_one_needs_no_other_and_none_is_nobody() -> None:
    witness = Witness("a", [])
    assert together(witness, None) is witness
    assert together(None, None) is NOBODY


def test_every_hook_is_passed_on_to_several_observers() -> None:
    methods = {name for name, _ in inspect.getmembers(Observer, inspect.isfunction) if not name.startswith("_")}
    assert methods <= vars(Observers).keys()
