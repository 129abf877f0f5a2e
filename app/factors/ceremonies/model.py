"""Ceremonies of WebAuthn, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from datetime import datetime

Purpose = Literal["register", "login", "second_factor", "step_up"]


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A challenge that waits for its answer.

    What the client sends back is not kept: `id` is its digest, 64 hexadecimal digits. `purpose` is a Purpose. `owner`
    is the session, or the pending login, that asked, and `user_id` whose it is; both None if nobody is known yet.
    `challenge` is in base64url.
    """

    id: str
    purpose: str
    challenge: str
    expires_at: datetime
    owner: str | None = None
    user_id: str | None = None


class Ceremonies(Protocol):
    """The operations of a store on ceremonies. Each raises `Unavailable` when the store does not answer."""

    def add(self, ceremony: Ceremony) -> None:
        """Store a new one; in SQL, only if its user is not gone."""

    def take(self, ceremony_id: str) -> Ceremony | None:
        """Delete one, and return it, expired or not; None if it is gone. Of concurrent callers one gets it."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` of a user; returns how many."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` whose `expires_at` has passed; returns how many."""
