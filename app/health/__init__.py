"""Health checks: whether the service is alive, and whether it is ready for requests."""

from __future__ import annotations

from app.feature import Feature, Tag
from app.health import controller
from app.health.service import HealthService
from app.store.store import Store

FEATURE = Feature(
    tags=(
        Tag(
            "health",
            "Signs of life.",
            (controller.health, controller.auth_health, controller.live, controller.ready, controller.ping),
        ),
    ),
    services={HealthService: lambda parts: HealthService(parts.get(Store))},
)
