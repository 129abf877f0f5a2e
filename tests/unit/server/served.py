"""A worker of gunicorn as a thread of the tests, and what its clients say and get."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from threading import Event, Thread
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from gunicorn.config import Config
from gunicorn.workers import gthread

from app.server.log import GunicornLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gunicorn.http.wsgi import Response
    from gunicorn.workers.gthread import ThreadWorker

LONG = 60
"""Seconds that are never waited for unless something hangs."""
BRIEF = 0.05
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Served:
    """A worker that runs in a thread, with an application that can be held up."""

    def __init__(self, kind: type[ThreadWorker], log: type[GunicornLog] = GunicornLog) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        config = Config()
        for name, value in (
            ("threads", 4),
            ("graceful_timeout", LONG),
            ("keepalive", LONG),
            ("worker_connections", 100),
        ):
            config.set(name, value)
        self.begun, self.let_go = Event(), Event()
        self.worker: Any = kind(0, os.getppid(), [self.listener], None, LONG, config, log(config))
        self.worker.wsgi = self.application
        self.worker.tpool = self.worker.get_thread_pool()
        self.worker.poller = gthread.selectors.DefaultSelector()
        self.worker.method_queue.init()
        self.died_of: OSError | RuntimeError | None = None
        self.thread = Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self.worker.run()
        except (OSError, RuntimeError) as error:
            self.died_of = error

    def application(self, environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        self.begun.set()
        if environ["PATH_INFO"] == "/slow":
            assert self.let_go.wait(LONG)
        if environ["PATH_INFO"] == "/starved":
            raise MemoryError
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def connect(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), timeout=LONG)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """Inside, the worker's main thread does nothing, so that the kernel alone accepts connections."""
        begun, let_go = Event(), Event()

        def be_busy() -> None:
            begun.set()
            assert let_go.wait(LONG)

        self.worker.method_queue.defer(be_busy)
        assert begun.wait(LONG)
        try:
            yield
        finally:
            let_go.set()

    def stop(self) -> None:
        self.worker.handle_exit(signal.SIGTERM, None)

    def ends(self) -> bool:
        """Whether the worker comes to its end, without any client doing anything more."""
        self.thread.join(LONG / 2)
        return not self.thread.is_alive()

    def finish(self) -> None:
        """End the worker, whatever the test has left of it, and take away what it had open."""
        self.let_go.set()
        self.stop()
        assert self.ends()
        self.worker.tpool.shutdown(wait=False)
        for connection in (*self.worker.pending_conns, *self.worker.keepalived_conns):
            connection.close()
        self.listener.close()
        self.worker.tmp.close()


def reply(connection: socket.socket) -> bytes:
    """One whole reply of the application."""
    content = b""
    while not content.endswith(b"\r\n\r\nok"):
        part = connection.recv(4096)
        assert part, content
        content += part
    return content


@contextmanager
def no_descriptors() -> Iterator[None]:
    """Inside, this process can open no more files or sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with closing(socket.socket()) as lowest_free:
        free = lowest_free.fileno()
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def no_threads() -> Iterator[None]:
    """Inside, the system has no memory for another thread: none has room for so large a stack."""
    usual = threading.stack_size(1 << 47)
    try:
        yield
    finally:
        threading.stack_size(usual)


def writes_of(
    kind: type[Response], headers: list[tuple[str, str]], parts: list[bytes], method: str = "GET"
) -> list[bytes]:
    """What a reply of this kind, with these headers and parts of a body, writes to its socket, write by write."""
    writing, reading = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(writing), closing(reading):
        asked = SimpleNamespace(method=method, version=(1, 1), headers=[], should_close=lambda: False)
        reply = kind(asked, writing, Config())
        reply.start_response("200 OK", headers)
        for part in parts:
            reply.write(part)
        reply.close()
        writing.shutdown(socket.SHUT_WR)
        return list(iter(lambda: reading.recv(65536), b""))


_TOLD_AT_ONCE = """
import os, signal
from {module} import {name} as worker_class

bind = "127.0.0.1:0"

def post_fork(server, worker):
    os.kill(os.getpid(), signal.SIGTERM)

def post_worker_init(worker):
    print("goes on" if worker.alive else "stops", flush=True)
    os.kill(worker.ppid, signal.SIGQUIT)
"""
"""A configuration of gunicorn, in which a worker is told to stop before it has come to handle signals."""


def when_told_to_stop_at_once(kind: type[ThreadWorker], folder: Path) -> str:
    """What a worker of this kind does that is told to stop right after its fork: it `goes on`, or `stops`."""
    configuration = folder / "gunicorn.conf.py"
    configuration.write_text(_TOLD_AT_ONCE.format(module=kind.__module__, name=kind.__name__))
    command = [sys.executable, "-m", "gunicorn", "--config", str(configuration), "wsgiref.simple_server:demo_app"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LONG, check=False)
    return done.stdout.strip()
