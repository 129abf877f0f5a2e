"""The rate limits of the nginx that ships: they hold, for each address by itself, and no person reaches them.

Where a test counts what passes, the rate is one per minute, so that only the burst passes.
"""

import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import httpx
import pytest

from tests.e2e.foreign import foreign
from tests.e2e.front import CLIENT, Upstream, front, upstream
from tests.e2e.raw import PATIENCE, request
from tests.servers.process import Server

pytestmark = pytest.mark.timeout(120)

DEPLOYMENT = Path(__file__).parents[2] / "docs" / "deployment.md"
NEIGHBOUR = "127.0.0.3"
SLOW = {"rate=50r/s": "rate=1r/m", "rate=10r/s": "rate=1r/m"}
REQUESTS = 1 + 200
"""What may come from an address at once: the one that the rate allows, and the burst."""
GUESSES = 1 + 40
CONNECTIONS = 100
GUESSED = [
    "/auth/login", "/auth/register", "/auth/password", "/auth/password/forgot", "/auth/password/reset", "/auth/email",
    "/auth/email/verify", "/auth/email/resend", "/auth/email/undo", "/auth/email/disown", "/auth/invitation",
    "/auth/explain", "/auth/factors/recover", "/auth/factors/recover/cancel",
    "/verify-email", "/reset-password", "/undo-email", "/cancel-recovery", "/invitation", "/login",
    "/login/factor", "/login/mail", "/device",
]  # fmt: skip


@pytest.fixture
def behind() -> Iterator[Upstream]:
    with upstream() as server:
        yield server


@pytest.fixture
def proxy(behind: Upstream) -> Iterator[Server]:
    """nginx, where only the burst passes."""
    with front(behind.port, changed=SLOW) as server:
        yield server


@contextmanager
def client_at(address: str, proxy: Server) -> Iterator[httpx.Client]:
    """A client of nginx that comes from this address."""
    transport = httpx.HTTPTransport(local_address=address)
    base_url = f"http://127.0.0.1:{proxy.port}"
    with httpx.Client(
        base_url=base_url, headers={"Host": "localhost"}, transport=transport, timeout=PATIENCE
    ) as opened:
        yield opened


def statuses(client: httpx.Client, method: str, path: str, times: int) -> list[int]:
    """The statuses of this many requests."""
    return [client.request(method, path).status_code for _ in range(times)]


def test_an_address_gets_no_more_than_its_share(behind: Upstream, proxy: Server) -> None:
    with client_at(CLIENT, proxy) as client:
        assert statuses(client, "GET", "/auth/me", REQUESTS + 5) == [200] * REQUESTS + [429] * 5
    assert len(behind.seen) == REQUESTS


def test_attempts_of_a_password_or_a_code_have_a_share_of_their_own(behind: Upstream, proxy: Server) -> None:
    with client_at(CLIENT, proxy) as client:
        answered = [client.post(GUESSED[n % len(GUESSED)]).status_code for n in range(GUESSES + len(GUESSED))]
        assert answered == [200] * GUESSES + [429] * len(GUESSED)
        assert statuses(client, "GET", "/auth/login", 5) == [200] * 5
        assert statuses(client, "POST", "/auth/refresh", 5) == [200] * 5
        assert statuses(client, "POST", "/api/products", 5) == [200] * 5
    assert len(behind.seen) == GUESSES + 15


