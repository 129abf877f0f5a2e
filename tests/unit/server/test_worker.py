"""gunicorn's worker holds no thread for a client that sends slowly, and waits at its stop for no silent one."""

from __future__ import annotations

import socket
from contextlib import ExitStack, closing
from threading import Event
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from gunicorn.workers import gthread

from app.server import worker
from app.server.incoming import Incoming
from tests.servers.process import wait_until
from tests.unit.server.served import BRIEF, GET, LONG, no_threads, reply, when_told_to_stop_at_once

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.server.served import Served


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
    monkeypatch.setattr(worker, "REQUEST_SECONDS", BRIEF)
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


def test_a_worker_that_is_told_to_stop_right_after_its_fork_stops(tmp_path: Path) -> None:
    assert when_told_to_stop_at_once(worker.Worker, tmp_path) == "stops"


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


CLOSING = GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n"
EXPECTING = POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
SECONDS = 10
"""How long a connection may take to get back to the main thread; without the rule it is much longer."""


@pytest.fixture
def patient(served: Served, monkeypatch: pytest.MonkeyPatch) -> Served:
    """A worker whose threads wait long for the next request of a connection."""
    monkeypatch.setattr(worker, "_NEXT_SECONDS", LONG)
    return served


@pytest.mark.parametrize(
    "parts",
    [[GET], [GET, GET], [GET + GET], [GET[:9], GET[9:]], [POST, b"xxx"], [GET + POST[:-2], b"\r\nxxx"]],
    ids=["one", "two", "pipelined", "a cut head", "head and body", "the second cut"],
)
def test_a_thread_takes_the_next_requests_of_its_connection_without_the_main_thread(
    parts: list[bytes], patient: Served
) -> None:
    with closing(patient.connect()) as connection:
        connection.sendall(GET)
        exactly(connection)
        with patient.busy():
            for part in parts:
                connection.sendall(part)
            for _ in range(b"".join(parts).count(b"HTTP/1.1")):
                assert b"Connection: keep-alive" in exactly(connection)


def test_a_thread_tells_the_next_client_that_expects_100_continue_to_go_on(patient: Served) -> None:
    with closing(patient.connect()) as connection:
        connection.sendall(GET)
        exactly(connection)
        with patient.busy():
            connection.sendall(EXPECTING)
            assert connection.recv(4096) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(b"xxx")
            assert b"200 OK" in exactly(connection)


def test_a_client_that_closes_or_resets_is_noticed_by_a_thread_that_waits(patient: Served) -> None:
    for leave in (socket.socket.close, reset):
        for part in (b"", GET[:-1], POST):
            connection = patient.connect()
            connection.sendall(GET)
            exactly(connection)
            connection.sendall(part)
            leave(connection)

            wait_until(lambda: patient.worker.nr_conns == 0, SECONDS)


def reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    connection.close()


def test_a_part_of_the_next_request_goes_back_to_the_main_thread_and_is_not_lost(served: Served) -> None:
    with closing(served.connect()) as connection:
        for part, rest in (
            (b"G", GET[1:]),
            (GET[:-1], GET[-1:]),
            (POST + b"x", b"xx"),
            (GET + POST[:9], POST[9:] + b"x" * 3),
        ):
            connection.sendall(GET)
            exactly(connection)
            connection.sendall(part)
            wait_until(lambda: any(conn.incoming.bytes for conn in served.worker.pending_conns), SECONDS)
            connection.sendall(rest)
            for _ in range((part + rest).count(b"HTTP/1.1")):
                assert b"Connection: keep-alive" in exactly(connection)


def test_a_next_request_that_is_not_complete_in_time_gets_408(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "REQUEST_SECONDS", BRIEF)
    with closing(served.connect()) as connection:
        connection.sendall(GET)
        exactly(connection)
        connection.sendall(POST + b"x")

        assert connection.recv(4096).startswith(b"HTTP/1.1 408 ")
        assert connection.recv(1) == b""


