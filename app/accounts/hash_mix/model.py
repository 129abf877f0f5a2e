"""The mix of the stored password hashes, and the operations of a store on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime  # noqa: TC003 - the codec reads the annotation
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mix:
    """How many hashes there are of each scheme and cost, which a dummy hash stands for, when they were counted."""

    counted_at: datetime
    counts: dict[str, int] = field(default_factory=dict)


class HashMixes(Protocol):
    """The operations of a store on the one mix. Each raises `Unavailable` when the store does not answer."""

    def load(self) -> Mix | None:
        """The mix that was saved last, if any was."""

    def save(self, mix: Mix) -> None:
        """Replace the mix, whatever it was: the last one counts."""
