"""`flask doctor --mcp URL` says what an MCP client would stumble over, and how to mend it."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest

from app import config, wiring
from app.oauth.catalogue.model import CatalogueBook, CatalogueBooks, Resource, Scope
from app.oauth.discovery.service import Discovery
from tests.api.service import SETTINGS
from tests.servers.process import free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from click.testing import Result

METADATA = "/.well-known/oauth-protected-resource/mcp"
CHALLENGE = "www-authenticate"


@dataclass
class Place:
    """An MCP server and, at the same origin, what Latchkey publishes; a test changes what it answers."""

    server: ThreadingHTTPServer
    path: Path
    unauthorized: int = 401
    headers: dict[str, str] = field(default_factory=dict)
    """Of its answer to who has no valid token."""
    documents: dict[str, Any] = field(default_factory=dict)
    """What is answered to GET: JSON, or bytes, or the status of a failure."""
    bad_token: int = 401

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    @property
    def url(self) -> str:
        return f"{self.origin}/mcp"

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self.documents[METADATA]
        return found

    @property
    def settings(self) -> dict[str, str]:
        return {"PUBLIC_URL": self.origin, "EGRESS_ALLOW": f"127.0.0.1:{self.server.server_port}"}

    def register(self, *resources: Resource, scopes: tuple[str, ...] = ("notes", "mail")) -> None:
        """Have these, and no others, in the catalogue; and publish what Latchkey says then."""
        settings = SETTINGS | {"DATABASE_URL": f"sqlite:///{self.path}"} | self.settings
        application = wiring.build(config.load(settings, dotenv=None), watched=False)
        with closing(application):
            books = application.get(CatalogueBooks)
            named = tuple(Scope(name, "It is one.") for name in scopes)
            assert books.save(CatalogueBook(books.load().version + 1, named, resources))
            says = application.get(Discovery).server()
        self.documents["/.well-known/oauth-authorization-server"] = says
        self.documents["/.well-known/openid-configuration"] = dict(says)


class _Handler(BaseHTTPRequestHandler):
    place: Place

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.headers.get("Authorization"):
            self._answer(self.place.bad_token, b"{}", self.place.headers)
        else:
            self._answer(self.place.unauthorized, b"{}", self.place.headers)

    def do_GET(self) -> None:
        found = self.place.documents.get(self.path, 404)
        if isinstance(found, int):
            self._answer(found, b"", {})
        else:
            body = found if isinstance(found, bytes) else json.dumps(found).encode()
            self._answer(200, body, {"Content-Type": self.place.headers.get("of documents", "application/json")})

    def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace(" ", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing is written."""


