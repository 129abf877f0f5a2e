"""How gunicorn, without nginx in front, answers heads of requests that no client library would send.

RFC 9112 (messages), OWASP ASVS 5.0 sections 4.1 and 4.2 (methods, framing, forwarding headers).
"""

import json
from typing import Any

import pytest

from tests.e2e.raw import MISREAD, one, request, talk
from tests.servers.service import Service

pytestmark = pytest.mark.timeout(90)

SMUGGLED = request("GET /health")


@pytest.mark.parametrize(
    "lines",
    [
        *MISREAD,
        ("Content-Length: \N{SUPERSCRIPT TWO}",),
        ("Content-Length: " + "9" * 5000,),
        ("Transfer-Encoding: chunked, chunked",),
        ("Transfer-Encoding: identity",),
        ("Transfer-Encoding: chunked, gzip",),
        ("Transfer-Encoding: \x0bchunked",),
        ("Transfer-Encoding:\r\n chunked",),
        ("Host: evil.example",),
        ("Host: localhost",),
        ("Content-Type: text/plain", "Content-Type: application/json"),
        ("X-Folded: a\r\n b",),
        ("X-Bare: a\nContent-Length: 4",),
        ("X-Return: a\rb",),
        ("no colon",),
    ],
    ids=lambda lines: " | ".join(lines)[:50].encode("unicode_escape").decode(),
)
def test_a_request_that_can_be_read_in_two_ways_gets_400_and_the_connection_is_closed(
    port: int, lines: tuple[str, ...]
) -> None:
    whole = request("POST /auth/login", *lines, close=False) + b"0\r\n\r\n" + SMUGGLED

    assert one(port, whole).status == 400


def test_a_transfer_coding_that_is_not_known_gets_501_and_the_connection_is_closed(port: int) -> None:
    whole = request("POST /auth/login", "Transfer-Encoding: xchunked", close=False) + b"0\r\n\r\n" + SMUGGLED

    assert one(port, whole).status == 501  # RFC 9112 section 6.1


@pytest.mark.parametrize(
    ("whole", "status"),
    [
        (request("GET /health", "X-Long: " + "a" * 9000, close=False), 431),
        (request("GET /health", *["X-Many: a"] * 100, close=False), 431),
        (request("GET /" + "a" * 9000, close=False), 414),
        (b"GET /health HTTP/1.1\nHost: localhost\n\n", 400),
        (b"GET /health HTTP/2.0\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /health\r\n\r\n", 400),
        (b"GET  /health HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\x05hello\r\n\r\n", 400),
        (request("POST /auth/login", "Expect: 200-ok", body=b"{}", close=False), 417),
    ],
    ids=["long header", "many headers", "long target", "bare LF", "HTTP/2", "HTTP/0.9", "two spaces", "TLS", "Expect"],
)
def test_anything_but_a_request_is_refused_and_the_connection_is_closed(port: int, whole: bytes, status: int) -> None:
    assert one(port, whole).status == status


def test_the_longest_search_of_users_fits_into_the_first_line(port: int) -> None:
    longest = request(f"GET /admin/users?q={'%F0%9F%A6%8A' * 254}&cursor={'a' * 4000}")

    assert one(port, longest).status == 401  # it was read, and lacks a token


@pytest.mark.parametrize("method", ["TRACE", "FOO", "PROPFIND", "CONNECT", "DELETE", "G" * 20])
def test_another_method_gets_405_with_the_allowed_ones(port: int, method: str) -> None:
    reply = one(port, request(f"{method} /auth/users", "Cookie: secret=1"))

    assert (reply.status, reply.json()["code"]) == (405, "method_not_allowed")
    assert reply.headers["Allow"] == "GET, HEAD, OPTIONS"
    assert b"secret" not in reply.body


@pytest.mark.parametrize("method", ["get", "G\x00T", "GET\x7f", ""])
def test_an_invalid_method_gets_400(port: int, method: str) -> None:
    assert one(port, request(f"{method} /health", close=False)).status == 400


@pytest.mark.parametrize(
    "host", ["evil.example", "localhost.evil.example", "localhost@evil.example", "localhost:80:80", "local host", ""]
)
def test_a_host_that_is_not_allowed_is_refused(port: int, host: str) -> None:
    reply = one(port, request("GET /swagger/", host=[host]))

    assert (reply.status, reply.json()["code"]) == (400, "invalid_host")


def test_a_request_without_a_host_is_refused(port: int) -> None:
    assert one(port, request("GET /swagger/", host=[])).status == 400


