"""Metrics for Prometheus."""

from __future__ import annotations

from app.platform.errors import NotFound
from app.platform.instrumentation import Exposition
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import public
from app.web.result import File


@endpoint(
    "GET /metrics",
    access=public,
    operation="getMetrics",
    any_host=True,
    probe=True,
    returns=File,
    media_type="*/*",
    raises=(NotFound,),
)
def metrics(call: Call) -> File:
    """Metrics for Prometheus: as text, or as OpenMetrics for clients that accept it.

    Only clients that connect from a network in `METRICS_ALLOW`, and not through a proxy, get them; all others get 404.
    """
    measured = call.find(Exposition)
    if measured is None or not call.came_from(call.settings.monitoring.metrics_allow):
        raise NotFound
    content, media_type = measured.render(call.header("Accept"))
    return File(content, media_type)