@pytest.fixture
def place(request: pytest.FixtureRequest, fresh: Path) -> Iterator[Place]:
    """A good server, registered here."""
    request.getfixturevalue("prepared")
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {}))
    made = Place(server, fresh)
    server.RequestHandlerClass.place = made  # type: ignore[attr-defined]
    made.headers = {
        CHALLENGE: f'Bearer resource_metadata="{made.origin}{METADATA}", scope="notes offline_access"',
    }
    made.documents[METADATA] = {
        "resource": made.url, "authorization_servers": [made.origin], "scopes_supported": ["notes"],
    }  # fmt: skip
    made.register(Resource(made.url, "Notes", ("notes",)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()


def findings(result: Result) -> set[tuple[str, str]]:
    """Severity and check of all that is not well."""
    assert result.exit_code in {0, 1}, result.output
    lines = [(line[:8].strip(), line[8:].partition(":")[0]) for line in result.stdout.splitlines()]
    assert result.exit_code == int(any(severity == "error" for severity, _ in lines))
    return {line for line in lines if line[0] != "ok"}


def test_a_good_server_is_reported_as_good(place: Place, flask: Callable[..., Result]) -> None:
    result = flask("doctor", "--mcp", place.url, **place.settings)
    assert result.exit_code == 0
    assert result.stdout.splitlines() == [
        "ok      server",
        "ok      challenge",
        "ok      metadata",
        "ok      resource",
        "ok      authorization server",
        "ok      discovery",
        "note    clients: CIMD_ALLOW is off: clients need an id of flask clients create, or an initial token",
        "ok      scopes",
        "ok      token",
    ]


def test_for_programs_each_finding_is_a_line_of_json(place: Place, flask: Callable[..., Result]) -> None:
    result = flask("doctor", "--json", "--mcp", place.url, **place.settings)
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert lines[0] == {"severity": "ok", "check": "server", "text": ""}
    assert [line["check"] for line in lines][-1] == "token"


@pytest.mark.parametrize(
    "words",
    [
        *(["--mcp", "notes"], ["--mcp", "ftp://x/y"], ["--mcp", "https://"], ["--mcp", "https://x/#y"]),
        *(
            ["--mcp", "https://x:99999/"],
            ["--mcp", "https://[x"],
            ["--mcp", "https://x", "--profile", "asvs-l2"],
            ["--mcp"],
        ),
    ],
)
def test_what_is_no_address_of_a_server_is_a_wrong_use(words: list[str], flask: Callable[..., Result]) -> None:
    assert flask("doctor", *words).exit_code == 2


def test_a_server_in_the_own_network_needs_to_be_allowed(place: Place, flask: Callable[..., Result]) -> None:
    result = flask("doctor", "--mcp", place.url, **place.settings | {"EGRESS_ALLOW": ""})
    assert findings(result) == {("error", "server")}
    assert "name its address in EGRESS_ALLOW for this command" in result.stdout


def test_a_server_that_is_away_is_reported(place: Place, flask: Callable[..., Result]) -> None:
    url = f"http://127.0.0.1:{free_port()}/mcp"
    result = flask("doctor", "--mcp", url, **place.settings | {"EGRESS_ALLOW": "127.0.0.1"})
    assert findings(result) == {("error", "server")}
    assert "cannot be reached" in result.stdout


def test_http_beyond_loopback_is_reported(flask: Callable[..., Result], place: Place) -> None:
    result = flask("doctor", "--mcp", "http://mcp.example/mcp", **place.settings)
    assert "error   server: it is not https: clients refuse that but on loopback" in result.stdout


def test_without_oauth_no_client_can_log_anybody_in(place: Place, flask: Callable[..., Result]) -> None:
    assert findings(flask("doctor", "--mcp", place.url, OAUTH="off", **place.settings)) == {("error", "latchkey")}
    assert findings(flask("doctor", "--mcp", place.url, PAGES="off", **place.settings)) >= {("error", "clients")}


def test_a_store_that_does_not_answer_is_reported(place: Place, flask: Callable[..., Result]) -> None:
    away = f"postgresql://latchkey@127.0.0.1:{free_port()}/latchkey"
    result = flask("doctor", "--mcp", place.url, **place.settings | {"DATABASE_URL": away})
    assert findings(result) == {("error", "store")}


def described_as(**changed: Any) -> Callable[[Place], object]:
    """The metadata differ in these; what is None is absent."""

    def change(place: Place) -> None:
        told = place.metadata | {name: value(place) if callable(value) else value for name, value in changed.items()}
        place.documents[METADATA] = {name: value for name, value in told.items() if value is not None}

    return change


def challenged_by(make: Callable[[str], str]) -> Callable[[Place], object]:
    return lambda place: place.headers.update({CHALLENGE: make(place.headers[CHALLENGE])})


def at(path: str, found: object) -> Callable[[Place], object]:
    return lambda place: place.documents.update({path: found})


def published(**changed: Any) -> Callable[[Place], object]:
    """Latchkey's first document differs in these."""
    path = "/.well-known/oauth-authorization-server"
    return lambda place: place.documents.update({path: place.documents[path] | changed})


BROKEN: dict[str, tuple[Callable[[Place], object], set[tuple[str, str]], str]] = {
    "open to all": (lambda place: setattr(place, "unauthorized", 200), {("error", "server")}, "it answers 200"),
    "not found": (lambda place: setattr(place, "unauthorized", 404), {("error", "server")}, "it answers 404"),
    "redirects": (
        lambda place: vars(place).update(unauthorized=307, headers={"location": "/mcp/\x1b[2J"}),
        {("error", "server")},
        "it redirects to /mcp/?[2J",
    ),
    "no challenge": (lambda place: place.headers.clear(), {("error", "challenge"), ("note", "scopes")}, "Bearer"),
    "another scheme first": (challenged_by(lambda told: f"Basic, {told}"), {("error", "challenge")}, "Bearer"),
    "no metadata in the challenge": (
        challenged_by(lambda _: 'Bearer scope="notes offline_access"'), {("warning", "challenge")}, f"{METADATA}",
    ),
    "no scope in the challenge": (
        challenged_by(lambda told: told.partition(", scope")[0]),
        {("note", "challenge"), ("note", "scopes")},
        "scopes_supported",
    ),
    "no metadata": (at(METADATA, 404), {("error", "metadata")}, "answers 404"),
    "metadata that are no JSON": (at(METADATA, b"<html>"), {("error", "metadata")}, "is no JSON"),
    "metadata that are a list": (at(METADATA, []), {("error", "metadata")}, "no JSON object"),
    "metadata of another type": (
        lambda place: place.headers.update({"of documents": "text/html"}), {("error", "metadata")}, "application/json",
    ),
    "metadata at the told address alone": (
        lambda place: (
            challenged_by(lambda told: told.replace(METADATA, "/about"))(place),
            place.documents.update({"/about": place.documents.pop(METADATA)}),
        ),
        {("warning", "metadata")},
        "serve it there, too",
    ),
    "metadata that differ": (
        lambda place: (
            challenged_by(lambda told: told.replace(METADATA, "/about"))(place),
            place.documents.update({"/about": place.metadata | {"resource_name": "x"}}),
        ),
        {("error", "metadata")},
        "differ",
    ),
    "metadata of an address that is none": (
        challenged_by(lambda told: told.replace("http:", "file:")), {("error", "metadata")}, "file://",
    ),
    "no resource": (described_as(resource=None), {("error", "resource")}, "resource is missing"),
    "a resource that is no text": (described_as(resource=[1]), {("error", "resource")}, "resource is missing"),
    "another resource": (described_as(resource="https://x.example/mcp"), {("error", "resource")}, "clients refuse it"),
    "a resource that is no URL": (described_as(resource="https://[x"), {("error", "resource")}, "clients refuse it"),
    "a slash more": (
        described_as(resource=lambda place: f"{place.url}/"),
        {("warning", "resource"), ("error", "resource")},
        "the slash",
    ),
    "a resource that is not registered": (lambda place: place.register(), {("error", "resource")}, "/admin/resources"),
    "a resource that is registered in another form": (
        lambda place: place.register(Resource(place.url.replace("http:", "HTTP:"), "Notes", ("notes",))),
        {("warning", "resource")},
        "the aud of its tokens",
    ),
    "the resource is the service": (
        described_as(resource=lambda place: place.origin), {("warning", "resource")}, "this service itself",
    ),
    "no authorization server": (
        described_as(authorization_servers=[]), {("error", "authorization server")}, "is missing",
    ),
    "authorization servers that are no list": (
        described_as(authorization_servers={"a": 1}), {("error", "authorization server")}, "is missing",
    ),
    "another authorization server": (
        described_as(authorization_servers=["https://x.example", 5]),
        {("error", "authorization server")},
        "without http",
    ),
    "an authorization server with a slash": (
        described_as(authorization_servers=lambda place: [f"{place.origin}/"]),
        {("error", "authorization server")},
        "take the slash away",
    ),
    "an authorization server that is not the first": (
        described_as(authorization_servers=lambda place: ["https://x.example", place.origin]),
        {("warning", "authorization server")},
        "take the first",
    ),
    "one well-known of ours is not served": (
        at("/.well-known/openid-configuration", 404), {("error", "discovery")}, "answers 404",
    ),
    "another issuer is served": (published(issuer="http://x\x1b"), {("error", "discovery")}, "is http://x?, not"),
    "other settings are served": (published(scopes_supported=[]), {("warning", "discovery")}, "restart"),
    "a scope that does not exist": (
        described_as(scopes_supported=["notes", "all"]), {("error", "scopes")}, "all is no scope here (invalid_scope)",
    ),
    "a scope in the challenge that does not exist": (
        challenged_by(lambda told: told.replace('"notes', '"files notes')),
        {("error", "scopes")},
        "files is no scope",
    ),
    "a scope of another resource": (described_as(scopes_supported=["mail"]), {("error", "scopes")}, "none of"),
    "a resource without scopes": (
        lambda place: place.register(Resource(place.url, "Notes")), {("warning", "scopes")}, "register themselves",
    ),
    "no refresh tokens for older clients": (
        challenged_by(lambda told: told.replace(" offline_access", "")),
        {("note", "scopes")},
        "older clients get no refresh token",
    ),
    "scopes that are no list": (described_as(scopes_supported={"a": 1}), {("error", "scopes")}, "list of strings"),
    "scopes that are no text": (described_as(scopes_supported=[{}, None]), {("error", "scopes")}, "list of strings"),
    "no scope at all": (
        lambda place: (
            described_as(scopes_supported=None)(place),
            challenged_by(lambda told: told.partition(", scope")[0])(place),
        ),
        {("note", "challenge"), ("note", "scopes")},
        "all there are",
    ),
    "a bad token lets in": (lambda place: setattr(place, "bad_token", 200), {("error", "token")}, "with 200"),
    "a bad token is a fault": (lambda place: setattr(place, "bad_token", 500), {("error", "token")}, "with 500"),
}  # fmt: skip


@pytest.mark.parametrize(("breaks", "found", "said"), BROKEN.values(), ids=BROKEN)
def test_what_clients_stumble_over_is_reported_with_its_remedy(
    place: Place,
    flask: Callable[..., Result],
    breaks: Callable[[Place], object],
    found: set[tuple[str, str]],
    said: str,
) -> None:
    breaks(place)
    result = flask("doctor", "--mcp", place.url, **place.settings)
    assert findings(result) - {("note", "clients")} == found, result.stdout
    assert said in result.stdout
    assert "\x1b" not in result.stdout


def test_a_resource_above_the_server_is_reported(place: Place, flask: Callable[..., Result]) -> None:
    above = f"{place.origin}/m"
    place.documents[METADATA] = place.metadata | {"resource": above}
    place.register(Resource(above, "Notes", ("notes",)))
    result = flask("doctor", "--mcp", place.url, **place.settings)
    assert findings(result) == {("error", "resource"), ("note", "clients")}
    place.documents["/.well-known/oauth-protected-resource/mcp/v1"] = place.metadata | {"resource": place.url}
    place.headers[CHALLENGE] = place.headers[CHALLENGE].replace(METADATA, f"{METADATA}/v1")
    place.register(Resource(place.url, "Notes", ("notes",)))
    result = flask("doctor", "--mcp", f"{place.url}/v1", **place.settings)
    assert findings(result) == {("warning", "resource"), ("note", "clients")}
    assert "tokens are good for all below it" in result.stdout
