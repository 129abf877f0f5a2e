"""What the nginx that ships compresses and keeps, and never does."""

import itertools
import json

import httpx
import pytest

from app.features import ENDPOINTS, PAGES
from tests.e2e.front import UNLIMITED, front, logged
from tests.e2e.raw import one, request
from tests.e2e.settings import PASSWORD
from tests.servers.process import Server
from tests.servers.service import Service

pytestmark = pytest.mark.timeout(120)

WAYS = (
    {"Authorization": "Bearer {}"},
    {"Authorization": "Bearer {}", "Cookie": "a=b"},
    {"x-access-token": "{}"},
    {"x-access-token": "{}", "Cookie": "a=b"},
    {"Cookie": "token={}"},
)
"""How a client may name itself, with its token."""


@pytest.fixture(scope="module")
def tokens(proxy: Server) -> dict[str, str]:
    """The access tokens of two users, by user name."""
    found = {}
    for name in ("ann", "bob"):
        body = json.dumps({"username": name, "password": PASSWORD}).encode()
        found[name] = one(proxy.port, request("POST /auth/register", body=body)).json()["data"]["access_token"]
    return found


@pytest.mark.parametrize("path", ["/assets/swagger-ui-bundle.js", "/assets/swagger-ui.css", "/openapi.json"])
def test_static_files_and_documents_are_compressed(client: httpx.Client, path: str) -> None:
    plain = client.get(path, headers={"Accept-Encoding": "identity"})
    compressed = client.get(path, headers={"Accept-Encoding": "gzip"})
    assert compressed.headers["Content-Encoding"] == "gzip"
    assert compressed.content == plain.content
    assert plain.headers["Vary"] == compressed.headers["Vary"] == "Accept-Encoding"
    assert "Content-Encoding" not in plain.headers


def test_nothing_that_may_hold_a_secret_is_compressed(client: httpx.Client, tokens: dict[str, str]) -> None:
    login = client.post("/auth/login", json={"username": "ann", "password": PASSWORD})
    me = client.get("/auth/me", headers={"Authorization": f"Bearer {tokens['ann']}"})
    assert len(login.content) > 1000
    for reply in (login, me, client.get("/auth/me"), client.get("/.well-known/jwks.json")):
        assert reply.request.headers["Accept-Encoding"].startswith("gzip")
        assert "Content-Encoding" not in reply.headers


def test_a_static_file_is_fetched_once_for_all_clients(proxied: Service, client: httpx.Client) -> None:
    first = client.get("/assets/pages.css")
    asked = len(logged(proxied, route="/assets/<name>"))
    second = client.get("/assets/pages.css")
    assert (first.headers["X-Cache-Status"], second.headers["X-Cache-Status"]) == ("MISS", "HIT")
    assert second.content == first.content
    assert second.headers["Cache-Control"] == "public, max-age=86400"
    assert len(logged(proxied, route="/assets/<name>")) == asked


def test_a_cached_reply_has_a_request_id_of_its_own(client: httpx.Client) -> None:
    replies = [client.get("/assets/swagger.js") for _ in range(3)]
    assert replies[-1].headers["X-Cache-Status"] == "HIT"
    assert len({reply.headers["X-Request-ID"] for reply in replies}) == 3
    assert all(len(reply.headers.get_list("X-Request-ID")) == 1 for reply in replies)


def test_a_client_that_has_the_cached_file_gets_304(client: httpx.Client) -> None:
    etag = client.get("/assets/swagger.js").headers["ETag"]
    reply = client.get("/assets/swagger.js", headers={"If-None-Match": etag})
    assert (reply.status_code, reply.content) == (304, b"")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("header", ["Authorization", "x-access-token", "Cookie"])
def test_a_request_with_credentials_is_neither_answered_from_the_cache_nor_cached(
    proxied: Service, client: httpx.Client, header: str, method: str
) -> None:
    path = "/errors/forbidden"
    client.get(path)
    asked = len(logged(proxied, route="/errors/<code>"))
    named = [client.request(method, path, headers={header: "Bearer x"}) for _ in range(2)]
    assert [reply.headers["X-Cache-Status"] for reply in named] == ["BYPASS", "BYPASS"]
    assert len(logged(proxied, route="/errors/<code>")) == asked + 2