def test_what_is_refused_has_the_form_of_the_service(proxy: Server) -> None:
    with client_at(CLIENT, proxy) as client:
        statuses(client, "POST", "/auth/login", GUESSES)
        reply = client.post("/auth/login", json={"username": "ann", "password": "x"})
    assert (reply.status_code, reply.headers["Content-Type"]) == (429, "application/json")
    assert re.fullmatch("[0-9a-f]{32}", reply.headers["X-Request-ID"])
    assert reply.json() == {
        "status": "error",
        "code": "too_many_requests",
        "message": "Too many attempts. Wait before you try again.",
        "help": "/errors/too_many_requests",
        "request_id": reply.headers["X-Request-ID"],
    }
    told = {"Retry-After": "1", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    for name, value in told.items():
        assert reply.headers.get_list(name) == [value]


def test_under_a_path_what_is_refused_links_there(behind: Upstream) -> None:
    """The snippet of docs/deployment.md."""
    flags = re.MULTILINE | re.DOTALL
    (snippet,) = re.findall(r'^```nginx\n(map "" \$public_url .*?)^```$', DEPLOYMENT.read_text(), flags)
    told = {"local.d/public_url.conf": snippet}
    with front(behind.port, changed=SLOW, more=told) as proxy, client_at(CLIENT, proxy) as client:
        statuses(client, "POST", "/auth/login", GUESSES)
        reply = client.post("/auth/login")
    assert (reply.status_code, reply.json()["help"]) == (
        429,
        "https://auth.example.com/api/auth/errors/too_many_requests",
    )


def test_a_limit_is_that_of_one_address(proxy: Server) -> None:
    with client_at(CLIENT, proxy) as client, client_at(NEIGHBOUR, proxy) as neighbour:
        assert statuses(client, "POST", "/auth/login", GUESSES + 1)[-1] == 429
        assert statuses(neighbour, "POST", "/auth/login", GUESSES) == [200] * GUESSES


def test_the_addresses_of_a_network_of_ipv6_share_a_limit(behind: Upstream) -> None:
    told = {"local.d/real_ip.conf": f"set_real_ip_from {CLIENT};\nreal_ip_header X-Real-IP;\n"}
    with front(behind.port, changed=SLOW, more=told) as proxy, client_at(CLIENT, proxy) as client:

        def status_from(address: str) -> int:
            return client.post("/auth/login", headers={"X-Real-IP": address}).status_code

        assert [status_from(f"2001:db8:0:a0a::{n:x}") for n in range(GUESSES + 2)] == [200] * GUESSES + [429] * 2
        assert status_from("2001:db8:0:a0a:ffff:ffff:ffff:ffff") == 429
        assert [status_from(f"2001:db8:0:{n:x}::1") for n in range(GUESSES)] == [200] * GUESSES
        assert [status_from("192.0.2.10") for _ in range(GUESSES + 1)] == [200] * GUESSES + [429]


def test_a_client_gains_nothing_by_claiming_another_address(proxy: Server) -> None:
    with client_at(CLIENT, proxy) as client:
        statuses(client, "POST", "/auth/login", GUESSES)
        reply = client.post("/auth/login", headers={"X-Forwarded-For": "203.0.113.9", "X-Real-IP": "203.0.113.9"})
    assert reply.status_code == 429


@pytest.mark.parametrize("path", ["/health", "/health/live", "/health/ready", "/auth/health"])
def test_a_health_check_is_not_limited(proxy: Server, path: str) -> None:
    with client_at(CLIENT, proxy) as client:
        assert set(statuses(client, "GET", path, REQUESTS + 5)) == {200}
        assert statuses(client, "GET", "/auth/me", 1) == [200]


def test_a_cached_reply_counts_too() -> None:
    with foreign() as behind, front(behind.port, changed=SLOW) as proxy, client_at(CLIENT, proxy) as client:
        behind.headers = {"Cache-Control": "public, max-age=60"}
        assert statuses(client, "GET", "/assets/pages.css", REQUESTS + 1) == [200] * REQUESTS + [429]
    assert len(behind.received) == 1


def test_an_address_has_a_limited_number_of_requests_under_way(behind: Upstream, proxy: Server) -> None:
    with ExitStack() as held, client_at(CLIENT, proxy) as client, client_at(NEIGHBOUR, proxy) as neighbour:
        for _ in range(CONNECTIONS):
            held.enter_context(under_way(proxy))
        assert client.get("/auth/me").status_code == 429
        assert client.get("/health").status_code == 200
        assert neighbour.get("/auth/me").status_code == 200
    assert [line.split()[1] for line, _ in behind.seen] == ["/health", "/auth/me"]


@contextmanager
def under_way(proxy: Server) -> Iterator[None]:
    """A request from the address CLIENT whose body nginx waits for."""
    head = request("POST /api/products", "Content-Length: 2", "Expect: 100-continue", close=False)
    address = ("127.0.0.1", proxy.port)
    with closing(socket.create_connection(address, timeout=PATIENCE, source_address=(CLIENT, 0))) as connection:
        connection.sendall(head)
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        yield


def test_twenty_people_behind_one_address_reach_no_limit(behind: Upstream) -> None:
    page = ["/swagger/", "/assets/pages.css", "/assets/swagger-ui.css", "/assets/swagger-ui-bundle.js",
            "/assets/swagger.js", "/openapi.json", "/auth/me"]  # fmt: skip
    with front(behind.port) as proxy, client_at(CLIENT, proxy) as client:
        answered = [client.post(path).status_code for _ in range(20) for path in ("/auth/register", "/auth/login")]
        answered += [client.get(path).status_code for _ in range(20) for path in page]
    assert answered == [200] * 180
