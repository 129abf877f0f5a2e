"""A worker whose main thread receives the requests, and whose threads only handle those that are complete."""

from __future__ import annotations

import select
import selectors
import signal
import socket
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from gunicorn.arbiter import Arbiter
from gunicorn.http.errors import ParseException
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, TConn

from app.platform.threads import ModestPool
from app.server.incoming import Incoming, Received
from app.server.listening import ListeningWorker
from app.server.reply import Reply

if TYPE_CHECKING:
    from collections.abc import Callable
    from concurrent.futures import Future

REQUEST_SECONDS = 10.0
"""How long a whole request, head and body, may take from its first byte to its last."""
_LINGER_SECONDS = 2.0
"""How long a connection stays open after its last reply: closing it while data comes in would lose the reply."""
_REFUSED_BYTES = 1024 * 1024 + 1
"""How much of a body is read after the reply that refuses it: more than nginx lets through (nginx/nginx.conf)."""
_NEXT_SECONDS = 0.002
"""How long a thread that has answered waits for the next request of its connection, from its first byte to its last.

The request then needs neither the main thread nor a change of threads.
"""
_MOST_BUSY = 4
"""With more busy threads, they contend for the interpreter's lock: `GET /health` of 64 clients cost up to 18 % more."""
_STOPS = frozenset({signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
_AT_ONCE = 65536
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"

_STARVED = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"


class _Connection(TConn):  # type: ignore[misc] # gunicorn has no types
    """A connection; `incoming` is the request that is being received, `timeout` is when to give up."""

    incoming: Incoming
    ready = False
    """Whether a thread can handle `incoming`."""
    lingers = 0
    """Bytes that may still arrive after the last reply and are discarded; 0 before it."""


class Worker(ListeningWorker):
    """gunicorn's threaded worker, fixed where it loses requests or waits for clients (see `app.server`).

    Its main thread receives the requests, up to `longest_body` bytes of a body. A thread only handles a request that is
    complete, so that no client can occupy a thread by sending slowly. It takes the next request of its connection, too,
    if that comes within `_NEXT_SECONDS` and enough threads are idle.

    A connection belongs either to the main thread or to the one thread that handles it.
    """

    longest_body = 64 * 1024

    def __init__(self, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        self.pending_conns: dict[_Connection, None] = {}
        """The connections without a thread: idle, sending a request, or about to be closed."""
        self._sweeps_at = 0.0
        self._most_busy = min(_MOST_BUSY, self.cfg.threads - max(1, self.cfg.threads // 4))
        """With more busy threads than this, or with few idle ones, none waits for a client."""
        Reply.make_places(self.cfg.threads)

    def init_signals(self) -> None:
        """Handle signals; one that came between the fork and now went to this process's copy of the arbiter's queue."""
        arbiter: Any = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
        super().init_signals()
        while isinstance(arbiter, Arbiter) and not arbiter.SIG_QUEUE.empty():
            number = arbiter.SIG_QUEUE.get_nowait()
            if number in _STOPS:
                signal.raise_signal(number)

    def run(self) -> None:
        """Serve until the worker has to stop."""
        super().run()
        self.alive = False  # it is not when gunicorn itself has died: a thread would serve a busy client for ever
        for conn in self.pending_conns:
            conn.close()

    def get_thread_pool(self) -> ModestPool:
        """The threads that handle requests; without memory for another one, a request waits for one of them."""
        pool = ModestPool(max_workers=self.cfg.threads)
        pool.submit(int).result()  # so that there is one
        return pool

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - the signature is gunicorn's
        """Accept connections or not; a worker that stops gives those that have sent nothing a last moment."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        # Without this, a connection that has sent nothing delays the stop until the graceful time-out.
        deadline = time.monotonic() + STOP_KEEPALIVE_LINGER
        for conn in self.pending_conns:
            if not conn.incoming.bytes:
                conn.timeout = min(conn.timeout, deadline)

    def begin(self, taken: socket.socket, client: object, listener: socket.socket) -> None:
        """Receive the first request of a new connection."""
        self.nr_conns += 1
        conn = _Connection(self.cfg, taken, client, listener.getsockname())
        conn.incoming = Incoming(self.longest_body)
        self._receive(conn)

    def murder_pending(self) -> None:
        """Close the connections that took too long, once a second."""
        now = time.monotonic()
        if now < self._sweeps_at:
            return
        self._sweeps_at = now + min(1.0, STOP_KEEPALIVE_LINGER)
        for conn in [conn for conn in self.pending_conns if conn.timeout <= now]:
            if conn.incoming.bytes and not conn.lingers:
                with suppress(OSError):
                    conn.sock.send(_TOO_SLOW)
            self._drop(conn)

    def handle(self, conn: _Connection) -> object:
        """Answer a request, and those that follow it at once; true if the connection stays open."""
        while self._answer(conn):
            rest = conn.parser.unreader.take_buffered()
            conn.incoming = Incoming(self.longest_body)
            conn.ready = bool(rest) and conn.incoming.feed(rest)
            # With few idle threads the main thread hands out the requests in turn: a busy client starves no other.
            if not self.alive or self._busy > self._most_busy:
                return True
            try:
                if not conn.ready and not self._receive_next(conn):
                    return True
            except OSError:
                return False
        return False

    @property
    def _busy(self) -> int:
        """The threads in use, and the requests that wait for one."""
        busy: int = self.nr_conns - len(self.pending_conns)
        return busy

    def _receive_next(self, conn: _Connection) -> bool:
        """Receive the next request if it comes soon; whether it can be handled.

        The main thread goes on with all else: a part of a request, or the end of the connection. Raises OSError if the
        connection is broken.
        """
        ends, left = time.monotonic() + _NEXT_SECONDS, _NEXT_SECONDS
        readable = select.poll()
        readable.register(conn.sock, select.POLLIN)
        while left > 0 and readable.poll(int(left * 1000)):
            try:
                part = conn.sock.recv(_AT_ONCE, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return False
            if not part:
                return False
            if conn.incoming.feed(part):
                conn.ready = True
                return True
            self._tell_to_go_on(conn)
            left = ends - time.monotonic()
        return False

    def _answer(self, conn: _Connection) -> object:
        """Answer the request that was received; true if the connection stays open."""
        conn.init()
        if not isinstance(conn.parser.unreader, Received):
            conn.parser.unreader = Received()
        conn.parser.unreader.take_up(conn.incoming)
        conn.data_ready = True
        return super().handle(conn)

    def handle_request(self, req: Any, conn: _Connection) -> object:  # noqa: ANN401 - gunicorn has no types
        """Answer a request whose head was read; true if the connection stays open."""
        req._expected_100_continue = False  # noqa: SLF001 - gunicorn would send it even after the body
        if not conn.incoming.whole or len(self.pending_conns) >= self.max_keepalived:
            req.force_close()
        return super().handle_request(req, conn)

    def handle_error(self, req: object, client: socket.socket, addr: object, exc: BaseException) -> None:
        """Answer a request whose handling failed in gunicorn itself."""
        if isinstance(exc, MemoryError):
            with suppress(OSError):
                client.send(_STARVED)
        else:
            super().handle_error(req, client, addr, exc)

    def _keepalive_after(self, conn: _Connection, keepalive: object) -> bool:
        """Whether the connection can take another request, once the unread rest of the body is discarded."""
        try:
            return bool(keepalive and conn.parser.finish_body())
        except ParseException:
            return False  # gunicorn would send a second answer to the same request

    def finish_request(self, conn: _Connection, fs: Future[object]) -> None:
        """Continue with a connection after `handle`."""
        try:
            self._go_on(conn, fs)
        except MemoryError:
            self._give_up(conn)

    def _go_on(self, conn: _Connection, fs: Future[object]) -> None:
        if conn.sock.fileno() < 0:
            self.nr_conns -= 1
        elif fs.cancelled() or isinstance(fs.exception(), Exception) or not fs.result():
            self._linger(conn)
        elif conn.ready:
            self.enqueue_req(conn)
        else:
            self._receive(conn)

    def _receive(self, conn: _Connection) -> None:
        """Wait for a request, or for the rest of one."""
        if conn.incoming.bytes:
            seconds = REQUEST_SECONDS
        else:
            seconds = self.cfg.keepalive if self.alive else min(self.cfg.keepalive, STOP_KEEPALIVE_LINGER)
        self._watch(conn, seconds, self._on_readable)
        self._tell_to_go_on(conn)

    def _on_readable(self, conn: _Connection, _: object) -> None:
        try:
            part = conn.sock.recv(_AT_ONCE)
        except BlockingIOError:
            return
        except OSError:
            self._drop(conn)
            return
        incoming = conn.incoming
        if not part and not incoming.bytes:
            self._drop(conn)
            return
        if not incoming.bytes:
            conn.timeout = time.monotonic() + REQUEST_SECONDS
        incoming.ended = not part
        if not part or incoming.feed(part):
            self._unwatch(conn)
            self.enqueue_req(conn)
        else:
            self._tell_to_go_on(conn)

    def _tell_to_go_on(self, conn: _Connection) -> None:
        """Send the 100 that a client waits for before it sends its body."""
        if conn.incoming.asks_whether_to_go_on:
            with suppress(OSError):
                conn.sock.send(_CONTINUE)

    def _linger(self, conn: _Connection) -> None:
        """Close a connection after its last reply, without a thread that waits for the client to close its side."""
        try:
            conn.sock.shutdown(socket.SHUT_WR)
        except OSError:
            self._close(conn)
            return
        conn.lingers = _REFUSED_BYTES
        self._watch(conn, _LINGER_SECONDS, self._on_lingering)

    def _on_lingering(self, conn: _Connection, _: object) -> None:
        try:
            conn.lingers -= len(part := conn.sock.recv(_AT_ONCE))
        except BlockingIOError:
            return
        except OSError:
            part = b""
        if not part or conn.lingers <= 0:
            self._drop(conn)

    def _watch(self, conn: _Connection, seconds: float, on_readable: Callable[[_Connection, object], None]) -> None:
        conn.sock.settimeout(0)
        conn.timeout = time.monotonic() + seconds
        self.pending_conns[conn] = None
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._unless_starved, on_readable, conn))

    def _unless_starved(
        self, on_readable: Callable[[_Connection, object], None], conn: _Connection, key: object
    ) -> None:
        """Read from a connection; without memory for that, refuse its request instead of ending with all of them."""
        try:
            on_readable(conn, key)
        except MemoryError:
            if conn.lingers or conn not in self.pending_conns:
                self._give_up(conn)
                return
            self._unwatch(conn)
            with suppress(OSError):
                conn.sock.send(_STARVED)
            self._linger(conn)

    def _unwatch(self, conn: _Connection) -> None:
        del self.pending_conns[conn]
        self.poller.unregister(conn.sock)

    def _give_up(self, conn: _Connection) -> None:
        """Close a connection, whether it was handed to a thread or not, for want of memory to go on with it."""
        if conn in self.pending_conns:
            with suppress(KeyError, ValueError):  # it may not have come to be watched
                self.poller.unregister(conn.sock)
            del self.pending_conns[conn]
        self._close(conn)

    def _drop(self, conn: _Connection) -> None:
        self._unwatch(conn)
        self._close(conn)

    def _close(self, conn: _Connection) -> None:
        self.nr_conns -= 1
        conn.close()
