"""The threads that hash passwords: few, with a short queue in front.

Hashing is the one costly thing this service does. A pool of its own keeps a storm of logins from starving the
requests that only carry a token: what does not fit is refused at once, with 503 `overloaded`.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from contextvars import copy_context
from threading import Lock
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from app.platform import deadline
from app.platform.errors import Overloaded
from app.platform.instrumentation import NOBODY
from app.platform.threads import ModestPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from app.platform.instrumentation import HashRefusal, Observer

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class HashPool:
    """Runs at most `threads` jobs, while at most `queue` jobs wait, none longer than `deadline` seconds.

    Threads start with the first job, so a pool may be built before a fork and used after it.
    """

    def __init__(self, *, threads: int, queue: int, deadline: float, observer: Observer = NOBODY) -> None:
        self._executor = ModestPool(max_workers=threads, thread_name_prefix="password-hash")
        self._threads = threads
        self._room = threads + queue
        self._deadline = deadline
        self._observer = observer
        self._admitted = 0
        self._lock = Lock()

    def run(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Run the function in the pool; returns its result, or raises what it raised.

        Raises Overloaded if the queue is full, the pool is closed, or the job has waited for `deadline` seconds without
        being started. The function is then never called. A job that started in time is finished, since its cost is
        being spent anyway.
        """
        queued_at = time.perf_counter()

        def job() -> Result:
            self._observer.hash_began(time.perf_counter() - queued_at)
            return function(*args, **kwargs)

        with self._observer.hashing(), deadline.paused():
            with self._lock:
                if self._admitted >= self._room:
                    raise self._overloaded("queue_full" if self._room else "closed")
                self._observer.hash_queued()
                future = self._executor.submit(copy_context().run, job)  # a trace continues in the pool's thread
                self._admitted += 1
            try:
                return self._outcome(future)
            finally:
                with self._lock:
                    self._admitted -= 1

    @property
    def waiting(self) -> int:
        """How many jobs are admitted and not yet running."""
        return max(0, self._admitted - self._threads)

    def close(self) -> None:
        """Refuse the jobs that wait and all later ones, finish those that run, and end the threads."""
        with self._lock:
            self._room = 0
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _outcome(self, future: Future[Result]) -> Result:
        """The outcome of a job, once it is done; raises Overloaded if it did not start within the deadline."""
        with suppress(TimeoutError, CancelledError):
            return future.result(timeout=self._deadline)
        if future.cancel():
            raise self._overloaded("deadline")
        # The job started in time, or the function itself raised TimeoutError.
        return future.result()

    def _overloaded(self, reason: HashRefusal) -> Overloaded:
        self._observer.hash_refused(reason)
        # By then every job that is in the queue now has been started or refused.
        return Overloaded(retry_after=math.ceil(self._deadline))
