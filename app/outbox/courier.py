"""The courier: the thread of each worker that has the outbox delivered."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

from app.jobs.workers import outlived

if TYPE_CHECKING:
    from app.outbox.service import Outbox

SEND_EVERY = 2
"""Seconds between checks for what is polled, for what other workers queued, and for what is to be tried again."""


class Courier:
    """The thread of a worker that does what is queued: at once if this worker queued it, else within SEND_EVERY.

    It needs no lease: each holder of entries is claimed separately.
    """

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._stopped = Event()

    def start(self) -> None:
        """Start the thread."""
        Thread(target=self._loop, name="courier", daemon=True).start()

    def stop(self) -> None:
        """Stop delivering."""
        self._stopped.set()
        self._outbox.wakes.set()

    def _loop(self) -> None:
        while True:
            self._outbox.wakes.wait(SEND_EVERY)
            self._outbox.wakes.clear()
            if self._stopped.is_set():
                return
            with outlived("courier"):
                self._outbox.deliver_due()
