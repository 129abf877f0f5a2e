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


class Events(Protocol):
    """The verbs of a store for audit events. Each raises `Unavailable` when the store does not answer."""

    def add(self, event: AuditEvent) -> None:
        """Keep a new event, whatever became of its user: so it must hold nothing but their identifier."""

    def record(self, event: AuditEvent) -> bool:
        """Keep a new event if its user is there and not deleted; whether it is kept.

        False also for an identifier that is in use. Of a user who is deleted at the same time nothing remains: the
        deletion finds the event, or this finds the user deleted.
        """

    def page(self, user_id: str, *, before: str | None, limit: int) -> list[AuditEvent]:
        """Up to `limit` events of a user, the newest first (by identifier), those older than `before`."""

    def anonymise_some(self, user_id: str, *, after: str | None, limit: int) -> str | None:
        """Take address, device and details from up to `limit` events of a user, so that their identifier alone is left.

        They are taken in the order of their identifiers, those behind `after`. Gives the one to go on behind, None at
        the end.
        """

    def purge(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` events that have expired; how many they were."""
