"""How audit events become JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from pydantic import Field

from app.platform.devices import device_name
from app.web.cursors import cursor_behind
from app.web.view import View

if TYPE_CHECKING:
    from app.audit.model import AuditEvent
    from app.audit.service import EventPage


class EventView(View):
    """Something that happened to the account."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    action: str = Field(examples=["password.changed"])
    at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    ip: str | None = Field(examples=["203.0.113.7"], description="Null for events that the service itself caused.")
    device: str | None = Field(examples=["Firefox on Linux"])
    details: dict[str, str] = Field(examples=[{}])

    @classmethod
    def of(cls, event: AuditEvent) -> EventView:
        """What is shown of an event."""
        return cls(
            id=event.id,
            action=event.action,
            at=event.at,
            ip=event.ip,
            device=None if event.user_agent is None else device_name(event.user_agent),
            details=dict(event.details),
        )


class EventList(View):
    """A page of audit events, newest first."""

    events: list[EventView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: EventPage) -> EventList:
        """The data of a reply with a page of events."""
        return cls(events=[EventView.of(event) for event in page.events], next=cursor_behind(page.next))
