"""Audit events: what happened to an account, when, and from where."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One event; `action` is named like "password.changed". Never holds a secret."""

    id: str
    user_id: str
    action: str
    at: datetime
    ip: str | None
    user_agent: str | None
    expires_at: datetime
    details: Mapping[str, str] = field(default_factory=dict)
    """Shown to the user: so never the identifier or the address of another."""
    actor_id: str | None = None
    """Who did it, if that is another user; then address and device are theirs."""


class Events(Protocol):
    """The operations of a store on audit events. Each raises `Unavailable` when the store does not answer."""

    def add(self, event: AuditEvent) -> None:
        """Store a new event, even if its user was deleted: so it must hold no personal data but their identifier."""

    def record(self, event: AuditEvent) -> bool:
        """Store a new event if its user exists and is not deleted; returns whether it was stored.

        False also if the identifier is in use. If the user is deleted at the same time, nothing of them remains: either
        the deletion finds the event, or this finds the user deleted.
        """

    def page_of(self, user_id: str, *, before: str | None, limit: int) -> list[AuditEvent]:
        """Up to `limit` events of a user that are older than `before`, newest first (by identifier)."""

    def anonymise_some(self, user_id: str, *, after: str | None, limit: int) -> str | None:
        """Remove all but identifiers (so address, device and details) from up to `limit` events of a user.

        It takes the events after `after`, in the order of their identifiers. Returns the identifier to continue after,
        None at the end.
        """

    def gather(self, now: datetime, limit: int) -> int:
        """Put events among the others that a crash left with the account of their change; returns how many.

        It takes up to `limit` accounts, and leaves what is so new at `now` that its own request does it. Whoever reads
        or anonymises the events of a user finds these, too; so this may come late.
        """

    def delete_expired(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` expired events; returns how many."""
