"""Records what happened to an account, for its owner and for later investigation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import structlog

from app.audit.model import SUCCESS, AuditEvent, Place
from app.hooks import Event
from app.platform import pieces
from app.platform.devices import LONGEST_USER_AGENT
from app.platform.errors import Unavailable
from app.platform.identifiers import derived_id, new_id
from app.platform.log import told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime, timedelta

    from app.audit.model import Events, Search
    from app.audit.signatures import Signer
    from app.hooks.calls import Hooks
    from app.platform.clock import Clock
    from app.platform.devices import Device

_WRITTEN_BY_CLIENTS: Final = frozenset({"reason"})
"""Details that the log leaves out: it holds nothing that a client wrote."""
_log = structlog.get_logger("latchkey.audit")


@dataclass(frozen=True, slots=True)
class EventPage:
    """Some events of a user, the newest first; the next page starts after the identifier `next`, None at the end."""

    events: list[AuditEvent]
    next: str | None


@dataclass(frozen=True, slots=True)
class FoundPage:
    """Some of the events that were looked for, newest first; the next page begins behind `next`, None at the end."""

    events: list[AuditEvent]
    next: Place | None


@dataclass(frozen=True, slots=True)
class Audit:
    """Records and lists events. They are signed, so none is changed after it was made. They expire after `kept`."""

    events: Events
    clock: Clock
    kept: timedelta
    signer: Signer
    hooks: Hooks | None = None

    def event(
        self,
        user_id: str,
        action: str,
        device: Device | None = None,
        *,
        actor_id: str | None = None,
        outcome: str = SUCCESS,
        **details: str,
    ) -> AuditEvent:
        """A new event, to be stored in the write of the change that it records, and then `tell`-ed.

        `actor_id` is who did it, if that is another user.
        """
        return self._event(new_id(), user_id, action, device, actor_id=actor_id, outcome=outcome, details=details)

    def tell(self, events: Iterable[AuditEvent]) -> None:
        """Write a line of the log for each event that was stored, and have the hooks learn of it."""
        for event in events:
            _log.info("event", **_facts(event))
            if self.hooks is not None:
                self.hooks.tell(_for_hooks(event))

    def record(
        self,
        user_id: str,
        action: str,
        device: Device | None = None,
        *,
        actor_id: str | None = None,
        outcome: str = SUCCESS,
        **details: str,
    ) -> None:
        """Record an event that changes nothing else in the store: if the store fails now, only the log has it.

        For a deleted user nothing is written, neither here nor to the log.
        """
        self.store(self.event(user_id, action, device, actor_id=actor_id, outcome=outcome, **details))

    def record_once(
        self,
        user_id: str,
        action: str,
        device: Device,
        *,
        since: datetime,
        subject: str,
        outcome: str = SUCCESS,
        **details: str,
    ) -> None:
        """Record an event that a client can repeat as often as it likes only once for `since` and `subject`."""
        self.store(self.event_once(user_id, action, device, since=since, subject=subject, outcome=outcome, **details))

    def event_once(
        self,
        user_id: str,
        action: str,
        device: Device,
        *,
        since: datetime,
        subject: str,
        outcome: str = SUCCESS,
        **details: str,
    ) -> AuditEvent:
        """An event whose identifier is derived from `since`, `action` and `subject`: the store refuses a second one."""
        event_id = derived_id(int(since.timestamp() * 1000), f"{action} {subject}")
        return self._event(event_id, user_id, action, device, actor_id=None, outcome=outcome, details=details)

    def store(self, event: AuditEvent) -> None:
        """Store an event as `record` does."""
        try:
            kept = self.events.record(event)
        except Unavailable:
            _log.exception("event lost", **_facts(event))
        else:
            if kept:
                self.tell([event])

    def erase(self, user_id: str) -> Iterator[None]:
        """Take all but the identifier from the events of a user who is deleted, a piece at each step; idempotent."""
        behind: str | None = None
        while behind := self.events.anonymise_some(user_id, after=behind, limit=pieces.AT_ONCE):
            yield

    def gather(self) -> int:
        """Put events among the others that a crash left with the account of their change; returns how many."""
        return self.events.gather(self.clock(), pieces.AT_ONCE)

    def events_of(self, user_id: str, *, before: str | None, limit: int) -> EventPage:
        """Up to `limit` events of a user whose identifier is less than `before`, newest first."""
        events = self.events.page_of(user_id, before=before, limit=limit + 1)
        page = events[:limit]
        # The identifier of an event that is kept once a minute tells the minute only.
        newest_first = sorted(page, key=lambda event: (event.at, event.id), reverse=True)
        return EventPage(newest_first, page[-1].id if len(events) > limit else None)

    def search(self, wanted: Search, *, before: Place | None, limit: int) -> FoundPage:
        """Up to `limit` of the wanted events that stand before `before`, newest first."""
        events = self.events.search(wanted, before=before, limit=limit + 1)
        page = events[:limit]
        return FoundPage(page, Place(page[-1].at, page[-1].id) if len(events) > limit else None)

    def _event(
        self,
        event_id: str,
        user_id: str,
        action: str,
        device: Device | None,
        *,
        actor_id: str | None,
        outcome: str,
        details: Mapping[str, str],
    ) -> AuditEvent:
        now = self.clock()
        return self.signer.signed(
            AuditEvent(
                id=event_id,
                user_id=user_id,
                action=action,
                at=now,
                ip=device.ip if device else None,
                user_agent=device.user_agent[:LONGEST_USER_AGENT] if device else None,
                expires_at=now + self.kept,
                details=details,
                actor_id=actor_id,
                outcome=outcome,
                request_id=told("request_id"),
            )
        )


def _for_hooks(event: AuditEvent) -> Event:
    return Event(
        id=event.id,
        action=event.action,
        user_id=event.user_id,
        actor_id=event.actor_id,
        at=event.at,
        ip=event.ip,
        user_agent=event.user_agent,
        outcome=event.outcome,
        details=dict(event.details),
    )


def _facts(event: AuditEvent) -> dict[str, str | None]:
    """What the log says of an event."""
    actor = {"actor_id": event.actor_id} if event.actor_id else {}
    outcome = {} if event.outcome == SUCCESS else {"outcome": event.outcome}
    details = {name: text for name, text in event.details.items() if name not in _WRITTEN_BY_CLIENTS}
    return {"action": event.action, "user_id": event.user_id, "ip": event.ip, **actor, **outcome, **details}
