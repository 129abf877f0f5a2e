"""What clients get through the nginx that ships, in front of the service under gunicorn."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import httpx
import pytest

from tests.e2e.front import CLIENT, UNLIMITED, accesses, front, logged
from tests.e2e.raw import PATIENCE, one, request
from tests.e2e.settings import PASSWORD
from tests.servers.process import Server, wait_until
from tests.servers.service import Service

pytestmark = pytest.mark.timeout(120)

THREADS = 1 + 48 + 32
"""Of the one worker: HASH_THREADS, HASH_QUEUE, and what gunicorn.conf.py adds."""


def connections_to(port: int) -> set[str]:
    """The local ends of the open connections to a port of this machine, as /proc/net/tcp has them."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {row[1] for row in rows if row[2] == f"0100007F:{port:04X}" and row[3] == "01"}


def test_an_account_is_registered_and_used_through_nginx(client: httpx.Client) -> None:
    account = {"email": "eve@example.com", "password": PASSWORD}
    assert client.post("/auth/register", json=account).status_code == 201
    token = client.post("/auth/login", json=account).json()["data"]["access_token"]
    reply = client.get("/auth/me", headers={"Authorization": f"Bearer {token}"})
    assert reply.json()["data"]["user"]["email"] == "eve@example.com"


def test_a_browser_logs_in_on_the_pages_through_nginx(client: httpx.Client) -> None:
    assert client.post("/auth/register", json={"username": "fay", "password": PASSWORD}).status_code == 201
    page = client.get("/login")
    assert "form-action 'self'" in page.headers["Content-Security-Policy"]
    assert page.headers["Cache-Control"] == "no-store"
    form = {"login": "fay", "password": PASSWORD}
    for origin, status in (("http://evil.example", 403), ("http://localhost", 303)):
        reply = client.post("/login", data=form, headers={"Origin": origin})
        assert reply.status_code == status
    cookies = [line for line in reply.headers.get_list("Set-Cookie") if line.startswith("__Host-latchkey-page=")]
    cookie = {"Cookie": cookies[0].partition(";")[0]}
    assert client.get("/login?entered=on", headers=cookie).headers["Location"] == "./login"
    assert "You are logged in" in client.get("/login", headers=cookie).text


def test_nginx_keeps_its_connections_to_the_workers(proxied: Service, client: httpx.Client) -> None:
    client.get("/api/ping")
    before = connections_to(proxied.port)
    for _ in range(20):
        client.get("/api/ping")
    assert before
    assert connections_to(proxied.port) == before


def test_nginx_makes_the_request_id_that_both_logs_and_the_client_get(
    proxied: Service, proxy: Server, client: httpx.Client
) -> None:
    made = client.get("/api/ping").headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", made)
    assert len(logged(proxied, request_id=made)) == 1
    wait_until(lambda: [line["path"] for line in accesses(proxy) if line["request_id"] == made] == ["/api/ping"], 60)


def test_probes_that_succeed_are_in_neither_log_and_those_that_fail_are(proxied: Service, proxy: Server) -> None:
    probes = ("/health", "/auth/health", "/health/live", "/health/ready", "/health/ready/")
    made = {path: one(proxy.port, request(f"GET {path}")).headers["X-Request-ID"] for path in probes}
    refused = one(proxy.port, request("POST /health/live", body=b"{}")).headers["X-Request-ID"]
    wait_until(lambda: refused in {line["request_id"] for line in accesses(proxy)}, 60)
    assert len(logged(proxied, request_id=refused)) == 1
    assert not {line["request_id"] for line in accesses(proxy)} & set(made.values())
    assert not any(logged(proxied, request_id=request_id) for request_id in made.values())


def test_a_failure_carries_the_request_id_of_nginx(client: httpx.Client) -> None:
    reply = client.get("/auth/me")
    assert reply.headers.get_list("X-Request-ID") == [reply.json()["request_id"]]


def test_the_address_of_the_client_reaches_the_service(proxied: Service, client: httpx.Client) -> None:
    made = client.get("/api/ping").headers["X-Request-ID"]
    assert [line["ip"] for line in logged(proxied, request_id=made)] == [CLIENT]


@pytest.mark.parametrize(
    "header",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"X-Forwarded-For": "203.0.113.9, 127.0.0.1"},
        {"X_Forwarded_For": "203.0.113.9"},
        {"Forwarded": "for=203.0.113.9"},
        {"X-Real-IP": "203.0.113.9"},
        {"X-Request-ID": "chosen-by-the-client"},
        {"X_Request_ID": "chosen-by-the-client"},
    ],
    ids=str,
)
def test_what_a_client_claims_about_its_address_changes_nothing(
    proxied: Service, client: httpx.Client, header: dict[str, str]
) -> None:
    made = client.get("/api/ping", headers=header).headers["X-Request-ID"]
    assert made != "chosen-by-the-client"
    assert [line["ip"] for line in logged(proxied, request_id=made)] == [CLIENT]


@pytest.mark.parametrize("size", [65_537, 200_000, 1024 * 1024])
def test_a_body_over_the_limit_is_refused_in_the_words_of_the_service(client: httpx.Client, size: int) -> None:
    for _ in range(5):
        reply = client.post("/auth/login", content=b"x" * size, headers={"Content-Type": "application/json"})
        assert (reply.status_code, reply.json()["code"]) == (413, "payload_too_large")


def test_a_body_of_ten_megabytes_is_refused_by_nginx(proxied: Service, proxy: Server) -> None:
    reply = one(proxy.port, request("POST /auth/login", body=b"x" * 10_000_000))
    assert reply.status == 413
    assert not logged(proxied, request_id=reply.headers["X-Request-ID"])


