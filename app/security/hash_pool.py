"""The threads that hash passwords: few, with a short queue in front.

Hashing is the one costly thing this service does. A pool of its own keeps a storm of logins from starving the
requests that only carry a token: what does not fit, or would not begin in time, is refused at once with 503
`overloaded`. What waits costs a request thread and no memory of the hash; only the threads here take that.
"""

from __future__ import annotations

import math
import random
import time
from concurrent.futures import CancelledError
from contextlib import suppress
from contextvars import copy_context
from threading import Lock
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from app.platform import client, deadline
from app.platform.errors import Overloaded
from app.platform.instrumentation import NOBODY
from app.platform.threads import ModestPool

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

    from app.platform.instrumentation import HashRefusal, Observer

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
_WEIGHT = 0.2
"""Of the latest job in the mean time of a job: that of the last ten or so counts."""


class _GoneError(Exception):
    """The client left while its password waited."""


class HashPool:
    """Runs at most `threads` jobs, while at most `queue` jobs wait, none longer than `deadline` seconds.

    Threads start with the first job, so a pool may be built before a fork and used after it.
    """

    def __init__(
        self,
        *,
        threads: int,
        queue: int,
        deadline: float,
        observer: Observer = NOBODY,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._executor = ModestPool(max_workers=threads, thread_name_prefix="password-hash")
        self._threads = threads
        self._room = threads + queue
        self._deadline = deadline
        self._observer = observer
        self._clock = clock
        self._admitted = 0
        self._job_seconds = 0.0
        """What a job has taken lately; 0 before the first has ended."""
        self._lock = Lock()

    def run(
        self, function: Callable[Parameters, Result], *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Result:
        """Run the function in the pool; returns its result, or raises what it raised.

        Raises Overloaded if the queue is full, or moves so slowly that the job would not begin within `deadline`
        seconds; if the pool is closed; if the job has waited that long without being started; or if by its turn the
        client has left (`platform.client`). The function is then never called. A job that started in time is finished,
        since its cost is being spent anyway.
        """
        queued_at = self._clock()

        def job() -> Result:
            if waits and client.has_gone():
                raise _GoneError
            began = self._clock()
            self._observer.hash_began(began - queued_at)
            try:
                return function(*args, **kwargs)
            finally:
                self._note(self._clock() - began)

        with self._observer.hashing(), deadline.paused():
            with self._lock:
                waits = self._admitted >= self._threads
                if self._admitted >= self._room or (waits and self._expected_wait() > self._deadline):
                    raise self._overloaded("queue_full" if self._room else "closed")
                self._observer.hash_queued()
                future = self._executor.submit(copy_context().run, job)  # a trace continues in the pool's thread
                self._admitted += 1
            try:
                return self._outcome(future)
            except _GoneError:
                raise self._overloaded("gone") from None
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

    def _expected_wait(self) -> float:
        """The seconds after which a job that is admitted now would begin; 0 as long as no job has ended."""
        return (self.waiting + 1) * self._job_seconds / self._threads

    def _note(self, seconds: float) -> None:
        """Take a job that took so long into the mean."""
        with self._lock:
            self._job_seconds += (seconds - self._job_seconds) * (_WEIGHT if self._job_seconds else 1)

    def _overloaded(self, reason: HashRefusal) -> Overloaded:
        self._observer.hash_refused(reason)
        # Around the time that the queue takes, but not all at the same time: they would meet a full queue again, and
        # leave an empty one until then. By the deadline all that is in it now has been started or refused.
        wait = min(self._expected_wait() or self._deadline, self._deadline)
        return Overloaded(retry_after=max(1, math.ceil(wait * random.uniform(0.5, 1.5))))  # noqa: S311 - no secret
