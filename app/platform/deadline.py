"""The deadline of the request under way: one for all of its work, however many statements and look-ups that takes.

Code that waits for something else (a store, a queue, another server) gives it no longer than `remaining()`.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST_SECONDS = 10.0
"""What a request may take from the moment a thread takes it up, its body read, until its reply is made."""

_ends_at: ContextVar[float | None] = ContextVar("ends_at", default=None)
"""By the monotonic clock."""


class begin:  # noqa: N801 - used as a function; a generator would take three times as long, twice in most requests
    """Give what is done meanwhile, in this context, this many seconds; an earlier deadline around it stays in force."""

    __slots__ = ("_seconds", "_token")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        ends_at, outer = time.monotonic() + self._seconds, _ends_at.get()
        self._token = _ends_at.set(ends_at if outer is None else min(ends_at, outer))

    def __exit__(self, *_: object) -> None:
        _ends_at.reset(self._token)


@contextmanager
def paused() -> Iterator[None]:
    """Do not count what is done meanwhile: it has a deadline of its own, as the wait for a hash does."""
    began = time.monotonic()
    try:
        yield
    finally:
        ends_at = _ends_at.get()
        if ends_at is not None:
            _ends_at.set(ends_at + time.monotonic() - began)


def remaining() -> float | None:
    """The seconds that are left, 0 when there are none; None where there is no deadline, as in jobs and commands."""
    ends_at = _ends_at.get()
    return None if ends_at is None else max(0.0, ends_at - time.monotonic())
