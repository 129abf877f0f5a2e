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
    outcome: str = Field(examples=["success"], description="`success`, or `failure` for a login that failed.")
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
            outcome=event.outcome,
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


class AuditedEvent(View):
    """An audit event, as administrators see it."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    action: str = Field(examples=["user.disabled"])
    outcome: str = Field(examples=["success"], description="`success` or `failure`.")
    user_id: str = Field(examples=["019a9d5c-1b2c-7d3e-8f40-5a6b7c8d9e0f"], description="The user it is about.")
    actor_id: str | None = Field(
        examples=["019a9d5b-0a1b-7c2d-9e3f-4a5b6c7d8e9f"],
        description="Who did it, if that is another user. Null for the user, the operator and the service itself.",
    )
    ip: str | None = Field(examples=["203.0.113.7"], description="Where the request came from, if it was one.")
    user_agent: str | None = Field(examples=["Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"])
    device: str | None = Field(examples=["Firefox on Linux"])
    request_id: str | None = Field(
        examples=["9fd6eeefdda32312630d860928468d20"], description="As the log and `X-Request-ID` name the request."
    )
    details: dict[str, str] = Field(examples=[{"reason": "asked by the owner"}])

    @classmethod
    def of(cls, event: AuditEvent) -> AuditedEvent:
        """All of an event that says what happened."""
        return cls(
            id=event.id,
            at=event.at,
            action=event.action,
            outcome=event.outcome,
            user_id=event.user_id,
            actor_id=event.actor_id,
            ip=event.ip,
            user_agent=event.user_agent,
            device=None if event.user_agent is None else device_name(event.user_agent),
            request_id=event.request_id,
            details=dict(event.details),
        )


class AuditedEventList(View):
    """A page of audit events, newest first."""

    events: list[AuditedEvent]
    next: str | None = Field(
        description="The `cursor` of the next page of the same query; null at the end.", examples=[None]
    )
