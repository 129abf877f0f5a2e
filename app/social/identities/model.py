"""Accounts at providers, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class Identity:
    """An account at a provider, by issuer and subject, which no two rows share: `digest` is that of both.

    It leads to a user only while their account lists it (`app.accounts.under_way.ListedIdentity`). `provider` is the
    identifier of the provider here, and `email` the address that it gave when the identity was linked: it is only
    shown.
    """

    id: str
    digest: str
    user_id: str
    provider: str
    issuer: str
    subject: str
    email: str | None
    created_at: datetime
    last_used_at: datetime | None = None


def digest_of(issuer: str, subject: str) -> str:
    """The key of an identity, 64 hexadecimal digits. No issuer has a line end in it."""
    return sha256(f"{issuer}\n{subject}".encode("utf-8", "surrogatepass")).hexdigest()


class Identities(Protocol):
    """The operations of a store on identities. Each raises `Unavailable` when the store does not answer."""

    def add(self, identity: Identity) -> bool:
        """Store a new one; False if there is one of this digest already. Of concurrent callers one succeeds."""

    def find(self, digest: str) -> Identity | None:
        """The one of this digest."""

    def of_user(self, user_id: str) -> list[Identity]:
        """Those of a user, the oldest first."""

    def touch(self, identity_id: str, now: datetime) -> None:
        """Set `last_used_at`, if it is there."""

    def remove(self, identity_id: str) -> None:
        """Delete one, if it is there."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` of a user; returns how many."""
