"""Background work: each worker has a daemon thread that runs leased jobs when they are due.

A lease lets one worker of all instances do a job; if that worker dies, the lease expires.
"""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog

from app.platform.errors import Unavailable
from app.platform.identifiers import new_id
from app.platform.instrumentation import NOBODY
from app.platform.log import reason_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.feature import Job
    from app.jobs.model import Leases
    from app.platform.clock import Clock
    from app.platform.instrumentation import Observer

LOOK_EVERY = 60
"""Seconds between checks for due jobs."""
_log = structlog.get_logger("latchkey.jobs")


class Jobs:
    """The thread of a worker that runs jobs. Call `start` after the fork."""

    def __init__(self, jobs: Sequence[Job], leases: Leases, clock: Clock, observer: Observer = NOBODY) -> None:
        self._jobs = jobs
        self._leases = leases
        self._clock = clock
        self._observer = observer
        self._holder = ""
        self._stopped = Event()

    def start(self) -> None:
        """Start the thread."""
        self._holder = new_id()
        Thread(target=self._loop, name="jobs", daemon=True).start()

    def stop(self) -> None:
        """Begin no further job."""
        self._stopped.set()

    def run_due(self) -> None:
        """Run every due job that no other worker has taken; a job that fails does not stop the others."""
        for job in self._jobs:
            if self._stopped.is_set():
                return
            now = self._clock()
            with outlived("job", job=job.name):
                if self._leases.take(job.name, holder=self._holder, now=now, until=now + job.every):
                    with self._observer.working(f"job {job.name}"):
                        done = job.run()
                    _log.info("job", job=job.name, done=done)

    def _loop(self) -> None:
        while not self._stopped.wait(LOOK_EVERY):
            self.run_due()


@contextmanager
def outlived(event: str, **facts: str) -> Iterator[None]:
    """Log an error raised inside, with its cause, and go on: no error ends the thread."""
    try:
        yield
    except Unavailable as error:
        _log.warning(event, cause=reason_of(error), **facts)
    except Exception:  # noqa: BLE001 - see above
        _log.exception(event, **facts)
