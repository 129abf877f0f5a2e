"""How gunicorn writes a reply: in one write, and without threads that wait for slow clients."""

from __future__ import annotations

import errno
import socket
import time
from threading import BoundedSemaphore
from typing import Any, ClassVar

from gunicorn.http import wsgi

SEND_SECONDS = 10.0
"""How long a client may take to receive a part of a reply."""
PATIENCE_SECONDS = 60.0
"""How long a worker waits for a client in all, over the parts of one reply."""


class Reply(wsgi.Response):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's reply, with the headers in the same write as the first part of the body.

    A worker that is killed between two writes would leave a proxy with half a reply, too late to try another instance.

    What fits into the socket's buffer is sent without waiting. The rest waits for the client, in one of a few places
    that a worker has for this; when none is free, the connection is closed. So slow clients never hold all threads.
    """

    places: ClassVar[BoundedSemaphore] = BoundedSemaphore(16)
    """Those of this process; `make_places` fits them to its threads."""
    sock: Any
    _held = b""
    _patience = PATIENCE_SECONDS

    @classmethod
    def make_places(cls, threads: int) -> None:
        """Let a quarter of the `threads` wait for slow clients."""
        cls.places = BoundedSemaphore(max(1, threads // 4))

    def sendall(self, written: bytes) -> None:
        """Keep what gunicorn writes as headers."""
        self._held = written

    def send_headers(self) -> None:
        """Make the headers, to be sent with the next part."""
        connection, self.sock = self.sock, self
        try:
            super().send_headers()
        finally:
            self.sock = connection

    def can_sendfile(self) -> bool:
        """Never: the headers would come after the file."""
        return False

    def close(self) -> None:
        """Send what is left."""
        self.send_headers()
        self._send(b"")
        super().close()

    def _emit_body(self, part: bytes) -> None:
        self._send(b"%X\r\n%b\r\n" % (len(part), part) if self.chunked else part)

    def _send(self, part: bytes) -> None:
        held, self._held = self._held, b""
        if held or part:
            data = held + part
            sent = self._send_now(data)
            if sent < len(data):
                self._send_slowly(memoryview(data)[sent:])

    def _send_now(self, data: bytes) -> int:
        """Send what the socket takes without waiting; how many bytes it was."""
        try:
            sent: int = self.sock.send(data, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return 0
        return sent

    def _send_slowly(self, rest: memoryview) -> None:
        """Wait for the client.

        Raises ConnectionResetError if it does not receive in time: gunicorn takes that for no fault.
        """
        if not self.places.acquire(blocking=False):
            raise ConnectionResetError(errno.ECONNRESET, "too many clients do not receive")
        began = time.monotonic()
        try:
            self.sock.settimeout(max(0.001, min(SEND_SECONDS, self._patience)))
            self.sock.sendall(rest)
        except TimeoutError:
            raise ConnectionResetError(errno.ECONNRESET, "the client does not receive") from None
        finally:
            self.sock.settimeout(0)  # or the next part would wait without a place
            self.places.release()
            self._patience -= time.monotonic() - began


wsgi.Response = Reply  # gunicorn makes one for each request, and has no setting for another class