def test_health_answers_under_any_host(port: int) -> None:
    for host in (["10.0.0.7"], []):
        assert one(port, request("GET /health/live", host=host)).status == 200


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://evil.example/auth/me", 401),  # the absolute form; its host decides nothing
        ("//evil.example/auth/me", 404),
        ("/\\evil.example/auth/me", 404),
        ("/swagger/..//evil.example", 404),
        ("/health/../auth/me", 404),
        ("/errors/%00", 404),
        ("/errors/not_found%00.html", 404),
        ("/errors/a%0d%0aSet-Cookie:%20evil=1", 404),
        ("/errors/%ff%fe", 404),
        ("/errors/%", 404),
        ("/errors/%2e%2e", 404),
        ("/assets/..%2f..%2fconfig.py", 404),
        ("/assets/%2e%2e%2fwsgi.py", 404),
        ("/assets/pages.css%00.png", 404),
        ("/assets/" + "a" * 3000 + ".css", 404),
        ("/auth/me?token=%00&x-access-token=%0d%0a", 401),
        ("*", 400),
        ("auth/me", 400),
        ("http://[::1/auth/me", 400),
        ("/errors/\xff", 400),
    ],
    ids=lambda value: str(value)[:40].encode("unicode_escape").decode(),
)
def test_a_strange_target_leads_nowhere_else(port: int, target: str, status: int) -> None:
    reply = one(port, request(f"GET {target}"))

    assert reply.status == status
    assert "Location" not in reply.headers
    assert "Set-Cookie" not in reply.headers


FORWARDING = [
    "X-Forwarded-For: 203.0.113.7",
    "X-Forwarded-Host: evil.example",
    "X-Forwarded-Port: 1",
    "X-Forwarded-Proto: https",
    "X-Forwarded-Ssl: on",
    "X-Forwarded-Prefix: /evil",
    "X-Real-IP: 203.0.113.7",
    "Forwarded: for=203.0.113.7;host=evil.example;proto=https",
    "X-Request-ID: abcdefghijkl",
    "X-Original-URL: /health",
    "X-Rewrite-URL: /health",
    "X-HTTP-Method-Override: POST",
    "SCRIPT_NAME: /evil",
    "PATH_INFO: /health",
    "REMOTE_ADDR: 203.0.113.7",
    "SCRIPT-NAME: /evil",
    "PATH-INFO: /health",
    "REMOTE-ADDR: 203.0.113.7",
]


@pytest.mark.parametrize("header", FORWARDING)
def test_a_forwarding_header_from_a_client_changes_nothing(port: int, live: Service, header: str) -> None:
    for target in ("/swagger/", "/auth/me"):
        plain, forwarded = (one(port, request(f"GET {target}", *headers)) for headers in ((), (header,)))
        request_id = forwarded.headers["X-Request-ID"]

        assert (forwarded.status, without_id(forwarded.body)) == (plain.status, without_id(plain.body))
        assert set(forwarded.headers) == set(plain.headers)
        assert request_id != "abcdefghijkl"
        line = line_of(live, request_id)
        assert (line["ip"], line["route"]) == ("127.0.0.1", target)


@pytest.mark.parametrize("name", ["X_ACCESS_TOKEN", "X_Access-Token", "HTTP_X_ACCESS_TOKEN", "HTTP_AUTHORIZATION"])
def test_a_header_with_an_underscore_is_not_taken_for_another(port: int, name: str) -> None:
    reply = one(port, request("GET /auth/me", f"{name}: Bearer not-a-token"))

    assert (reply.status, reply.json()["code"]) == (401, "missing_token")


def test_requests_in_a_row_are_answered_in_their_order(port: int) -> None:
    replies = talk(port, request("GET /health/live", close=False) + request("GET /nowhere", close=False) + SMUGGLED)

    assert [reply.status for reply in replies] == [200, 404, 200]


def test_what_a_client_sends_in_a_broken_request_is_not_logged(port: int, live: Service) -> None:
    secret = "planted-token-5f3a"
    for whole in (
        request("GET /health", f"Authorization Bearer {secret}", close=False),
        request("GET /health", f"X-{secret}\x00: a", close=False),
        request(f"GET /health?token={secret}\x00", close=False),
        f"{secret}\r\n\r\n".encode(),
    ):
        assert one(port, whole).status == 400

    assert "Invalid request from ip=127.0.0.1: InvalidHeader" in live.log()
    assert secret not in live.log()


def without_id(body: bytes) -> bytes:
    return body.partition(b'"request_id"')[0]


def line_of(live: Service, request_id: str) -> dict[str, Any]:
    """The line of the log about an exchange, which is written before the reply is sent."""
    found: dict[str, Any] = json.loads(next(line for line in live.log().splitlines() if request_id in line))
    return found
