"""What browsers get of cookies and of the CORS headers, from gunicorn and through the nginx that ships."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from tests.e2e.clients import PATIENCE
from tests.e2e.front import SHIPPED, front, upstream
from tests.e2e.settings import PASSWORD, in_production, on_sqlite
from tests.servers.process import free_port
from tests.servers.service import ROOT, service

pytestmark = pytest.mark.timeout(120)

PUBLIC = "https://auth.example.com"
APP = "https://app.example.com"
OTHER = "https://evil.example"
NAME = "__Host-latchkey"
PAGE = {"Origin": APP, "Sec-Fetch-Site": "same-site"}
OWN_PAGE = {"Origin": PUBLIC, "Sec-Fetch-Site": "same-origin"}
LISTED = f'map $http_origin $cors_origin {{\n  default "";\n  "{APP}" $http_origin;\n}}\n'
"""A file of local.d, as docs/browsers.md shows it."""


@pytest.fixture(scope="module", params=["gunicorn", "nginx"])
def base_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = in_production(
        PUBLIC_URL=PUBLIC, AUTH_COOKIES="on", CORS_ORIGINS=APP, RATE_LIMIT_EXPLAIN="1/hour", WEB_CONCURRENCY="1",
        TRUSTED_PROXIES="127.0.0.1", **on_sqlite(tmp_path_factory.mktemp("store")),
    )  # fmt: skip
    with ExitStack() as running:
        port = running.enter_context(service(settings)).port
        if request.param == "nginx":
            port = running.enter_context(front(port, more={"local.d/cors.conf": LISTED})).port
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(base_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=base_url, headers={"Host": "auth.example.com"}, timeout=PATIENCE) as opened:
        yield opened


def shared(reply: httpx.Response) -> list[tuple[str, str]]:
    """The CORS headers; one that is there twice is twice in the list."""
    return [(name, value) for name, value in reply.headers.multi_items() if name.startswith("access-control-")]


def is_readable(reply: httpx.Response) -> bool:
    allowed = [value for name, value in shared(reply) if name == "access-control-allow-origin"]
    return allowed == [APP] and "Origin" in ", ".join(reply.headers.get_list("Vary"))


def test_a_preflight_is_answered_and_the_cookie_is_set_and_taken_once(client: httpx.Client) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-auth-cookies"}
    preflight = client.options("/auth/register", headers=PAGE | asks)
    assert (preflight.status_code, is_readable(preflight)) == (204, True)
    assert preflight.headers["Access-Control-Max-Age"] == "600"

    account = {"username": "ann", "password": PASSWORD}
    registered = client.post("/auth/register", json=account, headers=PAGE | {"X-Auth-Cookies": "1"})
    assert (registered.status_code, is_readable(registered)) == (201, True)
    (cookie,) = registered.headers.get_list("Set-Cookie")
    assert {"Secure", "HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; "))
    assert registered.headers["Cache-Control"] == "no-store"
    client.cookies.clear()

    value = cookie.partition(";")[0]
    renewed = client.post("/auth/refresh", headers=PAGE | {"Cookie": value})
    assert (renewed.status_code, len(renewed.headers.get_list("Set-Cookie"))) == (200, 1)
    client.cookies.clear()
    assert client.post("/auth/refresh", headers={"Cookie": value}).status_code == 403
    assert client.post("/auth/refresh", headers={"Cookie": value, "Origin": OTHER}).status_code == 403


def test_a_listed_origin_may_read_every_failure_and_no_other_may(client: httpx.Client) -> None:
    client.post("/auth/explain", json={"token": "x"})
    sent = [
        (404, "GET", "/nowhere", b""),
        (404, "GET", "/assets/nothing.css", b""),
        (405, "GET", "/auth/login", b""),
        (401, "GET", "/auth/me", b""),
        (400, "POST", "/auth/login", b"{"),
        (413, "POST", "/auth/login", b"x" * 70_000),
        (422, "POST", "/auth/login", b"{}"),
        (429, "POST", "/auth/explain", b'{"token": "x"}'),
    ]
    for status, method, path, body in sent:
        headers = {"Content-Type": "application/json"} if body else {}
        reply = client.request(method, path, content=body, headers=PAGE | headers)
        assert (reply.status_code, is_readable(reply)) == (status, True), path
        exposed = reply.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Retry-After", "X-Request-ID", "RateLimit"} <= set(exposed)
        other = client.request(method, path, content=body, headers={"Origin": OTHER} | headers)
        assert (other.status_code, shared(other)) == (status, [])


def test_no_cache_gives_an_origin_what_another_one_got(client: httpx.Client) -> None:
    for _ in range(2):
        for headers, readable in (({}, False), ({"Origin": OTHER}, False), (PAGE, True), (OWN_PAGE, False)):
            reply = client.get("/errors/not_found", headers=headers)
            assert (reply.status_code, is_readable(reply)) == (200, readable), headers
            assert "Origin" in ", ".join(reply.headers.get_list("Vary"))
            assert readable or shared(reply) == []
            document = client.get("/openapi.json", headers=headers)
            assert shared(document) == [("access-control-allow-origin", "*")]


def test_what_nginx_itself_refuses_can_be_read_by_the_origins_that_it_is_told() -> None:
    slow = {"rate=50r/s": "rate=1r/m", "burst=200": "burst=1"}
    with (
        upstream() as behind,
        front(behind.port, more={"local.d/cors.conf": LISTED}, changed=slow) as proxy,
        httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", headers={"Host": "localhost"}) as client,
    ):
        too_large = client.post("/auth/login", content=b"x" * 2_000_000, headers=PAGE)
        too_many = [client.get("/auth/me", headers=PAGE) for _ in range(3)][-1]
        for reply, status in ((too_large, 413), (too_many, 429)):
            assert (reply.status_code, is_readable(reply)) == (status, True)
            assert {"access-control-allow-credentials", "access-control-expose-headers"} <= {
                name for name, _ in shared(reply)
            }
        assert shared(client.get("/auth/me", headers={"Origin": OTHER})) == []


def test_what_nginx_says_while_the_service_is_away_can_be_read_too() -> None:
    with (
        front(free_port(), more={"local.d/cors.conf": LISTED}) as proxy,
        httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", headers={"Host": "localhost"}) as client,
    ):
        for path in ("/auth/me", "/openapi.json"):
            away = client.get(path, headers=PAGE)
            assert (away.status_code, is_readable(away)) == (502, True)
            assert shared(client.get(path, headers={"Origin": OTHER})) == []


def test_nginx_as_it_ships_adds_nothing_for_any_origin() -> None:
    with (
        front(free_port()) as proxy,
        httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", headers={"Host": "localhost"}) as client,
    ):
        away = client.get("/auth/me", headers=PAGE)
    assert (away.status_code, shared(away), away.headers.get("Vary")) == (502, [], None)


def test_the_origins_for_nginx_are_written_as_the_documents_show() -> None:
    assert LISTED in (ROOT / "docs/browsers.md").read_text()
    assert (SHIPPED / "nginx.conf").read_text().count("map $http_origin $cors_origin {") == 1
