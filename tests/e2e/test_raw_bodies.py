"""How gunicorn, without nginx in front, answers hostile and broken bodies."""

import json
import socket
from contextlib import ExitStack, closing

import pytest

from tests.e2e.raw import PATIENCE, one, request
from tests.e2e.settings import PASSWORD, in_production
from tests.servers.service import service

pytestmark = pytest.mark.timeout(90)

SMUGGLED = request("GET /health")
TEN_MEGABYTES = 10_000_000


def test_a_body_of_ten_megabytes_is_refused_unread(port: int) -> None:
    reply = one(port, request("POST /auth/login", body=b"x" * TEN_MEGABYTES))

    assert (reply.status, reply.json()["code"]) == (413, "payload_too_large")


def test_requests_that_stay_unfinished_take_no_thread_from_the_others(port: int) -> None:
    with ExitStack() as stack:
        for number in range(200):  # more than there are threads
            client = stack.enter_context(closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)))
            client.sendall(request("POST /auth/login", body=b"{}")[: -1 - number % 100])
        assert one(port, request("GET /health")).status == 200


def test_a_token_that_ends_while_a_body_is_on_its_way_opens_nothing(port: int) -> None:
    account = {"username": "late", "password": PASSWORD}
    token = one(port, request("POST /auth/register", body=json.dumps(account).encode())).json()["data"]["access_token"]
    bearer = f"Authorization: Bearer {token}"
    late = request("POST /auth/logout", bearer, body=b'{"scope": "others"}')
    with closing(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)) as client:
        client.sendall(late[:-1])
        assert one(port, request("POST /auth/logout", bearer, body=b'{"scope": "all"}')).status == 200
        client.sendall(late[-1:])
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 401 ")
    assert b"session_ended" in answer


@pytest.mark.parametrize("chunk", [1000, 65536, TEN_MEGABYTES])
def test_a_body_that_does_not_announce_its_length_is_held_to_the_same_limit(port: int, chunk: int) -> None:
    chunks = TEN_MEGABYTES // chunk
    reply = one(port, in_chunks([b" " * chunk] * chunks))

    assert (reply.status, reply.json()["code"]) == (413, "payload_too_large")


@pytest.mark.parametrize(("size", "status"), [(65536, 422), (65537, 413)])
def test_the_limit_of_a_body_in_chunks_is_exact(port: int, size: int, status: int) -> None:
    assert one(port, in_chunks([b"{}", b" " * (size - 2)])).status == status


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"[" * 32_000 + b"]" * 32_000, 400, "malformed_json"),
        (b"[" * 60_000, 400, "malformed_json"),
        (b'{"a":' * 100_000, 413, "payload_too_large"),  # deeper than 64 KiB can be
        (b'{"login": ' + b"9" * 4000 + b"}", 400, "malformed_json"),
        (b'{"login": "\\ud800", "password": "x"}', 400, "malformed_json"),
        (b'{"email": "ann@example.com", "password": "not that common", "name": "a\\u0000b"}', 422, "validation_failed"),
        (b'{"email": "ann\\u0000@example.com", "password": "not that common"}', 422, "validation_failed"),
        (b'{"email": {"$gt": ""}, "password": {"$gt": ""}}', 422, "validation_failed"),
        (b'{"email": "ann@example.com", "email": "eve@example.com"}', 400, "malformed_json"),
        (b"\xff\xfe{}", 400, "malformed_json"),
        (b"", 400, "malformed_json"),
    ],
    ids=["deep", "deep and open", "100,000 deep", "4,000 digits", "lone surrogate", "NUL in a name", "NUL in an e-mail",
         "operators", "two keys alike", "UTF-16", "nothing"],
)  # fmt: skip
def test_a_hostile_body_is_refused(port: int, body: bytes, status: int, code: str) -> None:
    reply = one(port, request("POST /auth/register", body=body))

    assert (reply.status, reply.json()["code"]) == (status, code)


def test_a_body_of_100_000_levels_is_refused_where_it_fits(store: dict[str, str]) -> None:
    with service(in_production(WEB_CONCURRENCY="1", MAX_BODY_BYTES="2000000", **store)) as server:
        for body in (b"[" * 100_000 + b"]" * 100_000, b'{"a":' * 100_000 + b"1" + b"}" * 100_000):
            reply = one(server.port, request("POST /auth/login", body=body))

            assert (reply.status, reply.json()["code"]) == (400, "malformed_json")
        assert server.answers()


@pytest.mark.parametrize("rest", [b"", b"}  "], ids=["valid so far", "with a rest"])
def test_a_body_that_ends_before_its_announced_length_is_refused(port: int, rest: bytes) -> None:
    whole = request("POST /auth/login", "Content-Length: 40", "Content-Type: application/json") + b"{}" + rest
    reply = one(port, whole, hang_up=True)

    assert (reply.status, reply.json()["code"]) == (400, "malformed_json")


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n{}\r\n0\r\n\r\n",
        b"-2\r\n{}\r\n0\r\n\r\n",
        b"0x2\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}XX0\r\n\r\n",
        b"2;a\x00b\r\n{}\r\n0\r\n\r\n",
        b"2\r\n{}\r\n0\r\nHost: evil.example\r\n\r\n",
        b"2\n{}\n0\n\n\r\n\r\n",
    ],
)
def test_chunks_that_are_out_of_order_are_refused_and_the_connection_is_closed(port: int, chunks: bytes) -> None:
    head = request("POST /auth/login", "Content-Type: application/json", "Transfer-Encoding: chunked", close=False)

    assert one(port, head + chunks + SMUGGLED).status == 400


def test_a_body_that_nobody_reads_gets_no_answer_of_its_own(port: int) -> None:
    head = request("GET /health", "Transfer-Encoding: chunked", close=False)

    assert one(port, head + b"zz\r\n{}\r\n0\r\n\r\n" + SMUGGLED).status == 200


def in_chunks(parts: list[bytes]) -> bytes:
    head = request("POST /auth/login", "Content-Type: application/json", "Transfer-Encoding: chunked")
    return head + b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
