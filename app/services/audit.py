"""Writing down what happened to an account, for its owner and for whoever has to find out later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from app.errors import Unavailable
from app.models.event import AuditEvent
from app.models.identifiers import new_id
from app.models.session import LONGEST_USER_AGENT

if TYPE_CHECKING:
    from datetime import timedelta

    from app.clock import Clock
    from app.models.event import Events
    from app.services.devices import Device

_log = structlog.get_logger("latchkey.audit")


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events of a user, the newest first; `next` is the identifier to go on behind, None at the end."""

    events: list[AuditEvent]
    next: str | None


@dataclass(frozen=True, slots=True)
class Audit:
    """Records events and shows them. They are kept for `kept`."""

    events: Events
    clock: Clock
    kept: timedelta

    def record(self, user_id: str, action: str, device: Device | None = None, **details: str) -> None:
        """Write an event down, after what it tells of was done: a store that fails now leaves it to the log alone."""
        now = self.clock()
        event = AuditEvent(
            id=new_id(),
            user_id=user_id,
            action=action,
            at=now,
            ip=device.ip if device else None,
            user_agent=device.user_agent[:LONGEST_USER_AGENT] if device else None,
            expires_at=now + self.kept,
            details=details,
        )
        try:
            self.events.add(event)
        except Unavailable:
            _log.exception("event lost", action=action, user_id=user_id, ip=event.ip, **details)
        else:
            _log.info("event", action=action, user_id=user_id, ip=event.ip, **details)

    def page(self, user_id: str, *, before: str | None, limit: int) -> EventPage:
        """Up to `limit` events of a user, those older than the event `before`."""
        events = self.events.page(user_id, before=before, limit=limit + 1)
        page = events[:limit]
        return EventPage(page, page[-1].id if len(events) > limit else None)
