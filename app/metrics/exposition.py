"""The metrics, in the formats that Prometheus reads."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, exposition
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.openmetrics import exposition as openmetrics

from app.metrics.counts import Counts
from app.metrics.queues import QueueGauge
from app.metrics.sharing import Sharing
from app.metrics.workers import WorkerUsage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.feature import Queue


class Metrics:
    """All metrics: of all workers if they share them, else of this process."""

    def __init__(self, version: str) -> None:
        """`version` is the version of the service."""
        self._sharing = Sharing.begun
        self._registry = CollectorRegistry()
        if self._sharing is None:
            self.counts = Counts(self._registry)
            self._registry.register(WorkerUsage(lambda: {"0": os.getpid()}))
        else:
            self.counts = Counts(None)
            self._registry.register(self._sharing)
            self._registry.register(WorkerUsage(self._sharing.workers))
        self._registry.register(_BuildInfo(version))
        self._queues: list[QueueGauge] = []

    def watch(self, queue: Queue) -> None:
        """Report how much waits in a queue."""
        gauge = QueueGauge(queue)
        self._queues.append(gauge)
        self._registry.register(gauge)

    def start(self) -> None:
        """Register this process as a worker; call it after the fork."""
        if self._sharing is not None:
            self._sharing.mine()

    def render(self, accept: str) -> tuple[bytes, str]:
        """All metrics, and their media type: OpenMetrics if `accept` names it, else Prometheus's older text format."""
        if "application/openmetrics-text" in accept:
            return openmetrics.generate_latest(self._registry), openmetrics.CONTENT_TYPE_LATEST
        return exposition.generate_latest(self._registry), exposition.CONTENT_TYPE_PLAIN_0_0_4

    def close(self) -> None:
        """End the threads."""
        for gauge in self._queues:
            gauge.close()


class _BuildInfo:
    """A collector of the version that runs."""

    def __init__(self, version: str) -> None:
        self._version = version

    def collect(self) -> Iterable[Metric]:
        info = GaugeMetricFamily("latchkey_build_info", "The version that runs.", labels=["version"])
        info.add_metric([self._version], 1)
        return [info]
