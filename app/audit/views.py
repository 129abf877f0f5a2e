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
    ip: str | None = Field(
        examples=["203.0.113.7"],
        description="Null for events that the service itself caused, and for those of an administrator.",
    )
    device: str | None = Field(examples=["Firefox on Linux"])
    actor: str | None = Field(
        examples=[None],
        description="Null for the user and the service itself; `administrator` for another user, whose identifier,"
        " address and device only callers with `audit:read` see.",
    )
    details: dict[str, str] = Field(examples=[{}])

    @classmethod
    def of(cls, event: AuditEvent, permissions: frozenset[str]) -> EventView:
        """What is shown of an event to a caller with these permissions."""
        hidden = event.actor_id is not None and "audit:read" not in permissions
        return cls(
            id=event.id,
            action=event.action,
            at=event.at,
            ip=None if hidden else event.ip,
            device=None if hidden or event.user_agent is None else device_name(event.user_agent),
            actor="administrator" if hidden else event.actor_id,
            details=dict(event.details),
        )


class EventList(View):
    """A page of audit events, newest first."""

    events: list[EventView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])

    @classmethod
    def of(cls, page: EventPage, permissions: frozenset[str]) -> EventList:
        """The data of a reply with a page of events, to a caller with these permissions."""
        events = [EventView.of(event, permissions) for event in page.events]
        return cls(events=events, next=cursor_behind(page.next))
