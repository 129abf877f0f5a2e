"""Metrics for Prometheus. Its library is loaded only where `METRICS_ALLOW` is set, which saves memory."""

from app.feature import Feature, Tag
from app.metrics import controller

FEATURE = Feature(tags=(Tag("metrics", "Metrics for Prometheus.", (controller.metrics,)),))
