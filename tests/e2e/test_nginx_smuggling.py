"""Requests that two servers in a row could read in two ways, sent to the nginx that ships (RFC 9112 section 11.2).

Behind each stands a second request. What nginx refuses ends the connection, and nothing of it reaches the service; what
it takes goes on in one reading, with one length of its body.
"""

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tests.e2e.foreign import Foreign, foreign
from tests.e2e.front import UNLIMITED, front
from tests.e2e.raw import MISREAD, PATIENCE, one, request, talk
from tests.servers.process import Server

pytestmark = pytest.mark.timeout(60)

SMUGGLED = request("GET /health")


@pytest.fixture(scope="module")
def module_service() -> Iterator[Foreign]:
    with foreign() as server:
        yield server


@pytest.fixture(scope="module")
def proxy(module_service: Foreign) -> Iterator[Server]:
    with front(module_service.port, changed=UNLIMITED) as server:
        yield server


@pytest.fixture
def behind(module_service: Foreign) -> Foreign:
    """Stands where the service stands, and has received nothing yet."""
    module_service.received.clear()
    return module_service


@pytest.mark.parametrize(
    "lines",
    [
        *MISREAD,
        ("Content-Length: " + "9" * 40,),
        ("Content-Length : 4",),
        ("Transfer-Encoding\t: chunked",),
        ("Transfer-Encoding:", " chunked"),
        ("X-Folded: a", " Content-Length: 4"),
        ("X-Folded: a", "\tContent-Length: 4"),
        ("X-\x00Null: a",),
        ("X-Return: a\rContent-Length: 4",),
        ("X-Long: " + "a" * 9000,),
        tuple(f"X-{number}: {'a' * 8000}" for number in range(5)),
    ],
    ids=lambda lines: " | ".join(lines)[:50].encode("unicode_escape").decode(),
)
def test_a_head_that_can_be_read_in_two_ways_gets_400(behind: Foreign, proxy: Server, lines: tuple[str, ...]) -> None:
    sent = request("POST /auth/login", *lines, close=False) + b"0\r\n\r\n" + SMUGGLED
    assert one(proxy.port, sent).status == 400
    assert behind.received == []


@pytest.mark.parametrize(
    "coding", ["xchunked", "chunked, identity", "identity", "chunked, chunked", "\x0bchunked", "gzip, chunked"]
)
def test_a_transfer_coding_that_nginx_does_not_know_gets_501(behind: Foreign, proxy: Server, coding: str) -> None:
    sent = request("POST /auth/login", f"Transfer-Encoding: {coding}", close=False) + b"0\r\n\r\n" + SMUGGLED
    assert one(proxy.port, sent).status == 501  # RFC 9112 section 6.1
    assert behind.received == []


@pytest.mark.parametrize(
    "hosts",
    [
        [],
        ["localhost", "localhost"],
        ["localhost", "evil.example"],
        ["localhost, evil.example"],
        ["localhost/auth"],
        ["local host"],
        ["evil.example localhost"],
        ["a..b"],
        ["localhost:80:80"],
        ["localhost:http"],
        ["local\x00host"],
        [""],
    ],
    ids=str,
)
def test_a_host_that_names_nothing_or_two_things_gets_400(behind: Foreign, proxy: Server, hosts: list[str]) -> None:
    assert one(proxy.port, request("GET /auth/me", host=hosts, close=False) + SMUGGLED).status == 400
    assert behind.received == []


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://evil.example/auth/me", "localhost"),
        ("http://localhost/auth/me", "evil.example"),
        ("http://localhost.evil.example/auth/me", "localhost"),
        ("http://evil@localhost/auth/me", "localhost"),
    ],
)
def test_a_target_that_names_another_host_than_the_header_gets_400(
    behind: Foreign, proxy: Server, target: str, host: str
) -> None:
    assert one(proxy.port, request(f"GET {target}", host=[host], close=False) + SMUGGLED).status == 400
    assert behind.received == []


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("http://localhost/auth/me", "localhost"),
        ("http://localhost:8080/auth/me", "LOCALHOST:8080"),
        ("/auth/me", "localhost.:8080"),
        ("/auth/me", "127.0.0.1:8080"),
        ("/auth/me", "[::1]:8080"),
    ],
)
def test_a_host_that_is_named_once_reaches_the_service(behind: Foreign, proxy: Server, target: str, host: str) -> None:
    assert one(proxy.port, request(f"GET {target}", host=[host])).status == 200
    assert [(told.line, told.headers["host"]) for told in behind.received] == [("GET /auth/me HTTP/1.1", host)]


