"""nginx/examples/forward-auth.conf: nginx asks Latchkey whether to let a request through to a foreign application."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import httpx
import pyotp
import pytest
from flask import Flask
from sqlalchemy import make_url
from werkzeug.serving import make_server

from app.platform.errors import ExpiredToken, Failure, InvalidToken, MissingToken, SessionEnded
from tests.e2e.clients import PATIENCE, bearer, log_in, register
from tests.e2e.commands import create_user
from tests.e2e.foreign import Foreign, foreign
from tests.e2e.front import CLIENT, logged
from tests.e2e.raw import ODD_PATHS, Reply, one, request
from tests.e2e.settings import in_testing, on_sqlite
from tests.servers import nginx
from tests.servers.fixtures import require
from tests.servers.process import Server, free_port, wait_until
from tests.servers.service import ROOT, Service, service
from tests.servers.sql import SqlServer
from tests.servers.wire import wire

pytestmark = pytest.mark.timeout(120)

EXAMPLE = ROOT / "nginx" / "examples" / "forward-auth.conf"
TEMPORARY = "".join(f"{kind}_temp_path {kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
"""Where nginx may write without being root."""
ASKED = {"WEB_CONCURRENCY": "1", "TRUSTED_PROXIES": "127.0.0.1/32", "ALLOWED_HOSTS": "auth.example.com,127.0.0.1"}


@dataclass(frozen=True)
class Accounts:
    """Latchkey with a member and an administrator: their access tokens."""

    latchkey: Service
    member: str
    administrator: str


@pytest.fixture(scope="module")
def accounts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Accounts]:
    settings = in_testing(**ASKED, **on_sqlite(tmp_path_factory.mktemp("store")))
    with service(settings) as latchkey:
        create_user(settings, "--role", "admin", "--username", "boss")
        member = register(latchkey.base_url, "ann", email="ann@example.com")
        administrator = log_in(latchkey.base_url, "boss").json()["data"]["access_token"]
        yield Accounts(latchkey, member, administrator)


@pytest.fixture
def application() -> Iterator[Foreign]:
    with foreign() as server:
        yield server


@contextmanager
def guarded(application: int, latchkey: int, changed: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
    """A client at the address CLIENT of nginx, which guards the port `application` and asks the port `latchkey`.

    `changed` are directives of the example and what takes their place.
    """
    require(nginx.missing())
    port = free_port()
    text = EXAMPLE.read_text()
    changes = {
        "http {": f"http {{ {TEMPORARY}",
        "listen 80;": f"listen 127.0.0.1:{port};",
        "server latchkey:5000;": f"server 127.0.0.1:{latchkey};",
        "server application:8000;": f"server 127.0.0.1:{application};",
        **(changed or {}),
    }
    for old, new in changes.items():
        assert text.count(old) == 1, f"{EXAMPLE.name} has not exactly one {old!r}"
        text = text.replace(old, new)
    transport = httpx.HTTPTransport(local_address=CLIENT)
    with (
        nginx.nginx(text, port=port),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", transport=transport, timeout=PATIENCE) as client,
    ):
        yield client


@pytest.fixture
def client(application: Foreign, accounts: Accounts) -> Iterator[httpx.Client]:
    with guarded(application.port, accounts.latchkey.port) as opened:
        yield opened


def refusal(reply: httpx.Response) -> tuple[int, str]:
    """The status and the code of a reply that has Latchkey's form and is not cached."""
    content = reply.json()
    assert reply.headers["Content-Type"] == "application/json"
    assert reply.headers.get_list("Cache-Control") == ["private, no-store"]
    assert reply.headers.get_list("X-Request-ID") == [content["request_id"]]
    assert content["status"] == "error"
    return reply.status_code, content["code"]


def told(application: Foreign) -> dict[str, str]:
    """The headers about the user in the last request to the application."""
    return {name: value for name, value in application.last.headers.items() if name.startswith("x-auth-")}


