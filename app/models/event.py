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
        """Keep a new event."""

    def page(self, user_id: str, *, before: str | None, limit: int) -> list[AuditEvent]:
        """Up to `limit` events of a user, the newest first (by identifier), those older than `before`."""

    def anonymise(self, user_id: str) -> int:
        """Take address, device and details from all events of a user, so that his identifier alone is left.

        How many events it met.
        """

    def purge(self, now: datetime, limit: int) -> int:
        """Delete up to `limit` events that have expired; how many they were."""
