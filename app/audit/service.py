"""Records what happened to an account, for its owner and for later investigation."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import structlog

from app.audit.model import AuditEvent
from app.platform import pieces
from app.platform.devices import LONGEST_USER_AGENT
from app.platform.errors import Unavailable
from app.platform.identifiers import derived_id, new_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime, timedelta

    from app.audit.model import Events
    from app.platform.clock import Clock
    from app.platform.devices import Device

_log = structlog.get_logger("latchkey.audit")


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events of a user, the newest first; the next page starts after the identifier `next`, None at the end."""

    events: list[AuditEvent]
    next: str | None


@dataclass(frozen=True, slots=True)
class Audit:
    """Records and lists events. They expire after `kept`."""

    events: Events
    clock: Clock
    kept: timedelta

    def event(
        self, user_id: str, action: str, device: Device | None = None, *, actor_id: str | None = None, **details: str
    ) -> AuditEvent:
        """A new event, to be stored in the write of the change that it records, and then `tell`-ed.

        `actor_id` is who did it, if that is another user.
        """
        return replace(self._event(new_id(), user_id, action, device, details), actor_id=actor_id)

    def tell(self, events: Iterable[AuditEvent]) -> None:
        """Write a line of the log for each event that was stored."""
        for event in events:
            _log.info("event", **_facts(event))

    def record(
        self, user_id: str, action: str, device: Device | None = None, *, actor_id: str | None = None, **details: str
    ) -> None:
        """Record an event that changes nothing else in the store: if the store fails now, only the log has it.

        For a deleted user nothing is written, neither here nor to the log.
        """
        self._record(self.event(user_id, action, device, actor_id=actor_id, **details))

    def record_once(
        self, user_id: str, action: str, device: Device, *, since: datetime, subject: str, **details: str
    ) -> None:
        """Record an event that a client can repeat as often as it likes only once for `since` and `subject`.

        The identifier of the event is derived from `since`, `action` and `subject`, so that the store refuses a second
        one.
        """
        derived = derived_id(int(since.timestamp() * 1000), f"{action} {subject}")
        self._record(self._event(derived, user_id, action, device, details))

    def erase(self, user_id: str) -> Iterator[None]:
        """Take all but the identifier from the events of a user who is deleted, a piece at each step; idempotent."""
        behind: str | None = None
        while behind := self.events.anonymise_some(user_id, after=behind, limit=pieces.AT_ONCE):
            yield

    def gather(self) -> int:
        """Put events among the others that a crash left with the account of their change; returns how many."""
        return self.events.gather(self.clock(), pieces.AT_ONCE)

    def events_of(self, user_id: str, *, before: str | None, limit: int) -> EventPage:
        """Up to `limit` events of a user that are older than the event `before`."""
        events = self.events.page_of(user_id, before=before, limit=limit + 1)
        page = events[:limit]
        return EventPage(page, page[-1].id if len(events) > limit else None)

    def _record(self, event: AuditEvent) -> None:
        try:
            kept = self.events.record(event)
        except Unavailable:
            _log.exception("event lost", **_facts(event))
        else:
            if kept:
                self.tell([event])

    def _event(
        self, event_id: str, user_id: str, action: str, device: Device | None, details: dict[str, str]
    ) -> AuditEvent:
        now = self.clock()
        return AuditEvent(
            id=event_id,
            user_id=user_id,
            action=action,
            at=now,
            ip=device.ip if device else None,
            user_agent=device.user_agent[:LONGEST_USER_AGENT] if device else None,
            expires_at=now + self.kept,
            details=details,
        )


def _facts(event: AuditEvent) -> dict[str, str | None]:
    """What the log says of an event."""
    actor = {"actor_id": event.actor_id} if event.actor_id else {}
    return {"action": event.action, "user_id": event.user_id, "ip": event.ip, **actor, **event.details}
