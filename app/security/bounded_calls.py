"""Calls of other servers, each bounded as a whole, and few at once.

The timeout of a socket is not enough: it starts again with each byte, and does not cover the resolution of a name.
"""

from __future__ import annotations

import os
import socket
import time
from concurrent.futures import Future, wait
from contextlib import suppress
from threading import BoundedSemaphore, Lock, Thread
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Watch: TypeAlias = Callable[[socket.socket], None]
    """Takes the socket of a call as soon as it is connected, before TLS: it is cut off when the time is up."""

Result = TypeVar("Result")


class BoundedCalls:
    """Runs at most `at_once` calls, each in a daemon thread of its own, so the process can end without them."""

    def __init__(self, name: str, at_once: int) -> None:
        """`name` is the name of the threads."""
        self._name = name
        self._at_once = at_once
        self._places = BoundedSemaphore(at_once)
        self._late: set[Future[Any]] = set()

    def run(self, call: Callable[[Watch], Result], seconds: float) -> Result:
        """What `call` gives or raises; TimeoutError if it takes longer, its wait for others to end included.

        A call whose time is up keeps its place until its thread ends, and that is soon: its connection is cut off.
        Only connecting is left to the timeouts of `call` and of the system. While late calls keep all places, the
        next one fails at once.
        """
        ends_at = time.monotonic() + seconds
        if len(self._late) >= self._at_once or not self._places.acquire(timeout=seconds):
            raise TimeoutError("timed out")
        cutter = _Cutter()
        outcome: Future[Result] = Future()

        def work() -> None:
            try:
                outcome.set_result(call(cutter.watch))
            except BaseException as error:  # noqa: BLE001 - the caller raises it
                outcome.set_exception(error)
            finally:
                self._places.release()

        try:
            Thread(target=work, name=self._name, daemon=True).start()
        except RuntimeError:  # the system gives no more threads
            self._places.release()
            raise
        try:
            if wait([outcome], ends_at - time.monotonic()).not_done:
                self._late.add(outcome)
                outcome.add_done_callback(self._late.discard)
                raise TimeoutError("timed out")
            return outcome.result()
        finally:
            cutter.cut()


class _Cutter:
    """Cuts off the connection of one call."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._copy: socket.socket | None = None
        self._is_over = False

    def watch(self, wire: socket.socket) -> None:
        """See `Watch`; when the time is up already, closes the socket and raises TimeoutError."""
        with self._lock:
            if self._is_over:
                wire.close()
                raise TimeoutError("timed out")
            # A copy, since TLS replaces the socket, and whoever closes a socket may give its number to another.
            self._copy = socket.socket(fileno=os.dup(wire.fileno()))

    def cut(self) -> None:
        """End the connection, now or as soon as there is one."""
        with self._lock:
            self._is_over = True
            if self._copy is not None:
                with suppress(OSError):  # the server has ended it already
                    self._copy.shutdown(socket.SHUT_RDWR)
                self._copy.close()
