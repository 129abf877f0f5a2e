"""The number of waiting mails, read from the store with the metrics: if it is down, only this gauge is missing."""

from __future__ import annotations

import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import GaugeMetricFamily, Metric

from app.platform.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

PATIENCE: Final = 1.5
"""Seconds that the store has to answer; Prometheus waits for 10."""
KEPT_FOR: Final = 10
"""Seconds for which an answer is reused for every request."""


class MailQueue:
    """A collector of the result of `count`. At most one query runs, so a store that hangs blocks one thread."""

    def __init__(self, count: Callable[[], int]) -> None:
        self._count = count
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="mail-queue")
        self._lock = Lock()
        self._asked: Future[int] | None = None
        self._fresh_until = 0.0

    def collect(self) -> Iterable[Metric]:
        """The gauge; nothing when the store does not answer in time."""
        try:
            waiting = self._question().result(timeout=PATIENCE)
        except (Unavailable, TimeoutError, CancelledError, RuntimeError):
            return []
        return [GaugeMetricFamily("latchkey_mail_queue", "Accounts and requests that wait for mail.", value=waiting)]

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _question(self) -> Future[int]:
        """The query that runs, or the last one if its answer is fresh. Raises RuntimeError after `close`."""
        with self._lock:
            asked, now = self._asked, time.monotonic()
            if asked is None or (asked.done() and (now >= self._fresh_until or asked.exception() is not None)):
                asked = self._asked = self._executor.submit(self._count)
                self._fresh_until = now + KEPT_FOR
            return asked
