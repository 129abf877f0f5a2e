"""Failed logins in a row, counted for each submitted name, and what a store can do with the count."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class FailureCount:
    """How often a login failed in a row, until when the next is refused, and when the count is forgotten."""

    count: int
    blocked_until: datetime
    expires_at: datetime


class LoginFailures(Protocol):
    """The verbs of a store for failed logins. `key` is a digest (64 hexadecimal digits) of the submitted name.

    Each raises `Unavailable` when the store does not answer.
    """

    def get(self, key: str) -> FailureCount | None:
        """The count of this key, expired or not."""

    def advance(self, key: str, seen: FailureCount | None, to: FailureCount) -> bool:
        """Put `to` in the place of a count that is still `seen` (None: there is none); False if it is another by now.

        One atomic conditional write, so that of any number that saw the same count exactly one gets through. It is
        the same as long as number and `expires_at` are: an expired count of 1 may be followed by another of 1.
        """

    def clear(self, key: str, seen: FailureCount) -> bool:
        """Forget a count that is still `seen`, as in `advance`; False if it is another by now."""

    def purge(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` counts that have expired; how many they were."""
