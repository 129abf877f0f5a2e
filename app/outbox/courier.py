"""The courier: the thread of each worker that has the outbox delivered."""

from __future__ import annotations

from threading import Event, Thread
from typing import TYPE_CHECKING

from app.jobs.workers import outlived

if TYPE_CHECKING:
    from collections.abc import Callable

SEND_EVERY = 2
"""Seconds between checks for mail requests, for mail that other workers queued, and for mail to retry."""


class Courier:
    """The thread of a worker that sends queued mail: at once if this worker queued it, else within SEND_EVERY.

    It needs no lease: each mail is claimed separately.
    """

    def __init__(self, send_due: Callable[[], int], waits: Event) -> None:
        self._send_due = send_due
        self._waits = waits
        self._stopped = Event()

    def start(self) -> None:
        """Start the thread."""
        Thread(target=self._loop, name="courier", daemon=True).start()

    def stop(self) -> None:
        """Stop sending."""
        self._stopped.set()
        self._waits.set()

    def _loop(self) -> None:
        while True:
            self._waits.wait(SEND_EVERY)
            self._waits.clear()
            if self._stopped.is_set():
                return
            with outlived("courier"):
                self._send_due()
