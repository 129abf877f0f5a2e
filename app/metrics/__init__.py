"""What is measured, for Prometheus: its library is imported only where METRICS_ALLOW is set, to save memory."""

from app.feature import Feature, Tag
from app.metrics import controller

FEATURE = Feature(tags=(Tag("metrics", "Metrics for Prometheus.", (controller.metrics,)),))