def test_a_client_that_sends_byte_by_byte_has_a_thread_no_longer_than_one_that_sends_nothing(
    booting: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = socket.socketpair()
    now = 0.0

    def a_byte_later() -> float:
        nonlocal now
        theirs.send(b"x")
        now += worker._NEXT_SECONDS / 4  # noqa: SLF001
        return now

    with closing(ours), closing(theirs):
        conn: Any = SimpleNamespace(sock=ours, incoming=Incoming(100), ready=False)
        monkeypatch.setattr(worker, "time", SimpleNamespace(monotonic=a_byte_later))
        theirs.send(POST.replace(b"3", b"50"))

        assert not booting.worker._receive_next(conn)  # noqa: SLF001
        assert len(conn.incoming.bytes) < len(POST) + 10
    monkeypatch.undo()
    booting.thread.start()


def test_with_few_idle_threads_no_thread_waits_for_a_client(patient: Served) -> None:
    with ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(closing(patient.connect())).sendall(GET.replace(b"/", b"/slow", 1))
        connection = opened.enter_context(closing(patient.connect()))
        connection.sendall(GET)
        exactly(connection)

        wait_until(lambda: len(patient.worker.pending_conns) == 1, SECONDS)
        with closing(patient.connect()) as other:
            other.sendall(GET)
            assert b"200 OK" in exactly(other)


def test_a_client_with_many_requests_at_once_lets_others_have_their_turn(patient: Served) -> None:
    answered, begun, go_on = [], Event(), Event()

    def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
        if environ["PATH_INFO"] == "/first":
            begun.set()
            assert go_on.wait(LONG)
        answered.append(environ["PATH_INFO"])
        return patient.application(environ, start_response)

    patient.worker.wsgi = application
    with ExitStack() as opened:
        for _ in range(3):
            opened.enter_context(closing(patient.connect())).sendall(GET.replace(b"/", b"/slow", 1))
        greedy, other = (opened.enter_context(closing(patient.connect())) for _ in range(2))
        greedy.sendall(GET.replace(b"/", b"/first", 1) + GET * 5)
        assert begun.wait(LONG)
        other.sendall(GET.replace(b"/", b"/other", 1))
        wait_until(lambda: patient.worker.nr_conns == 5 and not patient.worker.pending_conns, SECONDS)
        go_on.set()
        for _ in range(6):
            exactly(greedy)

    assert [path for path in answered if path != "/slow"] == ["/first", "/other", *["/"] * 5]


def test_a_thread_that_answers_at_the_stop_waits_for_no_further_request(patient: Served) -> None:
    with closing(patient.connect()) as connection:
        connection.sendall(GET.replace(b"/", b"/slow", 1))
        assert patient.begun.wait(LONG)
        patient.stop()
        patient.let_go.set()
        assert b"Connection: keep-alive" in exactly(connection)

        assert connection.recv(1) == b""
        assert patient.ends()


def test_a_request_that_comes_after_the_stop_while_its_thread_waits_is_the_last_of_its_connection(
    patient: Served,
) -> None:
    with closing(patient.connect()) as connection:
        connection.sendall(GET)
        exactly(connection)
        patient.stop()
        connection.sendall(GET)

        assert b"Connection: close" in exactly(connection)
        assert connection.recv(1) == b""
    assert patient.ends()


def test_a_thread_that_waits_ends_with_the_last_request_of_its_worker(patient: Served) -> None:
    patient.worker.max_requests = 3
    with closing(patient.connect()) as connection:
        connection.sendall(GET * 4)
        for answer in (b"keep-alive", b"keep-alive", b"close"):
            assert b"Connection: " + answer in exactly(connection)

        assert connection.recv(1) == b""
    assert patient.ends()


def test_a_next_request_that_says_close_ends_the_connection(patient: Served) -> None:
    with closing(patient.connect()) as connection:
        connection.sendall(GET)
        exactly(connection)
        connection.sendall(CLOSING)

        assert b"Connection: close" in exactly(connection)
        assert connection.recv(1) == b""


def test_a_worker_without_its_parent_serves_no_client_for_ever(patient: Served) -> None:
    patient.worker.cfg.set("graceful_timeout", 0)
    with ExitStack() as opened, closing(patient.connect()) as connection:

        def application(environ: dict[str, Any], start_response: Callable[..., object]) -> list[bytes]:
            opened.callback(environ["gunicorn.socket"].close)  # as the end of the process does
            return patient.application(environ, start_response)

        patient.worker.wsgi = application
        connection.sendall(GET)
        exactly(connection)
        patient.worker.ppid = -1
        assert patient.ends()
        connection.sendall(GET)

        assert b"Connection: close" in exactly(connection)
        patient.worker.tpool.shutdown()


def test_without_memory_for_another_thread_a_request_waits_for_one_of_those_there_are(served: Served) -> None:
    with closing(served.connect()) as slow, closing(served.connect()) as late, no_threads():
        slow.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert served.begun.wait(LONG)
        late.sendall(GET)
        # The connections are read in turn: once this one is closed, `late` has been read.
        with closing(served.connect()) as last:
            last.sendall(b"no request\r\n\r\n")
        served.let_go.set()

        assert b"200 OK" in reply(slow)
        assert b"200 OK" in reply(late)


def test_a_request_that_there_is_no_memory_for_is_refused_and_the_others_are_served(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(served.connect()) as starved, closing(served.connect()) as other:
        with monkeypatch.context() as short:

            def feed(_incoming: Incoming, _part: bytes) -> bool:
                raise MemoryError

            short.setattr(Incoming, "feed", feed)
            starved.sendall(GET)
            refused = b"".join(iter(lambda: starved.recv(4096), b""))
        other.sendall(GET)

        assert b"200 OK" in reply(other)
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"\r\nRetry-After: 1\r\n" in refused


def test_a_request_whose_handling_runs_out_of_memory_is_refused(served: Served) -> None:
    with closing(served.connect()) as starved:
        starved.sendall(b"GET /starved HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"".join(iter(lambda: starved.recv(4096), b"")).startswith(b"HTTP/1.1 503 ")
