"""Audit events: what users can see of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.audit.service import Audit
from app.audit.views import EventList, EventView
from app.platform import pieces
from app.platform.errors import Unavailable
from app.web.endpoint import Call, endpoint
from app.web.export import exporter
from app.web.guard import authenticated
from app.web.paging import Page

if TYPE_CHECKING:
    from collections.abc import Iterator


@endpoint(
    "GET /auth/events",
    access=authenticated,
    operation="listEvents",
    query=Page,
    returns=EventList,
    raises=(Unavailable,),
)
def events(call: Call, page: Page) -> EventList:
    """The user's own audit events, newest first."""
    return EventList.of(call.get(Audit).page(call.user.id, before=page.cursor, limit=page.limit))


@exporter("events", EventView)
def exported_events(call: Call) -> Iterator[list[EventView]]:
    """The user's own audit events, newest first."""
    before: str | None = None
    while True:
        page = call.get(Audit).page(call.user.id, before=before, limit=pieces.EXPORTED_AT_ONCE)
        yield EventList.of(page).events
        if (before := page.next) is None:
            return