def test_a_health_check_in_http_1_0_needs_no_host(behind: Foreign, proxy: Server) -> None:
    assert one(proxy.port, b"GET /health HTTP/1.0\r\n\r\n").status == 200
    assert len(behind.received) == 1


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (b"GET /health HTTP/1.2\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        (b"POST /auth/login HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (b"GET /hea lth HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /health HTTP/1.1\r\r\nHost: localhost\r\n\r\n", 400),
        (b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /../health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else None,
)
def test_a_malformed_first_line_is_refused(behind: Foreign, proxy: Server, sent: bytes, status: int) -> None:
    assert one(proxy.port, sent + SMUGGLED).status == status
    assert behind.received == []


def test_http_0_9_is_refused(behind: Foreign, proxy: Server) -> None:
    with closing(socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)) as connection:
        connection.sendall(b"GET /health\r\n")
        reply = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b"<title>400 Bad Request</title>" in reply
    assert behind.received == []


@pytest.mark.parametrize(
    "chunks",
    [
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"2;a\rb\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}xx\r\n0\r\n\r\n",
        b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
        b"\r\n2\r\n{}\r\n0\r\n\r\n",
    ],
)
def test_malformed_chunks_get_400(behind: Foreign, proxy: Server, chunks: bytes) -> None:
    head = request("POST /auth/login", "Transfer-Encoding: chunked", close=False)
    assert one(proxy.port, head + chunks + SMUGGLED).status == 400
    assert behind.received == []


@pytest.mark.parametrize(
    "chunks",
    [
        b"2\r\n{}\r\n0\r\n\r\n",
        b"1;a=b\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
        b"2;a\n{}\r\n0\r\n\r\n",
        b"2 9\r\n{}\r\n0\r\n\r\n",
        b"2\n{}\n0\n\n",
        b"2\r\n{}\r\n0\r\nHost: evil.example\r\nContent-Length: 9\r\n\r\n",
    ],
    ids=["plain", "extension", "extension that ends with LF", "no semicolon", "LF alone", "trailers"],
)
def test_chunks_reach_the_service_as_a_body_with_one_length(behind: Foreign, proxy: Server, chunks: bytes) -> None:
    head = request("POST /auth/login", "Transfer-Encoding: chunked", close=False)
    assert [reply.status for reply in talk(proxy.port, head + chunks + SMUGGLED)] == [200, 200]
    first, second = behind.received
    assert (first.line, first.body, first.headers["host"]) == ("POST /auth/login HTTP/1.1", b"{}", "localhost")
    assert first.headers["content-length"] == "2"
    assert "transfer-encoding" not in first.headers
    assert second.line == "GET /health HTTP/1.1"


@pytest.mark.parametrize(
    "header",
    [
        "Content_Length: 40",
        "Transfer_Encoding: chunked",
        "X_Forwarded_For: 203.0.113.9",
        "x_access_token: evil",
        "Content.Length: 40",
        "(Content-Length): 40",
        "Content-Length\xff: 40",
    ],
)
def test_a_header_with_an_ambiguous_name_is_not_forwarded(behind: Foreign, proxy: Server, header: str) -> None:
    sent = request("POST /auth/login", header, "Content-Length: 2", close=False) + b"{}" + SMUGGLED
    assert [reply.status for reply in talk(proxy.port, sent)] == [200, 200]
    first, second = behind.received
    assert set(first.headers) == {"host", "content-length", "x-request-id", "x-forwarded-for", "x-forwarded-proto"}
    assert (first.body, second.line) == (b"{}", "GET /health HTTP/1.1")


def test_a_line_that_ends_with_lf_alone_reaches_the_service_as_a_line_of_its_own(
    behind: Foreign, proxy: Server
) -> None:
    sent = request("POST /auth/login", "X-Bare: a\nContent-Length: 2", close=False) + b"{}" + SMUGGLED
    assert [reply.status for reply in talk(proxy.port, sent)] == [200, 200]
    first, second = behind.received
    assert (first.headers["x-bare"], first.headers["content-length"], first.body) == ("a", "2", b"{}")
    assert second.line == "GET /health HTTP/1.1"
