"""What the nginx that ships sends on, seen from where the service stands."""

import re
import select
import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

from tests.e2e.front import UNLIMITED, Upstream, accesses, front, self_signed, upstream
from tests.e2e.raw import ODD_PATHS, one, request, talk
from tests.servers.process import Server, free_port, wait_until

pytestmark = pytest.mark.timeout(60)

DEPLOYMENT = Path(__file__).parents[2] / "docs" / "deployment.md"


@pytest.fixture
def behind() -> Iterator[Upstream]:
    with upstream() as server:
        yield server


@pytest.fixture
def proxy(behind: Upstream) -> Iterator[Server]:
    with front(behind.port) as server:
        yield server


def headers_of(behind: Upstream) -> dict[str, str]:
    """The headers of the only request, by their names in small letters."""
    ((_, headers),) = behind.seen
    assert len({name.lower() for name, _ in headers}) == len(headers)
    return {name.lower(): value for name, value in headers}


def test_the_service_learns_the_client_address_and_nothing_that_the_client_claims(
    behind: Upstream, proxy: Server
) -> None:
    claims = [
        "X-Forwarded-For: 203.0.113.9", "X-Forwarded-For: 203.0.113.8", "Forwarded: for=203.0.113.9",
        "X-Real-IP: 203.0.113.9", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil.example",
        "X-Forwarded-Port: 1", "X-Forwarded-Prefix: /evil", "X-Request-ID: chosen-by-the-client", "Proxy: evil.example",
        "X_Forwarded_For: 203.0.113.9", "x_access_token: evil",
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate: evil=1", "baggage: evil=1",
    ]  # fmt: skip
    talk(proxy.port, request("GET /auth/me", *claims, "Authorization: Bearer x", host=["localhost:8080"]))

    sent = headers_of(behind)
    assert re.fullmatch("[0-9a-f]{32}", sent.pop("x-request-id"))
    assert sent == {
        "host": "localhost:8080",
        "x-forwarded-for": "127.0.0.1",
        "x-forwarded-proto": "http",
        "authorization": "Bearer x",
    }
    assert behind.seen[0][0] == "GET /auth/me HTTP/1.1"


@pytest.mark.parametrize(
    ("sent", "forwarded"),
    [
        ("/errors/a%2Fb//c/../%61?x=%31", "/errors/a/b//a?x=%31"),
        ("/auth/grants/https%3A%2F%2Fclient.example%2Fa%3Fb", "/auth/grants/https://client.example/a%3Fb"),
        ("/assets/..%2fauth/me", "/auth/me"),
        ("/swagger%2f%23%25%0d%0a", "/swagger/%23%25%0D%0A"),
    ],
)
def test_the_path_arrives_decoded_and_without_dots_and_the_query_as_it_was_sent(
    behind: Upstream, proxy: Server, sent: str, forwarded: str
) -> None:
    talk(proxy.port, request(f"GET {sent}"))
    assert behind.seen[0][0] == f"GET {forwarded} HTTP/1.1"


@pytest.mark.parametrize("place", ["admin", "metrics", "assets", "errors", "swagger", "auth/login"])
def test_the_path_that_is_judged_is_the_path_that_is_forwarded(behind: Upstream, place: str) -> None:
    forwarded: dict[str, list[str]] = {}
    with front(behind.port, changed=UNLIMITED) as proxy:
        for path in ODD_PATHS:
            behind.seen.clear()
            sent = path.replace("admin", place).replace("robots.txt", "openapi.json")
            made = one(proxy.port, request(f"GET {sent}")).headers["X-Request-ID"]
            forwarded[made] = [unquote(line.split()[1].partition("?")[0]) for line, _ in behind.seen]
        wait_until(lambda: len(accesses(proxy)) == len(ODD_PATHS), 60)
        judged = {line["request_id"]: line["path"] for line in accesses(proxy)}
    assert any(forwarded.values())
    assert {made: paths for made, paths in forwarded.items() if paths not in ([], [judged[made]])} == {}


def test_a_service_under_a_stripped_path_gets_only_that_path_and_no_dots(behind: Upstream) -> None:
    """The snippet of docs/deployment.md."""
    flags = re.MULTILINE | re.DOTALL
    (snippet,) = re.findall(r"^```nginx\n(location /api/auth/ \{.*?)^```$", DEPLOYMENT.read_text(), flags)
    shared = {"service.conf": "location / { return 404; }\n" + snippet}
    forwarded: dict[str, list[str]] = {}
    with front(behind.port, changed=UNLIMITED, more=shared) as proxy:
        for path in ODD_PATHS:
            behind.seen.clear()
            made = one(proxy.port, request(f"GET {path.replace('admin', 'api/auth')}")).headers["X-Request-ID"]
            forwarded[made] = [unquote(line.split()[1].partition("?")[0]) for line, _ in behind.seen]
        wait_until(lambda: len(accesses(proxy)) == len(ODD_PATHS), 60)
        judged = {line["request_id"]: line["path"] for line in accesses(proxy)}
    ours = {made: [path.removeprefix("/api/auth")] for made, path in judged.items() if path.startswith("/api/auth/")}
    assert len(ours) > 10
    assert {made: paths for made, paths in forwarded.items() if paths} == ours
    assert not any(".." in path.split("/") for (path,) in ours.values())
    assert not [path for (path,) in filter(None, forwarded.values()) if path.lstrip("/").startswith("metrics")]


