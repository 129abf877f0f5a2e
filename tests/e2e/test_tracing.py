"""A collector receives what each request did; an absent or slow one delays nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from app.platform.version import __version__
from tests.e2e.clients import PATIENCE, bearer, log_in, me, register
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.servers.otlp import Collector, Span, collector
from tests.servers.process import free_port, wait_until
from tests.servers.service import Service, service
from tests.servers.smtp import silent_server

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)

STOP_SECONDS = 20.0
"""A stop ends long before the 30 s after which gunicorn kills what is left."""
SENT = {"OTEL_BSP_SCHEDULE_DELAY": "50"}
"""Spans are sent after this many milliseconds."""
PROXY, CLIENT = "127.0.0.2", "127.0.0.1"
THEIR_TRACE, THEIR_SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{THEIR_TRACE}-{THEIR_SPAN}-01"


Ask = Callable[..., httpx.Response]
"""Sends a request: method, path, and what httpx takes; from `CLIENT`, unless it says where from."""


@pytest.fixture(scope="module")
def told() -> Iterator[Collector]:
    with collector() as running:
        yield running


@pytest.fixture(scope="module")
def server(told: Collector, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that sends to a collector, trusts `PROXY`, and has metrics as well."""
    more = {"TRUSTED_PROXIES": PROXY, "METRICS_ALLOW": CLIENT}
    with service(traced(told.url, **more, **SENT, **on_sqlite(tmp_path_factory.mktemp("store")))) as running:
        yield running


@pytest.fixture
def ask(server: Service) -> Iterator[Ask]:
    """Asks the service."""
    with ExitStack() as opened:

        def ask(method: str, path: str, *, by: str = CLIENT, **more: Any) -> httpx.Response:
            transport = httpx.HTTPTransport(local_address=by)
            client = httpx.Client(base_url=server.base_url, transport=transport, timeout=PATIENCE)
            return opened.enter_context(client).request(method, path, **more)

        yield ask


def traced(endpoint: str, **more: str) -> dict[str, str]:
    """Settings of a worker that sends to a collector."""
    return in_testing(WEB_CONCURRENCY="1", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint, **more)


def lines(server: Service) -> list[dict[str, Any]]:
    return [json.loads(line) for line in server.log().splitlines() if line.startswith("{")]


def line_of(server: Service, reply: httpx.Response) -> dict[str, Any]:
    """The line of the log about a request."""
    found = [line for line in lines(server) if line.get("request_id") == reply.headers["X-Request-ID"]]
    return next(line for line in found if line["event"] == "request")


def span_of(server: Service, told: Collector, reply: httpx.Response) -> Span:
    """The span of a request."""
    line = line_of(server, reply)
    return told.wait_for(lambda span: (span.trace_id, span.span_id) == (line["trace_id"], line["span_id"]))


def test_a_login_is_a_trace_of_its_store_calls_and_its_hash_and_the_log_names_it(
    server: Service, told: Collector
) -> None:
    register(server.base_url, "ann")
    login = span_of(server, told, log_in(server.base_url, "ann"))

    assert (login.name, login.kind, login.parent, login.failed) == ("POST /auth/login", "SERVER", "", False)
    assert login.attributes == {
        "http.request.method": "POST",
        "http.route": "/auth/login",
        "http.response.status_code": 200,
    }
    assert login.resource["service.name"] == "latchkey"
    assert login.resource["service.version"] == __version__
    parts = {span.name: span for span in told.inside(login)}
    assert parts.keys() >= {"users.credentials_by_username", "hash", "sessions.open"}
    waited = parts.pop("hash").attributes
    assert waited.keys() == {"latchkey.hash.waited_seconds"}
    assert waited["latchkey.hash.waited_seconds"] >= 0
    assert {(span.kind, span.attributes["db.system.name"]) for span in parts.values()} == {("CLIENT", "sqlite")}
    (event,) = [line for line in lines(server) if line["event"] == "event" and line.get("trace_id") == login.trace_id]
    assert event["action"] == "session.opened"


def test_nothing_that_a_client_sent_is_traced(server: Service, told: Collector, ask: Ask) -> None:
    planted = "planted-0451"
    names = {"username": planted, "email": f"{planted}@example.com"}
    data = ask("POST", "/auth/register", json={**names, "password": f"{planted} {PASSWORD}"}).json()["data"]
    ask("POST", "/auth/login", json={"login": planted, "password": f"wrong {planted}"})
    ask("POST", "/auth/refresh", json={"refresh_token": data["refresh_token"]})
    ask("POST", "/auth/login", content=f'{{"{planted}"')
    for headers in (bearer(data["token"]), {"x-access-token": planted, "User-Agent": planted, "Cookie": planted}):
        ask("GET", f"/auth/me?token={data['token']}&{planted}", headers=headers)
    nowhere = span_of(server, told, ask("GET", f"/{planted}"))
    strange = span_of(server, told, ask(planted.upper(), "/auth/me"))
    ask("DELETE", f"/auth/sessions/{planted}", headers=bearer(data["token"]))
    last = ask("GET", "/auth/me", headers={**bearer(data["token"]), "baggage": f"a={planted}"}, by=PROXY)
    span_of(server, told, last)

    assert last.status_code == 200
    everything = b"".join(told.bodies)
    for secret in (planted, PASSWORD, *data["token"].split("."), data["refresh_token"], data["user"]["id"], CLIENT):
        assert secret.encode() not in everything
        assert secret.upper().encode() not in everything
    assert told.named("DELETE /auth/sessions/<session_id>")
    assert (nowhere.name, nowhere.attributes) == (
        "GET",
        {"http.request.method": "GET", "http.response.status_code": 404},
    )
    assert (strange.name, strange.attributes["http.request.method"]) == ("HTTP", "_OTHER")


