"""Secrets of authenticator apps, and the operations of a store on them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class TotpSecret:
    """The secret of an authenticator app, sealed under the SECRET_KEY that `wrapped_by` names.

    `last_step` is the last time step that was spent (RFC 6238 section 5.2), and `last_used_at` says when; None before
    the first. One that was never used is kept until `expires_at`.
    """

    id: str
    user_id: str
    wrapped_by: str
    sealed: str = field(repr=False)
    expires_at: datetime | None = None
    last_step: int | None = None
    last_used_at: datetime | None = None


class TotpSecrets(Protocol):
    """The operations of a store on these secrets. Each raises `Unavailable` when the store does not answer."""

    def add(self, secret: TotpSecret) -> None:
        """Store a new one; nobody lists it if the user is gone, and SQL does not even store it then."""

    def get(self, secret_id: str) -> TotpSecret | None:
        """The one of this identifier, expired or not."""

    def spend(self, secret_id: str, step: int, now: datetime) -> bool:
        """Set `last_step`, if it is earlier or None, and `last_used_at`; from then on the secret does not expire.

        False if this step or a later one is spent, or if there is no such secret. One atomic conditional write: of
        concurrent callers with one step exactly one succeeds.
        """

    def reseal(self, seen: TotpSecret, sealed: str, wrapped_by: str) -> bool:
        """Replace what is sealed, if it is still that of `seen`; False if it has changed or is gone."""

    def sealed_otherwise(self, wrapped_by: str, *, after: str, limit: int) -> list[TotpSecret]:
        """Up to `limit` that are not sealed under this SECRET_KEY, and whose `id` is behind `after`, in its order."""

    def seals(self) -> dict[str, int]:
        """How many each SECRET_KEY seals, by its name."""

    def remove(self, secret_id: str) -> None:
        """Delete one, if it is there."""

    def remove_some_of(self, user_id: str, limit: int) -> int:
        """Delete up to `limit` of a user; returns how many."""

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` whose `expires_at` has passed; returns how many."""
