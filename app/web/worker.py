"""What gunicorn needs of this application beside the WSGI callable."""

from __future__ import annotations

import ctypes
import socket
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import DEFAULT_WORKER_DATA_TIMEOUT, STOP_KEEPALIVE_LINGER, TConn, ThreadWorker

if TYPE_CHECKING:
    from concurrent.futures import Future

    from gunicorn.config import Config


_ACCEPT = ctypes.PyDLL(None).accept
"""accept(2), called without letting go of the interpreter's lock."""
_REFUSED_BYTES = 1024 * 1024 + 1
"""What is read of a body behind the reply that refuses it: more than nginx lets through (nginx/nginx.conf)."""


class Worker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's worker with threads, mended where it loses requests or waits for clients (gunicorn 27.0)."""

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the signature is gunicorn's
        """Take connections or not; a worker that stops leaves none behind that the kernel has taken already."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:  # a worker that is told to stop while it boots enables first, too
            return
        # A connection in the backlog would be reset with its request when the last worker closes the listener; once it
        # is closed, the kernel refuses new ones and clients go elsewhere.
        for listener in self.sockets:
            while self.nr_conns < self.worker_connections and (taken := _take(listener)):
                self.nr_conns += 1
                self.enqueue_req(TConn(self.cfg, taken, taken.getpeername(), listener.getsockname()))
            listener.close()
        # Without this, a connection that has not sent anything holds the stop until the graceful time-out.
        deadline = time.monotonic() + STOP_KEEPALIVE_LINGER
        for conn in self.pending_conns:
            conn.timeout = min(conn.timeout, deadline)

    def handle(self, conn: TConn) -> object:
        """Answer a request; true if the connection stays open."""
        kept: object = super().handle(conn)
        if not kept:
            # Here and not in the main thread, which would take nothing else for as long as the client does not close
            # its side (up to 2 s).
            conn.close(graceful=True)
        return kept

    def _keepalive_after(self, conn: TConn, keepalive: object) -> bool:
        """Whether the connection can take another request, once the body that nobody read is out of the way.

        gunicorn reads 64 KiB of it and closes the connection: a proxy that is still sending, or that sends the next
        request, answers its client 502.
        """
        if not keepalive:
            return False
        deadline = time.monotonic() + DEFAULT_WORKER_DATA_TIMEOUT
        try:
            return bool(conn.parser.finish_body(deadline=deadline, max_bytes=_REFUSED_BYTES))
        except ParseException:
            return False  # gunicorn would send a second answer to the same request

    def finish_request(self, conn: TConn, fs: Future[object]) -> None:
        """Go on with a connection behind `handle`."""
        if conn.sock.fileno() < 0:
            self.nr_conns -= 1
        else:
            super().finish_request(conn, fs)


def _take(listener: socket.socket) -> socket.socket | None:
    """The next connection of the backlog, None when it is empty.

    Python's own accept lets other threads run before it says so, for milliseconds: what comes meanwhile would be reset
    by the close that follows.
    """
    while (descriptor := _ACCEPT(listener.fileno(), None, None)) >= 0:
        taken = socket.socket(fileno=descriptor)
        with suppress(OSError):  # it has left already
            taken.getpeername()
            return taken
        taken.close()
    return None


class Reply(wsgi.Response):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's reply, with the headers in the same write as the first of the body.

    A worker that is killed between the two would leave a proxy with half a reply: too late to ask another instance.
    """

    sock: Any
    _held = b""

    def sendall(self, written: bytes) -> None:
        """Keep what gunicorn writes as headers."""
        self._held = written

    def send_headers(self) -> None:
        """Make the headers, to be sent with what follows."""
        connection, self.sock = self.sock, self
        try:
            super().send_headers()
        finally:
            self.sock = connection

    def can_sendfile(self) -> bool:
        """Never: the headers would come behind the file."""
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
            self.sock.sendall(held + part)


wsgi.Response = Reply  # what gunicorn makes of each request; its workers cannot be told of another


class GunicornLog(Logger):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's messages in the same log as everything else, in the same form; its access log stays off."""

    def setup(self, cfg: Config) -> None:
        """Hand what gunicorn says to the root logger, which `app.log` has set up."""
        self.cfg = cfg
        self.error_log.handlers = []
        self.error_log.propagate = True
        self.access_log.handlers = []
        self.access_log.propagate = False

    def access(self, *_: object) -> None:
        """Nothing: `web/exchange.py` logs the requests. gunicorn would ask its settings about it each time."""

    def warning(self, msg: str, *args: object, **kwargs: object) -> None:
        """Log a warning, without what a client sent: a line that gunicorn cannot read may hold a token."""
        if msg.startswith("Invalid request from ip="):
            msg = f"{msg.partition(': ')[0]}: {type(sys.exception()).__name__}"
        super().warning(msg, *args, **kwargs)
