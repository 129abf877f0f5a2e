"""nginx with nginx/tls.conf: its protocols, and what it says about HTTPS; with a certificate made for the test."""

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from tests.e2e.front import UNLIMITED, front, self_signed
from tests.e2e.raw import PATIENCE, one, request
from tests.e2e.settings import in_production, on_sqlite
from tests.servers.process import Server, free_port
from tests.servers.service import Service, service

pytestmark = pytest.mark.timeout(120)

TWO_YEARS = "max-age=63072000"


@dataclass(frozen=True)
class Secured:
    """nginx with TLS: its process, the port of TLS (`proxy.port` is the one of HTTP), its certificate, and a client."""

    proxy: Server
    port: int
    certificate: str
    client: httpx.Client


@contextmanager
def secured(upstream: int, changed: Mapping[str, str] | None = None) -> Iterator[Secured]:
    """nginx with tls.conf in front of the port `upstream`; `changed` as in `front`."""
    port = free_port()
    certificate, key = self_signed()
    files = {"tls/fullchain.pem": certificate, "tls/privkey.pem": key}
    with (
        front(upstream, tls=port, more=files, changed=changed) as proxy,
        httpx.Client(
            base_url=f"https://localhost:{port}", verify=trusting(certificate), trust_env=False, timeout=PATIENCE
        ) as client,
    ):
        yield Secured(proxy, port, certificate, client)


@pytest.fixture(scope="module")
def https_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """The service in production under https, which believes nginx."""
    more = {"PUBLIC_URL": "https://localhost", "TRUSTED_PROXIES": "127.0.0.1/32", "WEB_CONCURRENCY": "1"}
    with service(in_production() | more | on_sqlite(tmp_path_factory.mktemp("store"))) as server:
        yield server


@pytest.fixture(scope="module")
def nginx(https_service: Service) -> Iterator[Secured]:
    with secured(https_service.port, UNLIMITED) as opened:
        yield opened


def trusting(certificate: str) -> ssl.SSLContext:
    """The TLS settings of a client that trusts this certificate."""
    return ssl.create_default_context(cadata=certificate)


@contextmanager
def spoken(nginx: Secured, trust: ssl.SSLContext, session: ssl.SSLSession | None = None) -> Iterator[ssl.SSLSocket]:
    """A connection to the port of TLS, with the handshake done."""
    with (
        closing(socket.create_connection(("127.0.0.1", nginx.port), timeout=PATIENCE)) as plain,
        trust.wrap_socket(plain, server_hostname="localhost", session=session) as connection,
    ):
        yield connection


def test_tls_1_3_is_spoken(nginx: Secured) -> None:
    with spoken(nginx, trusting(nginx.certificate)) as connection:
        assert connection.version() == "TLSv1.3"


def test_tls_1_2_is_refused(nginx: Secured) -> None:
    older = trusting(nginx.certificate)
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(ssl.SSLError, match="PROTOCOL_VERSION"), spoken(nginx, older):
        pass


def test_a_session_is_taken_up_again_without_a_ticket_that_holds_it(nginx: Secured) -> None:
    trust = trusting(nginx.certificate)
    with spoken(nginx, trust) as connection:
        connection.sendall(request("GET /health/live"))
        while connection.recv(65536):
            pass
        session = connection.session
    assert session is not None
    with spoken(nginx, trust, session) as connection:
        assert connection.session_reused


def test_http_2_is_not_offered(nginx: Secured) -> None:
    trust = trusting(nginx.certificate)
    trust.set_alpn_protocols(["h2", "http/1.1"])
    with spoken(nginx, trust) as connection:
        assert connection.selected_alpn_protocol() == "http/1.1"


@pytest.mark.parametrize(
    "path", ["/health", "/auth/me", "/nowhere", "/", "/swagger/", "/errors/forbidden", "/assets/pages.css"]
)
def test_a_reply_of_the_service_carries_hsts_once(nginx: Secured, path: str) -> None:
    for _ in range(2):  # the second one may come from what nginx keeps
        for headers in ({}, {"Cookie": "a=b"}):
            reply = nginx.client.get(path, headers=headers)
            assert reply.headers.get_list("Strict-Transport-Security") == [TWO_YEARS]


def test_a_cached_reply_carries_hsts_once(nginx: Secured) -> None:
    replies = [nginx.client.get("/openapi.json") for _ in range(2)]
    assert replies[1].headers["X-Cache-Status"] == "HIT"
    assert replies[1].headers.get_list("Strict-Transport-Security") == [TWO_YEARS]


@pytest.mark.parametrize(
    ("method", "path", "host", "status"),
    [
        ("GET", "/auth/me", "a..b", 400),
        ("GET", "/auth/me", "localhost, evil.example", 400),
        ("GET", "/metrics", "localhost", 404),
        ("TRACE", "/auth/me", "localhost", 405),
    ],
)
def test_a_refusal_by_nginx_carries_hsts_once(nginx: Secured, method: str, path: str, host: str, status: int) -> None:
    reply = nginx.client.request(method, path, headers={"Host": host})
    assert reply.status_code == status
    assert reply.headers.get_list("Strict-Transport-Security") == [TWO_YEARS]


@pytest.mark.parametrize("path", ["/auth/me", "/openapi.json"])
def test_replies_for_a_down_service_and_too_many_requests_carry_hsts(path: str) -> None:
    with secured(free_port(), {"rate=50r/s": "rate=1r/m", "burst=200": "burst=2"}) as nginx:
        replies = [nginx.client.get(path) for _ in range(6)]
    assert {reply.status_code for reply in replies} == {502, 429}
    for reply in replies:
        assert reply.headers.get_list("Strict-Transport-Security") == [TWO_YEARS]
        assert len(reply.headers.get_list("X-Request-ID")) == 1


def test_a_page_requested_in_clear_redirects_to_https(nginx: Secured) -> None:
    reply = httpx.head(
        f"http://127.0.0.1:{nginx.proxy.port}/swagger/?x=1", headers={"Host": "localhost"}, trust_env=False
    )
    assert (reply.status_code, reply.headers["Location"]) == (308, "https://localhost/swagger/?x=1")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_request_that_would_carry_a_secret_in_clear_is_refused(nginx: Secured, method: str) -> None:
    assert one(nginx.proxy.port, request(f"{method} /auth/login", body=b"{}")).status == 403


@pytest.mark.parametrize("path", ["/health/live", "/swagger/", "/.well-known/acme-challenge/none"])
def test_no_reply_in_clear_carries_hsts(nginx: Secured, path: str) -> None:
    assert "Strict-Transport-Security" not in one(nginx.proxy.port, request(f"GET {path}")).headers


def test_an_acme_challenge_is_answered_in_clear(nginx: Secured) -> None:
    challenges = Path(nginx.proxy.folder) / "acme" / ".well-known" / "acme-challenge"
    challenges.mkdir(parents=True)
    (challenges / "token").write_text("token.thumbprint")
    reply = one(nginx.proxy.port, request("GET /.well-known/acme-challenge/token"))
    assert (reply.status, reply.body) == (200, b"token.thumbprint")
    assert one(nginx.proxy.port, request("GET /.well-known/acme-challenge/other")).status == 404


def test_a_request_in_clear_at_the_port_of_tls_is_refused(nginx: Secured) -> None:
    assert one(nginx.port, request("GET /health")).status == 400
