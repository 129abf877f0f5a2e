"""Logins that are under way at a provider, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Flow:
    """A visit to a provider: begun, answered (`taken_at`), and then waiting to be finished with a code of ours.

    Neither `state` nor what the browser keeps is stored: `id` and `browser` are their digests, 64 hexadecimal digits,
    and `code` is that of the code. The nonce and the verifier of PKCE are computed from what the browser keeps.
    `purpose` is "login", or "link": then `user_id` and `session_id` say for whom. `challenge` is that of the
    application which waits for the code. `answer` is what the provider posted, and `outcome` who it says the user is,
    both JSON.
    """

    id: str
    provider: str
    purpose: str
    browser: str
    expires_at: datetime
    redirect_to: str | None = None
    challenge: str | None = None
    user_id: str | None = None
    session_id: str | None = None
    answer: str | None = field(default=None, repr=False)
    taken_at: datetime | None = None
    code: str | None = None
    outcome: str | None = field(default=None, repr=False)


def digest_of(secret: str) -> str:
    """What is stored of a secret of 32 random bytes."""
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


class Flows(Protocol):
    """The operations of a store on flows. Each raises `Unavailable` when the store does not answer."""

    def add(self, flow: Flow) -> None:
        """Store a new one."""

    def keep_answer(self, flow_id: str, answer: str, now: datetime) -> bool:
        """Keep what the provider posted; False if there is an answer already, or no such flow that waits for one."""

    def take(self, flow_id: str, browser: str, now: datetime) -> Flow | None:
        """Set `taken_at` of one that this browser began, that has not expired, and is not taken yet; None for any
        other. One atomic conditional write: of concurrent callers one gets it."""

    def finish(self, flow_id: str, code: str, outcome: str, expires_at: datetime) -> bool:
        """Give one that is taken its code, its outcome and a new end; False if it has a code, or is gone."""

    def redeem(self, code: str) -> Flow | None:
        """Delete the one with this code, and return it, expired or not; None if it is gone. Of concurrent callers one
        gets it."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` of a user; returns how many."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` whose `expires_at` has passed; returns how many."""
