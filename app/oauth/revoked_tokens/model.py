"""Revoked tokens, and the operations of a store on them.

Only a token without a session is kept here: any other is revoked by the end of its session.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


class RevokedTokens(Protocol):
    """The operations of a store on revoked tokens. Each raises `Unavailable` when the store does not answer."""

    def add(self, token_id: str, expires_at: datetime) -> None:
        """Keep that the token with this `jti` is revoked, until it has expired anyway. Again is harmless."""

    def has(self, token_id: str) -> bool:
        """Whether the token with this `jti` was revoked."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` that have expired; returns how many."""
