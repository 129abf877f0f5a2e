"""Imports many users, some at once, since a store commits several writes in little more than the time of one."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.transfer.incoming import RefusedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.transfer.importing import Outcome
    from app.transfer.incoming import Incoming, Record

AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of the user of this number."""

    number: int
    outcome: Outcome | RefusedError
    has_totp: bool = False


def import_all(
    records: Iterable[Record], read: Callable[[dict[str, Any]], Incoming], add: Callable[[Incoming], Outcome]
) -> Iterator[Imported]:
    """Import all of these; gives what became of each, in their order. Raises what `add` does, but RefusedError.

    Users who share a name are imported one after the other: the first in the file gets it, each time.
    """
    waiting: deque[tuple[Record, frozenset[str], bool, Future[Outcome]]] = deque()
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="import") as pool:
        for record in records:
            try:
                incoming = _incoming(record, read)
            except RefusedError as refused:
                yield from _done(waiting, 0)
                yield Imported(record.number, refused)
                continue
            names = _names(incoming)
            shares = any(names & others for _, others, _, _ in waiting)
            yield from _done(waiting, 0 if shares else AT_ONCE - 1)
            waiting.append((record, names, bool(incoming.totp), pool.submit(add, incoming)))
        yield from _done(waiting, 0)


def _incoming(record: Record, read: Callable[[dict[str, Any]], Incoming]) -> Incoming:
    if isinstance(record.content, RefusedError):
        raise record.content
    return read(record.content)


def _names(incoming: Incoming) -> frozenset[str]:
    kinds = (("id", incoming.id), ("email", incoming.email), ("username", incoming.username))
    return frozenset(f"{kind} {name.strip().lower()}" for kind, name in kinds if name)


def _done(waiting: deque[tuple[Record, frozenset[str], bool, Future[Outcome]]], left: int) -> Iterator[Imported]:
    """The oldest ones, once they are done, until no more than `left` wait."""
    while len(waiting) > left:
        record, _, has_totp, future = waiting.popleft()
        try:
            yield Imported(record.number, future.result(), has_totp)
        except RefusedError as refused:
            yield Imported(record.number, refused)
