"""Initial access tokens, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class RegistrationToken:
    """A token that some clients may be registered with.

    The token itself is not kept: `id` is its digest (SHA-256), 64 hexadecimal digits.
    """

    id: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    uses_left: int


class RegistrationTokens(Protocol):
    """The operations of a store on initial access tokens. Each raises `Unavailable` when the store does not answer."""

    def add(self, token: RegistrationToken) -> None:
        """Store a new token."""

    def use(self, token_id: str, now: datetime) -> bool:
        """Take one of its uses.

        One atomic conditional write: False, and nothing changed, if none is left, or it has expired, or is unknown. So
        of any number at once only as many get True as there were uses.
        """

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` expired tokens; returns how many."""
