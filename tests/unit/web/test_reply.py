"""A reply is written at once, and so that a client that does not receive it holds no thread for long."""

from __future__ import annotations

import socket
from contextlib import closing
from types import SimpleNamespace

import pytest
from gunicorn.config import Config
from gunicorn.workers import gthread

from app.web.reply import Reply


def writes_of(headers: list[tuple[str, str]], parts: list[bytes], method: str = "GET") -> list[bytes]:
    """What a reply of these headers and parts of a body writes, write by write."""
    writing, reading = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with closing(writing), closing(reading):
        asked = SimpleNamespace(method=method, version=(1, 1), headers=[], should_close=lambda: False)
        reply = Reply(asked, writing, Config())
        reply.start_response("200 OK", headers)
        for part in parts:
            reply.write(part)
        reply.close()
        writing.shutdown(socket.SHUT_WR)
        return list(iter(lambda: reading.recv(65536), b""))


def test_a_reply_is_written_at_once_so_that_no_proxy_gets_half_of_it() -> None:
    (written,) = writes_of([("Content-Length", "2")], [b"ok"])
    assert written.startswith(b"HTTP/1.1 200 OK\r\n")
    assert written.endswith(b"\r\n\r\nok")


def test_a_reply_of_several_parts_has_its_headers_with_the_first() -> None:
    first, second = writes_of([("Content-Length", "4")], [b"ok", b"ok"])
    assert first.endswith(b"\r\n\r\nok")
    assert second == b"ok"


@pytest.mark.parametrize(("method", "parts"), [("HEAD", [b"ok"]), ("GET", []), ("GET", [b""])])
def test_a_reply_without_a_body_is_written(method: str, parts: list[bytes]) -> None:
    (written,) = writes_of([("Content-Length", "0")], parts, method)
    assert written.endswith(b"\r\n\r\n")


def test_a_reply_without_a_length_is_written_in_chunks() -> None:
    assert b"".join(writes_of([], [b"ok", b"!"])).endswith(b"\r\n\r\n2\r\nok\r\n1\r\n!\r\n0\r\n\r\n")


def test_gunicorn_makes_its_replies_so() -> None:
    assert gthread.wsgi.Response is Reply


def test_a_client_that_does_not_receive_is_taken_for_one_that_is_gone() -> None:
    writing, reading = socket.socketpair()
    with closing(writing), closing(reading):
        writing.settimeout(0.05)
        asked = SimpleNamespace(method="GET", version=(1, 1), headers=[], should_close=lambda: False)
        reply = Reply(asked, writing, Config())
        reply.start_response("200 OK", [])
        with pytest.raises(ConnectionResetError):
            reply.write(b"x" * 10_000_000)