@pytest.mark.parametrize(
    "path", ["/health", "/auth/health", "/health/live", "/health/ready", "/api/ping", "/metrics", "/assets/pages.css"]
)
def test_health_checks_and_files_are_not_traced(path: str, server: Service, told: Collector, ask: Ask) -> None:
    reply, later = ask("GET", path), ask("GET", "/auth/me")
    span_of(server, told, later)

    assert reply.status_code == 200
    of_this = [line for line in lines(server) if line.get("request_id") == reply.headers["X-Request-ID"]]
    assert not [line for line in of_this if "trace_id" in line]
    assert not [span for span in told.spans if span.attributes.get("http.route") == path]


def test_a_trusted_proxy_decides_which_trace_a_request_belongs_to(server: Service, told: Collector, ask: Ask) -> None:
    headers = {"traceparent": TRACEPARENT, "tracestate": "vendor=their-state"}
    span = span_of(server, told, ask("GET", "/auth/me", headers=headers, by=PROXY))

    assert (span.trace_id, span.parent) == (THEIR_TRACE, THEIR_SPAN)


@pytest.mark.parametrize(
    "broken", ["", "00", f"00-{'0' * 32}-{THEIR_SPAN}-01", f"{TRACEPARENT},{TRACEPARENT}", "\xe9" * 600]
)
def test_an_invalid_name_of_a_trace_begins_a_new_one(broken: str, server: Service, told: Collector, ask: Ask) -> None:
    headers = {"traceparent": broken.encode("latin-1")}
    span = span_of(server, told, ask("GET", "/auth/me", headers=headers, by=PROXY))

    assert span.parent == ""
    assert span.trace_id != THEIR_TRACE


@pytest.mark.parametrize("flags", ["00", "01"])
def test_other_clients_choose_neither_trace_nor_sampling(
    flags: str, server: Service, told: Collector, ask: Ask
) -> None:
    headers = {"traceparent": f"00-{'ab' * 16}-{THEIR_SPAN}-{flags}", "tracestate": "vendor=of-a-stranger"}
    span = span_of(server, told, ask("GET", "/auth/me", headers={**headers, "X-Forwarded-For": PROXY}))

    assert span.parent == ""
    assert "ab" * 16 not in server.log()
    assert b"of-a-stranger" not in b"".join(told.bodies)


def test_a_request_that_is_not_sampled_is_not_sent_but_still_logged(store: dict[str, str]) -> None:
    with collector() as told, service(traced(told.url, OTEL_TRACES_SAMPLER="always_off", **store)) as server:
        reply = httpx.get(f"{server.base_url}/auth/me", timeout=PATIENCE)
        assert re.fullmatch(r"[0-9a-f]{32}", line_of(server, reply)["trace_id"])
        server.terminate()
        assert server.exit_status(STOP_SECONDS) == 0

        assert told.bodies == []


def test_a_worker_that_stops_sends_what_is_left_and_obeys_the_variables_of_opentelemetry(store: dict[str, str]) -> None:
    own = {
        "OTEL_BSP_SCHEDULE_DELAY": "3600000",
        "OTEL_SERVICE_NAME": "accounts",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=staging",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=Bearer%20of-the-collector",
    }
    with collector() as told, service(traced(told.url, **own, **store)) as server:
        register(server.base_url, "ann")
        assert told.bodies == []
        server.terminate()
        assert server.exit_status(STOP_SECONDS) == 0

        (span,) = told.named("POST /auth/register")
        assert {part.name for part in told.inside(span)} >= {"hash", "users.add"}
        assert span.resource["service.name"] == "accounts"
        assert span.resource["deployment.environment.name"] == "staging"
        assert told.headers[0]["authorization"] == "Bearer of-the-collector"


def test_an_absent_collector_is_a_line_in_the_log_and_nothing_else(store: dict[str, str]) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    with service(traced(nowhere, **SENT, **store)) as server:
        token = register(server.base_url, "ann")
        assert me(server.base_url, token).status_code == 200
        wait_until(lambda: any(line["event"] == "tracing" for line in lines(server)), 60)
        server.terminate()
        assert server.exit_status(STOP_SECONDS) == 0
        assert not [line for line in lines(server) if line.get("logger", "").startswith("opentelemetry")]


def test_a_collector_that_never_answers_holds_up_neither_requests_nor_the_stop(store: dict[str, str]) -> None:
    small = {"OTEL_BSP_MAX_QUEUE_SIZE": "20", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10"}
    with silent_server() as port, service(traced(f"http://127.0.0.1:{port}", **small, **SENT, **store)) as server:
        token = register(server.base_url, "ann")
        with httpx.Client(base_url=server.base_url, timeout=PATIENCE) as client:
            for _ in range(100):  # more than there is room for
                assert client.get("/auth/me", headers=bearer(token)).status_code == 200
        server.terminate()
        assert server.exit_status(STOP_SECONDS) == 0
