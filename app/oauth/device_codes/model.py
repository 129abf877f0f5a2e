"""Device codes (RFC 8628), and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

PENDING: Final = "pending"
APPROVED: Final = "approved"
DENIED: Final = "denied"
USED: Final = "used"
KEPT: Final = timedelta(hours=1)
"""How long a code is kept behind its expiry, so that its device is told that it has expired, and not that there is no
such code."""
FIRST_PAUSE: Final = 5
"""Seconds between two polls (RFC 8628 section 3.2)."""
LONGER: Final = 5
"""Seconds by which each poll that comes too early makes the pause longer (RFC 8628 section 3.5)."""
LONGEST_PAUSE: Final = 60
LEEWAY: Final = 1
"""Seconds that a poll may come too early, since the network is not as regular as a clock."""


class Approval(NamedTuple):
    """Who approved, and how they were logged in then."""

    user_id: str
    auth_epoch: int
    authenticated_at: datetime
    amr: str


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """A code that a device polls with until its user has answered elsewhere.

    Neither of its two codes is kept: `id` is the digest of the long one, 64 hexadecimal digits, `user_code` a MAC of
    the short one, which is too short for a digest. `pause` is in seconds. The last four fields are those of the
    Approval.
    """

    id: str
    user_code: str
    client_id: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    expires_at: datetime
    status: str = PENDING
    pause: int = FIRST_PAUSE
    polled_at: datetime | None = None
    user_id: str | None = None
    auth_epoch: int | None = None
    authenticated_at: datetime | None = None
    amr: str | None = None

    def is_open(self, now: datetime) -> bool:
        """Whether anything can become of it still: who polls with any other is told how it ended."""
        return self.status in {PENDING, APPROVED} and now < self.expires_at

    def latest_poll(self, now: datetime) -> datetime:
        """When the poll before this one was at the latest, if this one does not come too early."""
        return now - timedelta(seconds=max(0, self.pause - LEEWAY))


class Polled(NamedTuple):
    """The code as it was at a poll; None if there is none of this client. `too_fast` says that the poll came too
    early."""

    code: DeviceCode | None
    too_fast: bool = False


class DeviceCodes(Protocol):
    """The operations of a store on device codes. Each raises `Unavailable` when the store does not answer."""

    def add(self, code: DeviceCode) -> bool:
        """Store a new one; False if its `user_code` is another's."""

    def find(self, code_id: str) -> DeviceCode | None:
        """One, used and expired or not, and without a poll: to explain why it is refused."""

    def find_by_user_code(self, user_code: str, now: datetime) -> DeviceCode | None:
        """The one of this `user_code`, if it still waits for its user."""

    def poll(self, code_id: str, client_id: str, now: datetime) -> Polled:
        """Note a poll, in one conditional write: of concurrent ones, all but one come too early, and each of these
        makes the pause longer. Where nothing can become of the code any more, nothing is written."""

    def answer(self, code_id: str, approval: Approval | None, now: datetime) -> bool:
        """Approve one that still waits for its user, or deny it without an approval; False for any other, or if the
        user is not active or in another epoch. One conditional write: of concurrent answers one counts."""

    def spend(self, code_id: str, client_id: str, now: datetime) -> DeviceCode | None:
        """Use up one that was approved, for the session that is opened next; None for any other. One conditional
        write: of concurrent callers one gets it."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` that a user approved; returns how many."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` that expired more than KEPT ago; returns how many."""
