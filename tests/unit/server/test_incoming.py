"""A request is handed to a thread when its last byte is there, however it was cut on its way."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.server.incoming import Incoming

START = b"POST / HTTP/1.1\r\nHost: x\r\n"
WHOLE = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\r\nGET / HTTP/1.1\r\n\r\n",
    START + b"Content-Length: 0\r\n\r\n",
    START + b"content-length:5\r\n\r\n\r\n\r\nx",
    START + b"X: Content-Length: 9\r\nCONTENT-LENGTH: \t 5 \r\nY: 1\r\n\r\n12345",
    START + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    START
    + b'transfer-encoding: gzip, Chunked\r\n\r\n3;a="b"\r\nabc\r\n00A\r\n0\r\n\r\n23456\r\n0\r\nTrailer: x\r\n\r\n',
]


@given(st.sampled_from(WHOLE), st.data())
def test_a_request_is_there_with_its_last_byte_and_not_before(sent: bytes, data: st.DataObject) -> None:
    incoming, cuts = Incoming(100), sorted(data.draw(st.sets(st.integers(1, len(sent) - 1))))
    parts = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]

    assert [incoming.feed(part) for part in parts] == [False] * len(cuts) + [True]
    assert incoming.whole
    assert bytes(incoming.bytes) == sent


@pytest.mark.parametrize(
    "sent",
    [
        START + b"Content-Length: 101\r\n\r\n",
        START + b"Content-Length: 1\r\nContent-Length: 1\r\n\r\n",
        START + b"Content-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n",
        START + b"Content-Length: +9\r\n\r\n",
        START + b"Transfer-Encoding: chunked\r\n\r\n9x\r\n",
        START + b"Transfer-Encoding: chunked\r\n\r\n9\n",
        START + b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc",
        START + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 9000,
        START + b"Transfer-Encoding: chunked\r\n\r\nffff\r\n" + b"x" * 9000,
        START + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"X: 1\r\n" * 6000,
        START + b"X: 1\n",
        START + b"X: " + b"1" * 33_000,
    ],
)
def test_what_is_refused_is_not_waited_for(sent: bytes) -> None:
    assert Incoming(100).feed(sent)


@pytest.mark.parametrize(
    ("headers", "asks"),
    [
        (b"Expect: 100-continue\r\nContent-Length: 100\r\n\r\n", True),
        (b"Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n", True),
        (b"Expect: 100-continue\r\nContent-Length: 101\r\n\r\n", False),
        (b"Content-Length: 100\r\n\r\n", False),
    ],
)
def test_a_client_that_waits_for_leave_to_send_is_known_once(headers: bytes, asks: object) -> None:
    incoming = Incoming(100)
    incoming.feed(START + headers)

    assert [incoming.asks_whether_to_go_on, incoming.asks_whether_to_go_on] == [asks, False]
