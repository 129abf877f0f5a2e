"""Accepting connections: none is reset at the stop, and a worker survives when it has no file descriptor left."""

from __future__ import annotations

import ctypes
import errno
import socket
import time
from contextlib import suppress

from gunicorn.workers.gthread import ThreadWorker

_ACCEPT = ctypes.PyDLL(None).accept
"""accept(2), called without releasing the interpreter's lock."""
_PAUSE_SECONDS = 1.0
"""How long no connection is accepted after the file descriptors have run out."""
_NO_DESCRIPTORS = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class ListeningWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's threaded worker, with another way to accept connections; `begin` is given each."""

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self._accepts_at = 0.0

    def begin(self, taken: socket.socket, client: object, listener: socket.socket) -> None:
        """Take up a new connection of `client`."""
        raise NotImplementedError

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the signature is gunicorn's
        """Accept connections or not; a worker that stops also takes those that the kernel has accepted already."""
        if enabled and time.monotonic() < self._accepts_at:
            return
        super().set_accept_enabled(enabled)
        if enabled or self.alive:  # a worker that has to stop while it boots also enables first
            return
        # A connection in the backlog would be reset with its request when the last worker closes the listener; once it
        # is closed, the kernel refuses new ones and clients go elsewhere.
        for listener in self.sockets:
            while self.nr_conns < self.worker_connections and (taken := _take(listener)):
                self.begin(taken, taken.getpeername(), listener)
            listener.close()

    def accept(self, listener: socket.socket) -> None:
        """Accept a connection; pause if no file descriptor is left."""
        try:
            taken, client = listener.accept()
        except OSError as error:
            if error.errno in _NO_DESCRIPTORS and self._accepting:
                self.log.warning("No connection can be taken: %s", error.strerror)
                self._accepts_at = time.monotonic() + _PAUSE_SECONDS
                self.set_accept_enabled(False)
            return
        self.begin(taken, client, listener)


def _take(listener: socket.socket) -> socket.socket | None:
    """The next connection of the backlog, None when it is empty.

    Python's own accept lets other threads run before it returns, for milliseconds: connections that arrive meanwhile
    would be reset by the close that follows.
    """
    while (descriptor := _ACCEPT(listener.fileno(), None, None)) >= 0:
        taken = socket.socket(fileno=descriptor)
        with suppress(OSError):  # the client has left already
            taken.getpeername()
            return taken
        taken.close()
    return None