def test_a_body_in_chunks_reaches_the_service_whole(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        yield b'{"username": "nobody", '
        yield b'"password": "wrong horse"}'

    reply = client.post("/auth/login", content=chunks(), headers={"Content-Type": "application/json"})
    assert reply.json()["code"] == "invalid_credentials"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"a":' * 100_000, 413),
        (b"[" * 60_000, 400),
        (b'{"login": ' + b"9" * 4000 + b"}", 400),
        (b'{"login": "\\ud800", "password": "x"}', 400),
        (b'{"email": "ann@example.com", "password": "not that common", "name": "a\\u0000b"}', 422),
        (b'{"email": {"$gt": ""}, "password": {"$gt": ""}}', 422),
    ],
    ids=["100,000 deep", "deep", "4,000 digits", "lone surrogate", "NUL in a name", "operators"],
)
def test_a_hostile_body_gets_the_same_answer_as_without_nginx(proxy: Server, body: bytes, status: int) -> None:
    reply = one(proxy.port, request("POST /auth/register", body=body))
    assert (reply.status, reply.headers["Content-Type"]) == (status, "application/json")


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (request("GET /auth/me", host=["evil.example"]), 400),
        (request("GET /auth/me", host=[]), 400),
        (request("GET /auth/me", host=["localhost", "localhost"]), 400),
        (request("GET http://localhost/auth/me", host=["evil.example"]), 400),
        (request("POST /auth/login", "Content-Length: 5", "Transfer-Encoding: chunked") + b"0\r\n\r\n", 400),
        (request("POST /auth/login", "Content-Length: 2", "Content-Length: 2") + b"{}", 400),
        (request("POST /auth/login", "Content-Length: 2, 2") + b"{}", 400),
        (request("POST /auth/login", "Transfer-Encoding: chunked, chunked") + b"0\r\n\r\n", 501),
        (request("BREW /auth/login"), 405),
        (request("TRACE /auth/login"), 405),
        (request("get /auth/me"), 400),
        (request("GET /auth/me\x00"), 400),
        (request("GET /" + "a" * 9000), 414),
        (request("GET /auth/me", "Cookie: " + "a" * 9000), 400),
        (request("GET /auth/me", *(f"X-{n}: {'a' * 8000}" for n in range(5))), 400),
    ],
    ids=["bad host", "no host", "two hosts", "two targets", "CL and TE", "two lengths", "list of lengths", "two TEs",
         "unknown method", "TRACE", "lower case", "NUL", "long target", "long header", "long headers"],
)  # fmt: skip
def test_a_malformed_request_is_refused(proxy: Server, sent: bytes, status: int) -> None:
    reply = one(proxy.port, sent)
    assert reply.status == status
    assert reply.headers.get_all("X-Request-ID") is not None


def test_what_follows_a_refused_message_is_not_taken_for_a_request(proxy: Server) -> None:
    smuggled = request("GET /health")
    sent = request("POST /auth/login", "Content-Length: 5", "Transfer-Encoding: chunked", close=False)
    assert one(proxy.port, sent + b"0\r\n\r\n" + smuggled).status == 400


def test_slow_clients_keep_no_worker_from_others(proxied: Service, proxy: Server, client: httpx.Client) -> None:
    head = request("POST /auth/login", "Content-Type: application/json", "Content-Length: 60000", close=False)
    before = len(logged(proxied, method="POST"))
    with ExitStack() as slow:
        for number in range(2 * THREADS):
            connection = slow.enter_context(closing(socket.create_connection(("127.0.0.1", proxy.port), PATIENCE)))
            connection.sendall(head + b"{" if number % 2 else head[:20])
        assert client.get("/auth/me").status_code == 401
        assert client.get("/health/ready").status_code == 200
        assert len(logged(proxied, method="POST")) == before


@pytest.mark.parametrize(
    ("limit", "shorter", "sent"),
    [
        ("client_header_timeout 10s;", "client_header_timeout 1s;", b"GET /health HTTP/1.1\r\nHost: loc"),
        (
            "client_body_timeout 10s;",
            "client_body_timeout 1s;",
            request("POST /auth/login", "Content-Length: 9", close=False) + b"{",
        ),
        ("keepalive_timeout 30s;", "keepalive_timeout 1s;", request("GET /health", close=False)),
    ],
)
def test_a_client_that_stops_sending_is_dropped(proxied: Service, limit: str, shorter: str, sent: bytes) -> None:
    with (
        front(proxied.port, changed={limit: shorter}) as proxy,
        closing(socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)) as connection,
    ):
        connection.sendall(sent)
        try:
            while connection.recv(65536):
                pass
        except ConnectionResetError:  # reset_timedout_connection: nothing lingers
            pass


def test_no_version_is_shown(client: httpx.Client, proxy: Server) -> None:
    assert client.get("/health").headers["Server"] == "nginx"
    refused = one(proxy.port, request("POST /auth/login", body=b"x" * 2_000_000))
    assert refused.headers["Server"] == "nginx"
    assert b"nginx/" not in refused.body


def test_a_worker_that_is_replaced_costs_no_request(proxied: Service) -> None:
    with (
        front(proxied.port, changed=UNLIMITED) as proxy,
        httpx.Client(base_url=f"http://localhost:{proxy.port}", timeout=PATIENCE) as client,
    ):
        (old,) = proxied.worker_pids()
        statuses = {client.post("/auth/login", json={}).status_code}
        os.kill(old, signal.SIGTERM)
        while old in proxied.worker_pids():
            statuses.add(client.post("/auth/login", json={}).status_code)
        statuses.add(client.post("/auth/login", json={}).status_code)
    assert statuses == {422}
