"""The outbox: what a write causes elsewhere is an entry, which is stored in the same write and done afterwards.

So neither a crash nor an outage can lose it. This knows nothing of what holds the entries, or of what is to be done.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 - the codec reads the annotation
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, Protocol, TypeVar

Key = TypeVar("Key")
Owner = TypeVar("Owner")
CLAIMED_FOR: Final = timedelta(minutes=2)
"""How long a worker may take for the due entries of one holder; then another takes over."""
LONGEST_RETRY: Final = timedelta(minutes=5)
"""The longest wait after an attempt that failed; a handler may name a later time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing to do. `kind` chooses the handler, which may be one that only a newer version has.

    `payload` is for the handler: JSON, without nulls. `attempts` counts those that failed.
    """

    id: str
    kind: str
    payload: Mapping[str, Any]
    due_at: datetime
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Claimed(Generic[Owner]):
    """What holds entries, as it was when one worker claimed it until a time; the entries that are due, in their order.

    Those in `first` have to be done before any other is begun.
    """

    owner: Owner
    entries: tuple[Entry, ...]
    until: datetime
    first: tuple[Entry, ...] = ()


class Holders(Protocol[Key, Owner]):
    """What holds entries, each one claimed as a whole. All raise `Unavailable` when the store does not answer."""

    def due(self, now: datetime, limit: int) -> list[Key]:
        """Up to `limit` holders with something due at `now`, those due longest first."""

    def claim(self, key: Key, now: datetime, until: datetime) -> Claimed[Owner] | None:
        """Claim a holder by one conditional write; None if there is nothing due any more, or another was faster.

        If it is not settled by `until`, it is due again.
        """

    def settle(self, claimed: Claimed[Owner], outcomes: Mapping[str, Entry | None], now: datetime) -> None:
        """End a claim. `outcomes` has each entry that was tried, by its identifier, as it is to wait; None if it is
        done. What else is in the holder by now stays."""
