"""Events that are stored later than the request that they are about: failed logins, and what follows from them.

A failed login leaves an event only if the account exists. If the request stored it, its time would reveal that; so it
only leaves it here, and a thread stores what is here every other second, whatever it is.
"""

from __future__ import annotations

from functools import partial
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Final

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.audit.model import AuditEvent
    from app.audit.service import Audit

STORE_EVERY: Final = 2
"""Seconds."""
MOST: Final = 10_000
"""Events and acts that wait at a time; what comes when there are as many is lost."""
_log = structlog.get_logger("latchkey.audit")


class LateEvents:
    """The events of a worker that wait, and the thread that stores them. A crash loses the last seconds of them."""

    def __init__(self, audit: Audit) -> None:
        self._audit = audit
        self._lock = Lock()
        self._waiting: dict[str, Callable[[], object]] = {}
        self._stopped = Event()

    def add(self, event: AuditEvent) -> None:
        """Have an event stored; one with the identifier of another that waits is left out."""
        self.defer(event.id, partial(self._audit.store, event))

    def defer(self, key: str, act: Callable[[], object]) -> None:
        """Have something else done that depends on whether an account exists; once, if `key` waits already."""
        with self._lock:
            if len(self._waiting) < MOST:
                self._waiting.setdefault(key, act)

    def store(self) -> int:
        """Store and do what waits; returns how many things."""
        with self._lock:
            acts, self._waiting = self._waiting, {}
        for key, act in acts.items():
            try:
                act()
            except Exception:  # noqa: BLE001 - none ends the thread, or keeps the others from being stored
                _log.exception("event lost", key=key)
        return len(acts)

    def start(self) -> None:
        """Start the thread; call it after the fork."""
        Thread(target=self._loop, name="late-events", daemon=True).start()

    def stop(self) -> None:
        """Store what waits, and nothing later."""
        self._stopped.set()
        self.store()

    def _loop(self) -> None:
        while not self._stopped.wait(STORE_EVERY):
            self.store()
