"""API keys, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from app.accounts.model import User

KEPT_EXPIRED: Final = timedelta(days=30)
"""How long a key is kept once it has expired, so that whoever still uses it is told so."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of a user, with which a program does what `permissions` and those of the user both allow.

    Its secret is not stored, only its SHA-256: of 256 random bits, that is as good as a slow hash.
    """

    id: str
    user_id: str
    digest: bytes = field(repr=False)
    name: str
    permissions: tuple[str, ...]
    created_at: datetime
    expires_at: datetime
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class FoundKey:
    """A key as it was found, with its user, whatever their status."""

    key: ApiKey
    user: User
    listed: bool
    """Whether the account of the user lists it (`app.accounts.under_way.ListedKey`): if not, it has ended."""
    roles_version: int
    """The version of the roles (`app.roles.model.RoleBook`) at that time."""


class ApiKeys(Protocol):
    """The operations of a store on API keys. Each raises `Unavailable` when the store does not answer.

    A key works only while its user's account lists it; that is written with the account.
    """

    def add(self, key: ApiKey) -> bool:
        """Store a new key; False if there is no such user."""

    def find(self, key_id: str) -> FoundKey | None:
        """The key of this identifier, its user and the version of the roles, in one round trip."""

    def some(self, key_ids: Collection[str]) -> list[ApiKey]:
        """Those of these keys that there are, oldest first."""

    def page(self, *, after: str | None, limit: int) -> list[FoundKey]:
        """Up to `limit` keys of all users after `after`, in the order of their identifiers."""

    def touch(self, key_id: str, now: datetime) -> None:
        """Record that a key was used; `last_used_at` never goes back."""

    def remove(self, key_id: str) -> None:
        """Delete a key, if there is one."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` keys of a user; returns how many."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` keys that expired more than KEPT_EXPIRED ago; returns how many."""
