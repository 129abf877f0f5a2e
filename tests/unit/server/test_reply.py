"""A reply is written at once, and a client that does not receive it holds no thread for long."""

from __future__ import annotations

import socket
from contextlib import closing
from threading import BoundedSemaphore, Thread
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.workers import gthread

from app.server.reply import Reply
from tests.unit.server.served import writes_of


def test_a_reply_is_written_at_once_so_that_no_proxy_gets_half_of_it() -> None:
    (written,) = writes_of(Reply, [("Content-Length", "2")], [b"ok"])
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert written.endswith(b"\r\n\r\nok")


def test_a_reply_of_several_parts_has_its_headers_with_the_first() -> None:
    first, second = writes_of(Reply, [("Content-Length", "4")], [b"ok", b"ok"])
    assert first.endswith(b"\r\n\r\nok")
    assert second == b"ok"


@pytest.mark.parametrize(("method", "parts"), [("HEAD", [b"ok"]), ("GET", []), ("GET", [b""])])
def test_a_reply_without_a_body_is_written(method: str, parts: list[bytes]) -> None:
    (written,) = writes_of(Reply, [("Content-Length", "0")], parts, method)
    assert written.endswith(b"\r\n\r\n")


def test_a_reply_without_a_length_is_written_in_chunks() -> None:
    assert b"".join(writes_of(Reply, [], [b"ok", b"!"])).endswith(b"\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n")


def test_gunicorn_writes_its_replies_in_this_way() -> None:
    assert gthread.wsgi.Response is Reply


@pytest.fixture
def places(monkeypatch: pytest.MonkeyPatch) -> BoundedSemaphore:
    """One place to wait for a slow client."""
    places = BoundedSemaphore(1)
    monkeypatch.setattr(Reply, "places", places)
    return places


def reply_to(writing: socket.socket) -> Reply:
    asked = SimpleNamespace(method="GET", version=(1, 1), headers=[], should_close=lambda: False)
    reply = Reply(asked, writing, Config())
    reply.start_response("200 OK", [])
    return reply


def test_a_client_that_does_not_receive_counts_as_gone(
    places: BoundedSemaphore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.server.reply.SEND_SECONDS", 0.05)
    writing, reading = socket.socketpair()
    with closing(writing), closing(reading):
        with pytest.raises(ConnectionResetError):
            reply_to(writing).write(b"x" * 10_000_000)
        assert places.acquire(blocking=False)  # the place is free again


def test_a_client_that_receives_slowly_gets_all_of_it(places: BoundedSemaphore) -> None:
    writing, reading = socket.socketpair()
    received: list[bytes] = []
    receiving = Thread(target=lambda: received.extend(iter(lambda: reading.recv(65536), b"")))
    with closing(writing), closing(reading):
        receiving.start()
        reply = reply_to(writing)
        for _ in range(4):
            reply.write(b"x" * 1_000_000)
        reply.close()
        writing.shutdown(socket.SHUT_WR)
        receiving.join()
    assert b"".join(received).count(b"x") == 4_000_000
    assert places.acquire(blocking=False)


def test_no_more_threads_than_there_are_places_wait_for_clients(places: BoundedSemaphore) -> None:
    assert places.acquire(blocking=False)  # another reply waits
    writing, reading = socket.socketpair()
    with closing(writing), closing(reading), pytest.raises(ConnectionResetError):
        reply_to(writing).write(b"x" * 10_000_000)
    writing, reading = socket.socketpair()
    with closing(writing), closing(reading):
        reply_to(writing).write(b"ok")  # what fits needs no place
        assert reading.recv(65536).endswith(b"2\r\nok\r\n")


def test_the_parts_of_a_reply_share_one_time_limit(places: BoundedSemaphore, monkeypatch: pytest.MonkeyPatch) -> None:
    writing, reading = socket.socketpair()
    with closing(writing), closing(reading):
        reply = reply_to(writing)
        monkeypatch.setattr(reply, "_patience", 0.0)
        with pytest.raises(ConnectionResetError):
            reply.write(b"x" * 10_000_000)
    assert places.acquire(blocking=False)


def test_a_quarter_of_the_threads_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Reply, "places", Reply.places)
    Reply.make_places(82)
    assert [Reply.places.acquire(blocking=False) for _ in range(21)] == [*[True] * 20, False]