def test_a_reply_to_one_user_is_not_cached_for_others(client: httpx.Client) -> None:
    client.get("/errors/overloaded", headers={"Authorization": "Bearer x"})
    assert client.get("/errors/overloaded").headers["X-Cache-Status"] == "MISS"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_authenticated_replies_are_made_anew_for_each_request(
    proxied: Service, client: httpx.Client, tokens: dict[str, str], method: str
) -> None:
    asked = len(logged(proxied, route="/auth/me"))
    for name in ("ann", "bob", "ann"):
        reply = client.request(method, "/auth/me", headers={"Authorization": f"Bearer {tokens[name]}"})
        assert reply.headers["Cache-Control"] == "no-store"
        assert "X-Cache-Status" not in reply.headers
        if method == "GET":
            assert reply.json()["data"]["user"]["username"] == name
    assert client.request(method, "/auth/me").status_code == 401
    assert len(logged(proxied, route="/auth/me")) == asked + 4


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_each_endpoint_makes_a_new_reply_for_a_request_with_credentials(
    proxied: Service, tokens: dict[str, str], method: str
) -> None:
    asked: dict[str, str] = {}
    with (
        front(proxied.port, changed=UNLIMITED) as proxy,
        httpx.Client(base_url=f"http://127.0.0.1:{proxy.port}", headers={"Host": "localhost"}) as client,
    ):
        ids = {
            name: client.get("/auth/me", headers={"Authorization": f"Bearer {token}"}).json()["data"]["user"]["id"]
            for name, token in tokens.items()
        }
        for path in read_by_clients():
            client.get(path)  # by nobody: what may be kept is kept
            for way, name in itertools.product(WAYS, tokens):
                headers = {header: value.format(tokens[name]) for header, value in way.items()}
                reply = client.request(method, path, headers=headers)
                assert reply.headers.get("X-Cache-Status", "BYPASS") == "BYPASS", (path, way)
                if not path.startswith(("/health", "/auth/health")):  # probes that succeed are not logged
                    asked[reply.headers["X-Request-ID"]] = ids[name]

    made = {line["request_id"]: line["user_id"] for line in logged(proxied)}
    assert asked.keys() <= made.keys()
    assert all(made[request_id] in {None, user_id} for request_id, user_id in asked.items())
    assert {made[request_id] for request_id in asked} == {None, *ids.values()}


def read_by_clients() -> list[str]:
    """A path of each endpoint that is read through nginx."""
    return [
        declared.path.replace("<code>", "forbidden").replace("<name>", "pages.css")
        for declared in (*ENDPOINTS, *PAGES)
        if declared.method == "GET" and declared.path != "/metrics" and not declared.development_only
    ]


def test_a_reply_that_forbids_it_is_not_cached(client: httpx.Client) -> None:
    for _ in range(2):
        reply = client.get("/errors/no_such_code")
        assert (reply.status_code, reply.headers["X-Cache-Status"]) == (404, "MISS")


def test_a_query_neither_fills_nor_reads_the_cache(client: httpx.Client) -> None:
    client.get("/openapi.json")
    statuses = [client.get("/openapi.json?x=1").headers["X-Cache-Status"] for _ in range(2)]
    assert statuses == ["BYPASS", "BYPASS"]


def test_a_cached_file_is_not_sent_under_a_host_that_is_not_served(proxy: Server, client: httpx.Client) -> None:
    client.get("/assets/pages.css")
    reply = one(proxy.port, request("GET /assets/pages.css", host=["evil.example"]))
    assert (reply.status, reply.json()["code"]) == (400, "invalid_host")


def test_the_key_set_is_never_older_than_it_says(proxied: Service, client: httpx.Client) -> None:
    asked = len(logged(proxied, route="/.well-known/jwks.json"))
    for _ in range(2):
        assert "max-age" in client.get("/.well-known/jwks.json").headers["Cache-Control"]
    assert len(logged(proxied, route="/.well-known/jwks.json")) == asked + 2