def test_without_a_token_nobody_gets_through(client: httpx.Client, application: Foreign) -> None:
    reply = client.get("/")
    assert refusal(reply) == (401, "missing_token")
    assert reply.headers.get_list("WWW-Authenticate") == ["Bearer"]
    assert application.received == []


@pytest.mark.parametrize("token", ["nonsense", "a.b.c", ""])
def test_anything_but_a_token_is_refused_as_latchkey_refuses_it(
    client: httpx.Client, application: Foreign, accounts: Accounts, token: str
) -> None:
    reply = client.get("/", headers={"x-access-token": token})
    direct = httpx.get(f"{accounts.latchkey.base_url}/auth/verify", headers={"x-access-token": token}, timeout=PATIENCE)
    assert refusal(reply) == (direct.status_code, direct.json()["code"])
    assert reply.headers.get_list("WWW-Authenticate") == [direct.headers["WWW-Authenticate"]]
    assert application.received == []


def test_a_location_can_need_a_second_factor_and_the_challenge_says_so(
    client: httpx.Client, application: Foreign, accounts: Accounts
) -> None:
    latchkey = accounts.latchkey.base_url
    weak = bearer(register(latchkey, "grace"))
    reply = client.get("/vault", headers=weak)
    assert refusal(reply) == (401, "insufficient_user_authentication")
    assert reply.headers.get_list("WWW-Authenticate") == [
        'Bearer error="insufficient_user_authentication", acr_values="urn:latchkey:aal2", max_age="600"'
    ]
    assert application.received == []

    with httpx.Client(base_url=f"{latchkey}/auth", headers=weak, timeout=PATIENCE) as direct:
        app = pyotp.TOTP(direct.post("/factors/totp").json()["data"]["secret"])
        now = datetime.now(UTC)
        assert direct.post("/factors/totp/confirm", json={"code": app.at(now)}).status_code == 200
        renewed = direct.post("/reauthenticate", json={"method": "totp", "code": app.at(now, counter_offset=1)})
    strong = bearer(renewed.json()["data"]["access_token"])
    assert client.get("/vault", headers=strong).status_code == 200
    assert client.get("/vault", headers=weak).status_code == 401


@pytest.mark.parametrize("failure", [MissingToken, InvalidToken, ExpiredToken, SessionEnded])
def test_a_refusal_has_the_code_that_latchkey_gives_it(failure: type[Failure]) -> None:
    challenge = f'Bearer error="invalid_token", error_description="{failure.message}"'
    with foreign() as latchkey, foreign() as application, guarded(application.port, latchkey.port) as client:
        latchkey.status = failure.status
        latchkey.headers = {"WWW-Authenticate": "Bearer" if failure is MissingToken else challenge}
        assert refusal(client.get("/")) == (401, failure.code)


@pytest.mark.parametrize("header", ["Authorization", "x-access-token"])
def test_the_application_learns_who_the_user_is_but_not_the_token(
    client: httpx.Client, application: Foreign, accounts: Accounts, header: str
) -> None:
    token = f"Bearer {accounts.member}" if header == "Authorization" else accounts.member
    reply = client.get("/orders?page=2", headers={header: token})
    assert (reply.status_code, reply.text) == (200, "1")
    me = httpx.get(f"{accounts.latchkey.base_url}/auth/me", headers=bearer(accounts.member), timeout=PATIENCE).json()
    # The address is not verified, so there is no X-Auth-Email.
    assert told(application) == {
        "x-auth-user": me["data"]["user"]["id"],
        "x-auth-username": "ann",
        "x-auth-roles": "member",
    }
    assert application.last.line == "GET /orders?page=2 HTTP/1.1"
    assert accounts.member not in str(application.last.headers)


