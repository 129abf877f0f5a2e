"""Authorization requests that are kept, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class StoredRequest:
    """An authorization request: its parameters as they were sent, to be checked again whenever they are used.

    Its secret is not kept: `id` is the digest, 64 hexadecimal digits. A `pushed` one came from its client, which had
    authenticated (RFC 9126).
    """

    id: str
    client_id: str
    parameters: Mapping[str, tuple[str, ...]]
    created_at: datetime
    expires_at: datetime
    pushed: bool = False


class StoredRequests(Protocol):
    """The operations of a store on them. Each raises `Unavailable` when the store does not answer."""

    def add(self, request: StoredRequest) -> None:
        """Store a new one."""

    def find(self, request_id: str, now: datetime) -> StoredRequest | None:
        """One that has not expired."""

    def take(self, request_id: str, now: datetime) -> bool:
        """Delete one that has not expired; False if there is none. Of concurrent callers one succeeds."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` whose `expires_at` has passed; returns how many."""
