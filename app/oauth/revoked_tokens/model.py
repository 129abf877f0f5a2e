"""Revoked tokens, and the operations of a store on them.

Only a token without a session of its client is kept here: any other is revoked by the end of its session. So is the
digest of each assertion that a client authenticated with, and that of each proof of a key (RFC 9449), since they serve
once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class RevokedTokens(Protocol):
    """The operations of a store on revoked tokens. Each raises `Unavailable` when the store does not answer."""

    def add(self, token_id: str, expires_at: datetime) -> bool:
        """Keep that the token with this `jti` is revoked, until it has expired anyway.

        Again is harmless. False if it was kept before, as for all but one of those who add it at once.
        """

    def has(self, token_id: str) -> bool:
        """Whether the token with this `jti` was revoked."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` that have expired; returns how many."""