def test_what_a_client_says_about_itself_never_reaches_the_application(
    client: httpx.Client, application: Foreign, accounts: Accounts
) -> None:
    claims = {
        "X-Auth-User": "spoofed", "x-auth-username": "spoofed", "X-AUTH-EMAIL": "spoofed", "X-Auth-Roles": "spoofed",
        "X-Auth-Actor": "spoofed",
        "X_Auth_User": "spoofed", "X_Auth_Email": "spoofed", "X-Forwarded-For": "spoofed", "X-Real-IP": "spoofed",
        "Forwarded": "for=spoofed", "X-Forwarded-Host": "spoofed", "X-Request-ID": "spoofed-spoofed",
    }  # fmt: skip
    assert client.get("/", headers=claims).status_code == 401
    assert client.get("/", headers=claims | bearer(accounts.member)).status_code == 200
    assert client.get("/robots.txt", headers=claims).status_code == 200
    assert len(application.received) == 2
    assert "spoofed" not in str([request.headers for request in application.received])
    assert told(application) == {}


def test_a_session_that_has_ended_is_not_let_through_any_more(
    client: httpx.Client, application: Foreign, accounts: Accounts
) -> None:
    token = log_in(accounts.latchkey.base_url, "ann").json()["data"]["access_token"]
    assert client.get("/", headers=bearer(token)).status_code == 200
    ended = httpx.post(f"{accounts.latchkey.base_url}/auth/logout", headers=bearer(token), timeout=PATIENCE)
    assert ended.status_code == 200
    reply = client.get("/", headers=bearer(token))
    assert refusal(reply) == (401, "session_ended")
    assert 'error="invalid_token"' in reply.headers["WWW-Authenticate"]
    assert len(application.received) == 1


@pytest.mark.parametrize("path", ["/admin", "/admin/users", "//admin/", "/x/../admin/", "/x/..%2Fadmin/", "/%61dmin/"])
def test_a_place_can_demand_a_role(client: httpx.Client, application: Foreign, accounts: Accounts, path: str) -> None:
    def ask(*headers: str) -> Reply:
        return one(client.base_url.port or 0, request(f"GET {path}", *headers))

    nobody, member = ask(), ask(f"Authorization: Bearer {accounts.member}")
    assert (nobody.status, nobody.json()["code"]) == (401, "missing_token")
    assert (member.status, member.json()["code"]) == (403, "forbidden")
    assert application.received == []
    assert ask(f"Authorization: Bearer {accounts.administrator}").status == 200
    assert told(application)["x-auth-roles"] == "admin"


@dataclass
class Routed:
    """An application with routes of Flask's: `reached` names those that its last requests came to."""

    port: int
    reached: list[str] = field(default_factory=list)


