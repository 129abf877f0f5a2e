"""What happened to all accounts, for those who look after them."""

from __future__ import annotations

from app.audit.inputs import SearchEvents
from app.audit.service import Audit
from app.audit.views import AuditedEvent, AuditedEventList
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import permission


@endpoint(
    "GET /admin/audit",
    access=permission("audit:read").by("session", "api_key"),
    operation="searchAuditEvents",
    query=SearchEvents,
    returns=AuditedEventList,
)
def search(call: Call, query: SearchEvents) -> AuditedEventList:
    """The audit events of all users, newest first: those about a user, of an action, or since a time.

    `flask audit verify` checks that none was changed or removed.
    """
    page = call.get(Audit).search(query.wanted, before=query.before, limit=query.limit)
    return AuditedEventList(
        events=[AuditedEvent.of(event) for event in page.events], next=query.cursor_behind(page.next)
    )
