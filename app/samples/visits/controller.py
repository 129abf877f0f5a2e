"""A sample: a count of visits."""

from __future__ import annotations

from app.samples.visits.service import VisitService
from app.samples.visits.views import VisitCount
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import authenticated


@endpoint(
    "GET /api/count",
    access=authenticated.by("session", "impersonation", "api_key"),
    operation="countVisit",
    returns=VisitCount,
)
def count(call: Call) -> VisitCount:
    """Count a visit and return the number of visits so far. The count is exact, however many come at once."""
    return VisitCount(visits=call.get(VisitService).count())
