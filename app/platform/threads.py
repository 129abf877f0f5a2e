"""A pool of threads that makes do with those it has while the system gives it no more."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor


class ModestPool(ThreadPoolExecutor):
    """Python's pool, but a job waits for a thread of the pool if the system has no memory for another one.

    Python's own raises RuntimeError then, although it has queued the job already. This one does so only if the pool
    has no thread at all.
    """

    def _adjust_thread_count(self) -> None:
        try:
            super()._adjust_thread_count()
        except (RuntimeError, MemoryError):
            if not self._threads:
                raise
