"""What gunicorn's own threaded worker still does, so that `app.server` has to mend it.

After an upgrade of gunicorn, a test that fails here names the mend that can go.
"""

from __future__ import annotations

import errno
import re
import select
import socket
import time
from contextlib import ExitStack, closing
from threading import Event, current_thread
from typing import TYPE_CHECKING, Any

import gunicorn
import pytest
from gunicorn import util
from gunicorn.glogging import Logger
from gunicorn.http import wsgi
from gunicorn.http.unreader import SocketUnreader
from gunicorn.workers import gthread

import app.server
from app.server.log import GunicornLog
from app.server.reply import Reply
from tests.servers.process import wait_until
from tests.unit.server.served import (
    GET,
    LONG,
    Served,
    no_descriptors,
    no_threads,
    reply,
    when_told_to_stop_at_once,
    writes_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

(PLAIN_REPLY,) = Reply.__bases__
STARVED = b"GET /starved HTTP/1.1\r\nHost: x\r\n\r\n"
CLOSING = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
SECONDS = 10
"""How long a fault is waited for before it is taken for mended; where it is left, it shows at once."""


class PlainLog(GunicornLog):
    """The log of the service, in which gunicorn writes what it likes."""

    warning = Logger.warning


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """gunicorn's own worker, which runs, with its own replies."""
    monkeypatch.setattr(wsgi, "Response", PLAIN_REPLY)
    served = Served(gthread.ThreadWorker, PlainLog)
    served.thread.start()
    yield served
    served.finish()


def is_needed(mend: str, *, seen: bool) -> None:
    """Fail unless the fault that a mend is there for was seen."""
    if not seen:
        pytest.fail(f"gunicorn {gunicorn.__version__} does this right, so this mend can go: {mend}")


def soon(condition: Callable[[], bool]) -> bool:
    """Whether a condition comes to hold."""
    try:
        wait_until(condition, SECONDS)
    except TimeoutError:
        return False
    return True


def test_at_the_stop_connections_that_only_the_kernel_has_accepted_are_reset(plain: Served) -> None:
    with ExitStack() as opened:
        with plain.busy():
            connection = opened.enter_context(closing(plain.connect()))
            connection.sendall(GET)
            plain.stop()

        is_needed("ListeningWorker.set_accept_enabled", seen=not everything(connection))


def everything(connection: socket.socket) -> bytes:
    """All that comes until the connection ends or is reset."""
    try:
        return b"".join(iter(lambda: connection.recv(4096), b""))
    except ConnectionResetError:
        return b""


def test_without_file_descriptors_the_worker_dies(plain: Served) -> None:
    with closing(socket.socket()) as connection, no_descriptors():
        connection.connect(plain.listener.getsockname())

        is_needed("ListeningWorker.accept", seen=soon(lambda: plain.died_of is not None))
    assert isinstance(plain.died_of, OSError)
    assert plain.died_of.errno == errno.EMFILE


def test_without_memory_for_a_thread_the_worker_dies(plain: Served) -> None:
    with no_threads(), closing(plain.connect()) as connection:
        connection.sendall(GET)

        is_needed("Worker.get_thread_pool", seen=soon(lambda: plain.died_of is not None))
    assert "thread" in str(plain.died_of)
    queued = plain.worker.tpool._work_queue.get_nowait()  # noqa: SLF001 - nobody else knows the connection any more
    queued.args[0].close()


def test_without_memory_a_request_is_answered_500(plain: Served) -> None:
    with closing(plain.connect()) as connection:
        connection.sendall(STARVED)

        is_needed("Worker.handle_error", seen=everything(connection).startswith(b"HTTP/1.1 500 "))


def test_a_client_that_sends_slowly_holds_a_thread(plain: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    waits = Event()
    chunk = SocketUnreader.chunk

    def watched(unreader: SocketUnreader, *args: object) -> object:
        readable, _, _ = select.select([unreader.sock], [], [], 0)
        if not readable and unreader.sock.gettimeout() is None and current_thread() is not plain.thread:
            waits.set()
        return chunk(unreader, *args)

    monkeypatch.setattr(SocketUnreader, "chunk", watched)
    with closing(plain.connect()) as connection:
        connection.sendall(GET[:-1])

        is_needed("Worker, which receives requests in its main thread", seen=soon(waits.is_set))


def test_a_worker_that_is_told_to_stop_right_after_its_fork_goes_on(tmp_path: Path) -> None:
    is_needed("Worker.init_signals", seen=when_told_to_stop_at_once(gthread.ThreadWorker, tmp_path) == "goes on")


def test_a_client_that_is_silent_holds_up_the_stop(plain: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gthread, "DEFAULT_WORKER_DATA_TIMEOUT", 0)  # for its thread, before the poller has it
    waits = Event()

    def look() -> None:
        if plain.worker._accepting:  # noqa: SLF001 - gunicorn's own sign that it is about to stop
            plain.worker.method_queue.defer(look)
            return
        last = time.monotonic() + gthread.STOP_KEEPALIVE_LINGER
        if any(conn.timeout > last for conn in plain.worker.pending_conns):
            waits.set()

    with closing(plain.connect()):
        wait_until(lambda: len(plain.worker.pending_conns) == 1, LONG)
        plain.stop()
        plain.worker.method_queue.defer(look)

        is_needed("the end of Worker.set_accept_enabled", seen=soon(waits.is_set))


def test_a_client_that_does_not_close_its_side_holds_the_main_thread(
    plain: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = Event(), Event()
    close_graceful = util.close_graceful

    def watched(connection: socket.socket) -> None:
        if current_thread() is plain.thread:
            begun.set()
        close_graceful(connection, timeout=LONG)
        ended.set()

    monkeypatch.setattr(util, "close_graceful", watched)
    with closing(plain.connect()) as connection:
        connection.sendall(CLOSING)
        reply(connection)
        assert connection.recv(1) == b""

        is_needed("Worker._linger", seen=begun.is_set() and not ended.is_set())


def test_a_body_that_nobody_can_read_gets_a_second_answer(plain: Served) -> None:
    with closing(plain.connect()) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        connection.shutdown(socket.SHUT_WR)

        is_needed("Worker._keepalive_after", seen=everything(connection).count(b"HTTP/1.1 ") == 2)


def test_a_reply_is_written_in_two_parts() -> None:
    is_needed("Reply.send_headers", seen=len(writes_of(PLAIN_REPLY, [("Content-Length", "2")], [b"ok"])) == 2)


def test_a_client_that_does_not_receive_holds_a_thread(plain: Served) -> None:
    used: list[Any] = []

    def large(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        used.append(environ["gunicorn.socket"])
        start_response("200 OK", [])
        return [b"x" * 10_000_000]

    plain.worker.wsgi = large

    def waits() -> bool:
        if not used:
            return False
        _, writable, _ = select.select([], used, [], 0)
        return not writable and used[0].gettimeout() is None

    with closing(plain.connect()) as connection:
        connection.sendall(GET)

        is_needed("Reply._send_slowly", seen=soon(waits))


def test_what_a_client_sent_that_cannot_be_read_is_logged(plain: Served, caplog: pytest.LogCaptureFixture) -> None:
    with closing(plain.connect()) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nAuthorization Bearer planted\r\n\r\n")
        assert b" 400 " in connection.recv(4096)

    is_needed("GunicornLog.warning", seen="planted" in caplog.text)


def test_each_mend_is_listed_with_its_test() -> None:
    listed = re.findall(r"^    Test: (\w+)$", app.server.__doc__ or "", re.MULTILINE)
    here = [name.removeprefix("test_") for name in globals() if name.startswith("test_")]
    assert listed == here[:-1]
