"""gunicorn's worker loses no request at its stop, waits for no silent client, and logs nothing that was sent."""

from __future__ import annotations

import logging
import os
import resource
import signal
import socket
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest
from gunicorn.config import Config
from gunicorn.workers import gthread

from app.server import worker as worker_module
from app.server.worker import GunicornLog, Worker

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONG = 60
"""Seconds that are never waited for unless something hangs."""
BRIEF = 0.05
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Served:
    """A worker that runs in a thread, with an application that can be held up."""

    def __init__(self) -> None:
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
        self.worker: Any = Worker(0, os.getppid(), [self.listener], None, LONG, config, GunicornLog(config))
        self.worker.wsgi = self.application
        self.worker.tpool = self.worker.get_thread_pool()
        self.worker.poller = gthread.selectors.DefaultSelector()
        self.worker.method_queue.init()
        self.thread = Thread(target=self.worker.run, daemon=True)

    def application(self, environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        self.begun.set()
        if environ["PATH_INFO"] == "/slow":
            assert self.let_go.wait(LONG)
        start_response("200 OK", [("Content-Length", "2")])
        return [b"ok"]

    def connect(self) -> socket.socket:
        return socket.create_connection(self.listener.getsockname(), timeout=LONG)

    def stop(self) -> None:
        self.worker.handle_exit(signal.SIGTERM, None)

    def ends(self) -> bool:
        """Whether the worker comes to its end, without any client doing anything more."""
        self.thread.join(LONG / 2)
        return not self.thread.is_alive()


@pytest.fixture
def booting(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A worker that is ready to run."""
    for module in (gthread, worker_module):
        monkeypatch.setattr(module, "STOP_KEEPALIVE_LINGER", BRIEF)
    monkeypatch.setattr(worker_module, "_LINGER_SECONDS", BRIEF)
    served = Served()
    yield served
    served.let_go.set()
    served.stop()
    assert served.ends()
    served.listener.close()
    served.worker.tmp.close()


@pytest.fixture
def served(booting: Served) -> Served:
    """A worker that runs."""
    booting.thread.start()
    return booting


def reply(connection: socket.socket) -> bytes:
    """One whole reply of the application."""
    content = b""
    while not content.endswith(b"\r\n\r\nok"):
        part = connection.recv(4096)
        assert part, content
        content += part
    return content


def test_a_connection_serves_request_after_request(served: Served) -> None:
    with closing(served.connect()) as connection:
        for _ in range(3):
            connection.sendall(GET)
            assert b"Connection: keep-alive" in reply(connection)


def test_a_request_that_says_close_gets_its_answer_and_then_the_connection_ends(served: Served) -> None:
    with closing(served.connect()) as connection:
        connection.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))

        assert b"Connection: close" in reply(connection)
        assert connection.recv(1) == b""


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 60000\r\n\r\n" + b"x" * 60_000,
        b"Transfer-Encoding: chunked\r\n\r\n" + (b"4e20\r\n" + b"x" * 20_000 + b"\r\n") * 3 + b"0\r\n\r\n",
    ],
    ids=["announced", "chunked"],
)
def test_an_unread_body_does_not_disturb_the_next_request(body: bytes, served: Served) -> None:
    with closing(served.connect()) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + body)
        assert b"Connection: keep-alive" in reply(connection)
        connection.sendall(GET)
        assert b"200 OK" in reply(connection)


@pytest.mark.parametrize(
    ("head", "part", "parts"),
    [
        (b"Content-Length: 200000\r\n\r\n", b"x" * 20_000, 10),
        (b"Content-Length: 200000\r\nExpect: 100-continue\r\n\r\n", b"x" * 20_000, 10),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"4e20\r\n" + b"x" * 20_000 + b"\r\n", 10),
        (b"Transfer-Encoding: chunked\r\n\r\nffffff\r\n", b"x" * 20_000, 10),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 8000 + b"\r\nx\r\n", 100),
    ],
    ids=["announced", "expecting", "chunked", "one chunk", "little chunks"],
)
def test_a_body_over_the_limit_is_answered_before_its_end_and_its_rest_is_taken_all_the_same(
    head: bytes, part: bytes, parts: int, served: Served
) -> None:
    with closing(served.connect()) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\n" + head)
        for _ in range(parts):
            connection.sendall(part)
        assert b"Connection: close" in reply(connection)
        connection.sendall(part)
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


SLOW = {
    "nothing": b"",
    "an empty line": b"\r\n",
    "a head": GET[:-1],
    "a body": b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nxx",
    "chunks": b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nxxx\r\n0\r\n",
    "a second request": GET + GET[:-1],
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_clients_that_send_slowly_hold_no_thread(sent: bytes, served: Served) -> None:
    slow = [served.connect() for _ in range(12)]
    for connection in slow:
        connection.sendall(sent)
    try:
        for _ in range(2):
            with closing(served.connect()) as connection:
                connection.sendall(GET)
                assert b"200 OK" in reply(connection)
        end = gthread.time.monotonic() + LONG
        while len(served.worker.pending_conns) < len(slow):
            assert gthread.time.monotonic() < end
    finally:
        for connection in slow:
            connection.close()


def test_a_request_in_pieces_is_put_together(served: Served) -> None:
    with closing(served.connect()) as connection:
        for sent in (SLOW["a body"], SLOW["chunks"], GET, GET * 3):
            for number in range(len(sent)):
                connection.sendall(sent[number : number + 1])
            connection.sendall({SLOW["a body"]: b"x", SLOW["chunks"]: b"\r\n"}.get(sent, b""))
            for _ in range(sent.count(b"HTTP/1.1")):
                assert b"Connection: keep-alive" in exactly(connection)


def exactly(connection: socket.socket) -> bytes:
    """One reply, and nothing of the next."""
    content = b""
    while not content.endswith(b"\r\n\r\nok"):
        part = connection.recv(1)
        assert part, content
        content += part
    return content


@pytest.mark.parametrize("sent", [SLOW["a head"], SLOW["a body"], SLOW["chunks"]], ids=["head", "body", "chunks"])
def test_a_request_that_is_not_complete_in_time_gets_408_and_the_connection_ends(
    sent: bytes, served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "REQUEST_SECONDS", BRIEF)
    with closing(served.connect()) as connection:
        connection.sendall(sent)

        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert connection.recv(1) == b""
    assert not served.begun.is_set()


def test_a_client_that_expects_100_continue_gets_it(served: Served) -> None:
    with closing(served.connect()) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
        assert not served.begun.is_set()
        connection.sendall(b"xxx")
        assert reply(connection).startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_expects_100_continue_after_another_request_gets_it_too(served: Served) -> None:
    with closing(served.connect()) as connection:
        asking = b"POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + asking)
        assert exactly(connection).startswith(b"HTTP/1.1 200 OK")
        assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /" + b"x" * 40_000, b"414"),
        (b"GET / HTTP/1.1\r\n" + b"X-Long: %b\r\n" % (b"x" * 4000) * 10, b"431"),
        (b"GET / HTTP/1.1\nHost: x\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nxxxx", b"400"),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n", b"400"),
    ],
    ids=["line", "headers", "bare LF", "two lengths", "length and chunks"],
)
def test_what_gunicorn_refuses_is_refused_at_once(sent: bytes, status: bytes, served: Served) -> None:
    with closing(served.connect()) as connection:
        connection.sendall(sent)

        assert connection.recv(4096).startswith(b"HTTP/1.1 " + status)


def test_without_file_descriptors_connections_wait_and_nothing_dies(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_PAUSE_SECONDS", BRIEF)
    paused = Event()
    monkeypatch.setattr(served.worker.log, "warning", lambda *_: paused.set())
    with closing(served.connect()) as there, closing(socket.socket()) as late:
        there.sendall(GET)
        reply(there)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with closing(socket.socket()) as lowest_free:
            free = lowest_free.fileno()
        resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
        try:
            late.connect(served.listener.getsockname())
            late.sendall(GET)
            assert paused.wait(LONG)
            there.sendall(GET)
            assert b"200 OK" in reply(there)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        late.settimeout(LONG)
        assert b"200 OK" in reply(late)


@pytest.mark.parametrize("rest", [b"zz\r\n", b"4\r\nabcdXX", b"1;\x00\r\n"], ids=["size", "end", "extension"])
def test_a_body_that_cannot_be_read_ends_the_connection_after_one_answer(rest: bytes, served: Served) -> None:
    with closing(served.connect()) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + rest)
        reply(connection)
        connection.shutdown(socket.SHUT_WR)

        assert connection.recv(4096) == b""


def test_a_request_under_way_at_the_stop_is_answered(served: Served) -> None:
    with closing(served.connect()) as connection:
        connection.sendall(GET.replace(b"/", b"/slow", 1))
        assert served.begun.wait(LONG)
        served.stop()
        served.let_go.set()

        assert b"200 OK" in reply(connection)
    assert served.ends()


def test_a_connection_that_the_kernel_has_taken_before_the_stop_is_answered(served: Served) -> None:
    busy, let_go = Event(), Event()

    def be_busy() -> None:
        busy.set()
        assert let_go.wait(LONG)

    served.worker.method_queue.defer(be_busy)  # the worker's main thread, which takes connections
    assert busy.wait(LONG)
    with closing(served.connect()) as connection:
        connection.sendall(GET)
        served.stop()
        let_go.set()

        assert b"200 OK" in reply(connection)
    assert served.ends()


def test_a_worker_stopped_during_boot_answers_open_connections_and_ends(booting: Served) -> None:
    with closing(booting.connect()) as connection:
        connection.sendall(GET)
        booting.stop()
        booting.thread.start()

        assert b"200 OK" in reply(connection)
    assert booting.ends()


def test_after_the_stop_the_kernel_refuses_connections(served: Served) -> None:
    address = served.listener.getsockname()
    served.stop()
    assert served.ends()

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=LONG)


def test_a_client_that_has_sent_nothing_does_not_hold_the_stop(served: Served) -> None:
    with closing(served.connect()), closing(served.connect()) as asking:
        asking.sendall(GET)
        reply(asking)
        served.stop()

        assert served.ends()


def test_a_client_that_waits_silently_in_the_poller_does_not_hold_the_stop(served: Served) -> None:
    with closing(served.connect()):
        end = gthread.time.monotonic() + LONG
        while not served.worker.pending_conns:
            assert gthread.time.monotonic() < end
        served.stop()

        assert served.ends()


def test_a_client_that_does_not_close_its_side_keeps_nobody_else_waiting(served: Served) -> None:
    with closing(served.connect()) as silent:
        silent.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        reply(silent)
        with closing(served.connect()) as other:
            other.sendall(GET)
            assert b"200 OK" in reply(other)


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> GunicornLog:
    for name in ("gunicorn.error", "gunicorn.access"):
        logger = logging.getLogger(name)
        monkeypatch.setattr(logger, "handlers", [logging.NullHandler()])
        monkeypatch.setattr(logger, "propagate", False)
    return GunicornLog(Config())


def test_gunicorn_writes_into_the_log_of_the_service(log: GunicornLog, caplog: pytest.LogCaptureFixture) -> None:
    log.warning("worker %s is gone", 7)

    assert [record.getMessage() for record in caplog.records] == ["worker 7 is gone"]
    assert logging.getLogger("gunicorn.error").handlers == []


def test_gunicorn_writes_no_line_for_a_request(log: GunicornLog, caplog: pytest.LogCaptureFixture) -> None:
    log.access(None, None, {}, None)
    logging.getLogger("gunicorn.access").info("GET /?token=planted")

    assert caplog.records == []


def test_what_a_client_sent_that_cannot_be_read_is_not_logged(
    log: GunicornLog, caplog: pytest.LogCaptureFixture
) -> None:
    try:
        int("Authorization: Bearer planted")
    except ValueError as error:
        log.warning(f"Invalid request from ip=192.0.2.1: {error}")  # noqa: G004 - as gunicorn does it

    assert [record.getMessage() for record in caplog.records] == ["Invalid request from ip=192.0.2.1: ValueError"]
