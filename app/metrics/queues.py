"""How much waits in a queue, read from the store with the metrics: if it is down, only these gauges are missing."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from concurrent.futures import Future

    from app.feature import Queue

PATIENCE: Final = 1.5
"""Seconds that the store has to answer; Prometheus waits for 10."""
KEPT_FOR: Final = 10
"""Seconds for which an answer is reused for every request."""


class QueueGauge:
    """A collector of the length of a queue. At most one query runs, so a store that hangs blocks one thread."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix=queue.name)
        self._lock = Lock()
        self._asked: Future[int] | None = None
        self._fresh_until = 0.0

    def collect(self) -> Iterable[Metric]:
        """The gauge; nothing when the store does not answer in time."""
        try:
            waiting = self._question().result(timeout=PATIENCE)
        except (Unavailable, TimeoutError, CancelledError, RuntimeError):
            return []
        return [GaugeMetricFamily(self._queue.name, self._queue.description, value=waiting)]

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _question(self) -> Future[int]:
        """The query that runs, or the last one if its answer is fresh. Raises RuntimeError after `close`."""
        with self._lock:
            asked, now = self._asked, time.monotonic()
            if asked is None or (asked.done() and (now >= self._fresh_until or asked.exception() is not None)):
                asked = self._asked = self._executor.submit(self._queue.waiting)
                self._fresh_until = now + KEPT_FOR
            return asked
