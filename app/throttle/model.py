"""Failed logins in a row, counted for each submitted name, and the operations of a store on the counts."""

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
    """The operations of a store on failed logins. `key` is a digest (64 hexadecimal digits) of the submitted name.

    Each raises `Unavailable` when the store does not answer.
    """

    def get(self, key: str) -> FailureCount | None:
        """The count of this key, expired or not."""

    def advance(self, key: str, seen: FailureCount | None, to: FailureCount) -> bool:
        """Replace a count that is still `seen` (None: there is none) with `to`; False if it has changed.

        One atomic conditional write: of concurrent callers that saw the same count exactly one succeeds. Both number
        and `expires_at` are compared, since an expired count of 1 may be followed by a new count of 1.
        """

    def clear(self, key: str, seen: FailureCount) -> bool:
        """Forget a count that is still `seen`, as in `advance`; False if it has changed."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` expired counts; returns how many."""
