"""Authorization codes, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import datetime

KEPT: Final = timedelta(hours=1)
"""How long a code is kept behind its expiry, so that a second use still ends what the first opened."""


@dataclass(frozen=True, slots=True)
class Code:
    """A code that a client exchanges for a session of a user.

    The code itself is not kept: `id` is the digest, 64 hexadecimal digits. It is worth nothing in another epoch of the
    account. `challenge` is that of PKCE (RFC 7636, S256). `parent_id` is the page session that it was given in:
    once that has ended, the code is worth nothing. `authenticated_at` and `amr` are those of that page session.
    """

    id: str
    user_id: str
    auth_epoch: int
    client_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    resources: tuple[str, ...]
    challenge: str
    authenticated_at: datetime
    amr: str
    created_at: datetime
    expires_at: datetime
    first_party: bool = False
    redirect_uri_sent: bool = True
    """Whether the authorization request named the redirect URI."""
    parent_id: str | None = None
    nonce: str | None = None
    used_at: datetime | None = None
    session_id: str | None = None
    """The session that it opened, or is about to open: set with `used_at`."""
    reused_at: datetime | None = None
    """When it came for the second time."""
    dpop_jkt: str | None = None
    """The thumbprint of the key that the token request has to prove (RFC 9449 section 10); None if it needs none."""


class Opened(NamedTuple):
    """The session that a code opened, or is about to."""

    session_id: str
    user_id: str


class Codes(Protocol):
    """The operations of a store on codes. Each raises `Unavailable` when the store does not answer."""

    def add(self, code: Code) -> bool:
        """Store a new one; False, and nothing is stored, if its user is not active or in another epoch."""

    def find(self, code_id: str) -> Code | None:
        """One, used and expired or not: to explain why it is refused."""

    def spend(self, code_id: str, client_id: str, session_id: str, now: datetime) -> Code | None:
        """Use one up for the session `session_id`, which is opened next; None for any other than an unused one of this
        client that has not expired. One atomic conditional write: of concurrent callers one gets it."""

    def note_reuse(self, code_id: str, client_id: str, now: datetime) -> Opened | None:
        """Mark a used one as used twice; returns what it opened, None if it was not used, or is not this client's.

        Whoever opens the session asks `was_reused` afterwards, and whoever calls this ends the session afterwards. So
        in either order it ends.
        """

    def was_reused(self, code_id: str) -> bool:
        """Whether `note_reuse` has marked it."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` of a user; returns how many."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` that expired more than KEPT ago; returns how many."""
