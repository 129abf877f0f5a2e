"""Metrics for Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flask import current_app, request

from app.platform.errors import NotFound
from app.web.endpoint import Call, File, endpoint
from app.web.guard import comes_straight_from, public
from app.web.pages import site

if TYPE_CHECKING:
    from app.metrics.exposition import Metrics


@endpoint(
    "GET /metrics",
    access=public,
    operation="getMetrics",
    any_host=True,
    returns=File,
    media_type="*/*",
    raises=(NotFound,),
)
def metrics(_call: Call) -> File:
    """Metrics for Prometheus: as text, or as OpenMetrics for clients that accept it.

    Only clients that connect from a network in `METRICS_ALLOW`, and not through a proxy, get them; all others get 404.
    """
    measured = cast("Metrics | None", current_app.extensions["metrics"])
    if measured is None or not comes_straight_from(site().settings.monitoring.metrics_allow, request):
        raise NotFound
    content, media_type = measured.render(request.headers.get("Accept", ""))
    return File(content, media_type)