@contextmanager
def routed() -> Iterator[Routed]:
    """Run an application with a place for administrators, an open file, and whatever else."""
    served = Flask("routed")
    served.url_map.strict_slashes = False

    @served.get("/robots.txt", defaults={"place": "open"})
    @served.get("/admin", defaults={"place": "admin"})
    @served.get("/admin/<path:rest>", defaults={"place": "admin"})
    @served.get("/", defaults={"place": "members"})
    @served.get("/<path:rest>", defaults={"place": "members"})
    def answer(place: str, rest: str = "") -> str:
        seen.reached.append(place)
        return rest

    server = make_server("127.0.0.1", 0, served, threaded=True)
    seen = Routed(server.server_port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_no_way_of_writing_a_path_leads_past_the_demand(accounts: Accounts) -> None:
    """nginx judges a path in one form; the application gets it in that form, and not as the client wrote it."""
    allowed = {"": {"open"}, accounts.member: {"open", "members"}}
    with routed() as application, guarded(application.port, accounts.latchkey.port) as client:
        for path in ODD_PATHS:
            for token, places in allowed.items():
                application.reached.clear()
                headers = [f"Authorization: Bearer {token}"] if token else []
                reply = one(client.base_url.port or 0, request(f"GET {path}", *headers))
                assert set(application.reached) <= places, (path, token)
                assert reply.status != 500, path
        for path in ("/admin", "/admin/a%2Fb", "/x/..%2fadmin/users", "/%61dmin"):
            application.reached.clear()
            reply = one(
                client.base_url.port or 0, request(f"GET {path}", f"Authorization: Bearer {accounts.administrator}")
            )
            assert (reply.status, application.reached) == (200, ["admin"]), path


@pytest.mark.parametrize(
    ("sent", "forwarded"),
    [
        ("/a/b?c=d%2Fe&f", "/a/b?c=d%2Fe&f"),
        ("/a%2Fb/../c", "/a/c"),
        ("//a///b", "/a/b"),
        ("/a%20b/%C3%A4", "/a%20b/%C3%A4"),
        ("/100%25", "/100%25"),
        ("/a%3Fb%23c?d", "/a%3Fb%23c?d"),
        ("/a%0D%0AX-Auth-User:%20root", None),
        ("/admin;x/y", None),
        ("/x/..;/admin", None),
        ("/x%5c..%5cadmin", None),
        ("/%2561dmin", None),
        ("/%252e%252e/admin", None),
    ],
)
def test_the_application_gets_the_path_that_was_judged_and_none_that_can_be_read_in_two_ways(
    client: httpx.Client, application: Foreign, accounts: Accounts, sent: str, forwarded: str | None
) -> None:
    reply = one(client.base_url.port or 0, request(f"GET {sent}", f"Authorization: Bearer {accounts.member}"))
    if forwarded is None:
        assert (reply.status, reply.json()["code"], application.received) == (400, "invalid_request", [])
    else:
        assert (reply.status, application.last.line) == (200, f"GET {forwarded} HTTP/1.1")


def test_a_client_cannot_add_to_the_question_that_latchkey_is_asked(
    client: httpx.Client, application: Foreign, accounts: Accounts
) -> None:
    assert client.get("/?role=admin&nonsense=1", headers=bearer(accounts.member)).status_code == 200
    assert client.get("/admin/?role=member", headers=bearer(accounts.member)).status_code == 403
    assert len(application.received) == 1


@pytest.mark.parametrize("path", ["/_latchkey/verify", "/_latchkey/admin", "/_latchkey/x", "/_latchkey/"])
def test_the_questions_to_latchkey_cannot_be_asked_from_outside(
    client: httpx.Client, application: Foreign, accounts: Accounts, path: str
) -> None:
    assert client.get(path, headers=bearer(accounts.member)).status_code == 404
    application.headers = {"X-Accel-Redirect": path}
    assert client.get("/", headers=bearer(accounts.member)).text == "1"


@pytest.mark.parametrize("sent", [b"x" * 300_000, b"", [b"in ", b"chunks"]], ids=["long", "empty", "chunked"])
def test_a_body_reaches_the_application_once_and_latchkey_never(sent: bytes | list[bytes]) -> None:
    with foreign() as latchkey, foreign() as application, guarded(application.port, latchkey.port) as client:
        latchkey.headers = {"X-Auth-User": "42"}
        content = sent if isinstance(sent, bytes) else iter(sent)
        reply = client.post("/orders?page=2", content=content, headers={"Cookie": "a=b"} | bearer("x.y.z"))
        assert reply.status_code == 200
        assert [received.body for received in application.received] == [b"".join(sent) if sent == [*sent] else sent]
        assert told(application) == {"x-auth-user": "42"}
        (asked,) = latchkey.received
    assert (asked.line, asked.body) == ("GET /auth/verify HTTP/1.1", b"")
    assert re.fullmatch("[0-9a-f]{32}", asked.headers.pop("x-request-id"))
    assert asked.headers == {
        "host": "auth.example.com",
        "authorization": "Bearer x.y.z",
        "x-forwarded-for": CLIENT,
        "x-forwarded-proto": "http",
    }


def test_a_body_that_is_not_let_through_reaches_nobody(client: httpx.Client, application: Foreign) -> None:
    assert refusal(client.post("/orders", content=b"x" * 300_000)) == (401, "missing_token")
    assert application.received == []


def test_latchkey_and_the_application_see_the_same_client_and_request(
    client: httpx.Client, application: Foreign, accounts: Accounts
) -> None:
    application.headers = {"X-Request-ID": "of the application"}
    reply = client.get("/", headers=bearer(accounts.member))
    (made,) = reply.headers.get_list("X-Request-ID")
    assert application.last.headers["x-request-id"] == made
    assert application.last.headers["x-forwarded-for"] == CLIENT
    (line,) = logged(accounts.latchkey, request_id=made)
    assert (line["ip"], line["route"], line["status"]) == (CLIENT, "/auth/verify", 200)


def test_no_answer_of_the_application_is_cached(client: httpx.Client, application: Foreign, accounts: Accounts) -> None:
    application.headers = {
        "Cache-Control": "public, max-age=3600", "Expires": "Fri, 01 Jan 2100 00:00:00 GMT", "ETag": '"1"',
        "X-Accel-Expires": "3600",
    }  # fmt: skip
    replies = [client.get("/", headers=bearer(accounts.member)) for _ in range(2)]
    assert [reply.text for reply in replies] == ["1", "2"]
    assert [reply.headers.get_list("Cache-Control") for reply in replies] == [["private, no-store"]] * 2
    assert [reply.headers.get("Expires") for reply in replies] == [None] * 2
    assert client.get("/").status_code == 401


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_a_failure_of_the_application_is_passed_on_unchanged(
    client: httpx.Client, application: Foreign, accounts: Accounts, status: int
) -> None:
    application.status = status
    reply = client.get("/", headers=bearer(accounts.member))
    assert (reply.status_code, reply.text) == (status, "1")


@pytest.mark.parametrize(
    ("status", "headers", "after"),
    [
        (503, {"Retry-After": "17"}, "17"),
        (500, {}, "5"),
        (429, {"Retry-After": "3"}, "3"),
        (302, {"Location": "/"}, "5"),
        (400, {}, "5"),
        (404, {}, "5"),
    ],
)
def test_any_other_answer_in_latchkeys_place_is_a_503_and_lets_nobody_through(
    status: int, headers: Mapping[str, str], after: str
) -> None:
    with foreign() as latchkey, foreign() as application, guarded(application.port, latchkey.port) as client:
        latchkey.status, latchkey.headers = status, headers
        for path in ("/", "/admin"):
            reply = client.get(path, headers=bearer("x.y.z"))
            assert refusal(reply) == (503, "unavailable")
            assert reply.headers.get_list("Retry-After") == [after]
        assert application.received == []


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    server.stop()
    yield
    server.start()


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    server.freeze()
    yield
    server.thaw()


def test_while_latchkey_is_away_nobody_gets_through_and_clients_get_a_503(tmp_path: Path, application: Foreign) -> None:
    sooner = {"proxy_read_timeout 8s;": "proxy_read_timeout 2s;"}
    with service(in_testing(**ASKED, **on_sqlite(tmp_path))) as latchkey:
        token = register(latchkey.base_url, "ann")
        with guarded(application.port, latchkey.port, sooner) as client:
            for away in (frozen, stopped):
                asked = len(application.received)
                with away(latchkey):
                    reply = client.get("/", headers=bearer(token))
                assert (*refusal(reply), reply.headers["Retry-After"]) == (503, "unavailable", "5")
                assert len(application.received) == asked
                wait_until(lambda: client.get("/", headers=bearer(token)).status_code == 200, PATIENCE)


def test_while_latchkeys_store_is_away_clients_get_its_503(postgres_server: SqlServer, application: Foreign) -> None:
    database = make_url(postgres_server.create_database())
    with wire(postgres_server.port) as way:
        url = database.set(port=way.port).render_as_string(hide_password=False)
        with service(in_testing(**ASKED, DATABASE_URL=url)) as latchkey:
            token = register(latchkey.base_url, "ann")
            with guarded(application.port, latchkey.port) as client:
                way.leads_to = free_port()
                way.cut()
                reply = client.get("/", headers=bearer(token))
    assert refusal(reply) == (503, "unavailable")
    assert re.fullmatch(r"\d+", reply.headers["Retry-After"])
    assert application.received == []
