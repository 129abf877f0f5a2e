"""Whether this instance can do its work."""

from __future__ import annotations

from concurrent.futures import CancelledError, ThreadPoolExecutor
from threading import Lock
from typing import TYPE_CHECKING, Protocol

from app.platform.errors import FieldError, Unavailable

if TYPE_CHECKING:
    from concurrent.futures import Future


PATIENCE = 1.5
"""Seconds that the store has to answer; a probe has to be answered within 2."""


class Probed(Protocol):
    """What an instance depends on: its name, and a sign of life."""

    @property
    def common_name(self) -> str:
        """What it is, as people call it."""

    def ping(self) -> None:
        """Give a sign of life; raises Unavailable."""


class HealthService:
    """Probes what this instance depends on. At most one probe is under way: a store that hangs costs one thread."""

    def __init__(self, store: Probed) -> None:
        self._store = store
        self._executor = ThreadPoolExecutor(max_workers=1, thread_name_prefix="readiness")
        self._lock = Lock()
        self._probe: Future[None] | None = None

    def check_ready(self) -> None:
        """Raises Unavailable, naming the dependency, when one does not answer in time, or when this instance stops."""
        try:
            with self._lock:
                probe = self._probe
                if probe is None or probe.done():
                    probe = self._probe = self._executor.submit(self._store.ping)
        except RuntimeError as error:
            raise Unavailable("This instance is stopping.", retry_after=1) from error
        try:
            probe.result(timeout=PATIENCE)
        except (Unavailable, TimeoutError, CancelledError) as error:
            cause = TimeoutError(f"no answer within {PATIENCE} s") if isinstance(error, TimeoutError) else error
            message = f"The store ({self._store.common_name}) does not answer."
            raise Unavailable(message, fields=(FieldError("store", "unavailable", message),), retry_after=1) from cause

    def close(self) -> None:
        """End the thread."""
        self._executor.shutdown(wait=False, cancel_futures=True)