@pytest.mark.parametrize("path", ["/metrics", "/metrics/", "/%6detrics", "//metrics", "/a/../metrics?x", "/metrics/x"])
def test_metrics_are_not_reachable_from_outside(behind: Upstream, proxy: Server, path: str) -> None:
    assert one(proxy.port, request(f"GET {path}")).status == 404
    assert behind.seen == []


@pytest.mark.parametrize(
    ("method", "status", "times"),
    [("GET", 200, 2), ("HEAD", 200, 2), ("PUT", 200, 2), ("DELETE", 200, 2), ("POST", 502, 1), ("PATCH", 502, 1)],
)
def test_only_what_may_be_repeated_is_sent_again(
    behind: Upstream, proxy: Server, method: str, status: int, times: int
) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}") as client:
        client.get("/api/ping")
        behind.seen.clear()
        behind.closing = True
        assert client.request(method, "/api/ping").status_code == status
    assert [line.split()[0] for line, _ in behind.seen] == [method] * times


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_that_an_absent_instance_did_not_get_goes_to_another(behind: Upstream, method: str) -> None:
    with front([free_port(), behind.port, free_port()]) as proxy, httpx.Client() as client:
        url = f"http://127.0.0.1:{proxy.port}/auth/login"
        assert [client.request(method, url).status_code for _ in range(20)] == [200] * 20
    assert len(behind.seen) == 20


def test_an_instance_that_hangs_gets_no_more_work(behind: Upstream) -> None:
    with ExitStack() as opened:
        stuck = opened.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        proxy = opened.enter_context(front([stuck.getsockname()[1], behind.port]))
        readable: list[socket.socket] = []
        while stuck not in readable:  # whose turn it is first is left to nginx
            waiting = opened.enter_context(closing(socket.create_connection(("127.0.0.1", proxy.port))))
            waiting.sendall(request("GET /auth/me"))
            readable, _, _ = select.select([stuck, waiting], [], [])
        taken, _ = stuck.accept()
        opened.enter_context(closing(taken))

        behind.seen.clear()
        for _ in range(20):
            assert one(proxy.port, request("GET /auth/me")).status == 200
        assert len(behind.seen) == 20
        assert select.select([stuck], [], [], 0)[0] == []


def test_a_service_that_is_away_is_a_502_with_a_request_id() -> None:
    with front(free_port()) as proxy:
        reply = one(proxy.port, request("GET /health"))
        assert reply.status == 502
        assert re.fullmatch("[0-9a-f]{32}", reply.headers["X-Request-ID"])


@pytest.mark.parametrize("service", ["answers", "is away"])
def test_nothing_that_nginx_logs_holds_a_query_or_a_header(behind: Upstream, service: str) -> None:
    secret = ["Authorization: Bearer pl4nted", "Cookie: pl4nted", "User-Agent: pl4nted", "Referer: /?pl4nted"]
    with front(behind.port if service == "answers" else free_port()) as proxy:
        one(proxy.port, request("GET /auth/me?token=pl4nted", *secret))
        one(proxy.port, request("POST /auth/me?token=pl4nted", *secret, body=b"pl4nted" * 300_000))
        one(proxy.port, request("GET /auth/me?token=pl4nted", "pl4nted: " + "x" * 9000))
        wait_until(lambda: len(accesses(proxy)) == 3, 60)
        assert "pl4nted" not in proxy.log()


def test_a_path_cannot_break_the_log(proxy: Server) -> None:
    talk(proxy.port, request("GET /a%22,%22status%22:1%0A%1B[31m"))
    wait_until(lambda: accesses(proxy) != [], 60)
    assert [line["path"] for line in accesses(proxy)] == ['/a","status":1\n\x1b[31m']


def test_tls_ends_at_nginx_and_plain_requests_are_sent_there(behind: Upstream) -> None:
    tls = free_port()
    certificate, key = self_signed()
    with front(behind.port, tls=tls, more={"tls/fullchain.pem": certificate, "tls/privkey.pem": key}) as proxy:
        trust = ssl.create_default_context(cadata=certificate)
        assert httpx.get(f"https://localhost:{tls}/auth/me", verify=trust, trust_env=False).status_code == 200
        assert headers_of(behind)["x-forwarded-proto"] == "https"

        moved = one(proxy.port, request("GET /swagger/?x=1"))
        assert (moved.status, moved.headers["Location"]) == (308, "https://localhost/swagger/?x=1")
        assert one(proxy.port, request("POST /auth/login", body=b"{}")).status == 403
        assert len(behind.seen) == 1
        assert one(proxy.port, request("GET /health/live")).status == 200


def test_behind_another_proxy_nginx_finds_the_client_as_the_documentation_says(behind: Upstream) -> None:
    found = re.search(r"```nginx\n(# nginx/real_ip\.conf\n.+?)```", DEPLOYMENT.read_text(), re.DOTALL)
    assert found is not None
    trusted = found[1].replace("192.0.2.10", "127.0.0.1")
    assert trusted != found[1]
    with front(behind.port, more={"local.d/real_ip.conf": trusted}) as proxy:
        talk(proxy.port, request("GET /auth/me", "X-Forwarded-For: 198.51.100.1, 203.0.113.9"))
    assert headers_of(behind)["x-forwarded-for"] == "203.0.113.9"
