"""The memory and processor time of each worker, read from /proc on request."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from app.metrics.sharing import stat_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TIMES: Final = slice(11, 13)
"""The positions of the processor time in user and in system mode in the result of `stat_of`."""


class WorkerUsage:
    """A collector of memory and processor time; `workers` returns the process ids of live workers by number."""

    def __init__(self, workers: Callable[[], dict[str, int]]) -> None:
        self._workers = workers

    def collect(self) -> Iterable[Metric]:
        """Both metrics for every live worker; nothing on a system without /proc."""
        memory = GaugeMetricFamily(
            "latchkey_worker_resident_memory_bytes", "Memory of a worker, shared pages included.", labels=["worker"]
        )
        processor = CounterMetricFamily(
            "latchkey_worker_cpu_seconds", "Processor time of a worker since its start.", labels=["worker"]
        )
        for number, pid in sorted(self._workers().items()):
            try:
                pages, stat = Path(f"/proc/{pid}/statm").read_text().split()[1], stat_of(pid)
            except OSError:  # it ended meanwhile
                continue
            memory.add_metric([number], int(pages) * os.sysconf("SC_PAGE_SIZE"))
            ticks = sum(map(int, stat[_TIMES]))
            processor.add_metric([number], ticks / os.sysconf("SC_CLK_TCK"))
        return [memory, processor]
