"""MCP: the clients of its packages, unmodified, log their users in here for the server of examples/mcp."""

from __future__ import annotations

import re
import subprocess
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Self

import httpx
import jwt
import pytest

from app import config, wiring
from app.oauth.catalogue.model import CatalogueBook, CatalogueBooks, Resource, Scope
from app.oauth.clients.model import Client, Clients
from app.oauth.clients.secret_text import REGISTRATION, new_text
from app.oauth.registration.model import RegistrationToken, RegistrationTokens
from app.platform.identifiers import digest_of_token, new_id
from tests.api.document_site import Site as DocumentSite
from tests.e2e.clients import PATIENCE, bearer, register
from tests.e2e.examples import EXAMPLES, example, mcp_python
from tests.e2e.front import logged
from tests.e2e.settings import in_testing, on_sqlite
from tests.e2e.visitor import came_back
from tests.servers.fixtures import require
from tests.servers.process import free_port, program, wait_until
from tests.servers.service import ROOT, Service, service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.cli.common import Application

pytestmark = pytest.mark.timeout(300)  # the first run fetches packages

SHORT = 2
"""Seconds that an access token lives."""
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
"""Of the verifier (RFC 7636 appendix B)."""
ASKED_FOR = "notes offline_access"
"""What the server tells clients to ask for."""
SCOPES = ("openid", "profile", "email", "offline_access", "notes")


@dataclass
class Site:
    """A Latchkey, and an MCP server whose users log in at it."""

    latchkey: Service
    settings: dict[str, str]
    mcp_url: str
    described: DocumentSite
    """Where a client has the document that describes it."""

    @property
    def url(self) -> str:
        """Its PUBLIC_URL."""
        return f"http://localhost:{self.latchkey.port}"

    def client(self, port: int, **more: Any) -> str:
        """A public client that listens on this port; its id."""
        fields = {"scopes": SCOPES, "redirect_uris": (f"http://127.0.0.1:{port}/callback",)} | more
        made = Client(id=new_id(), name="Notes", kind="public", created_at=datetime.now(UTC), **fields)
        with wired(self.settings) as application:
            application.get(Clients).add(made)
        return made.id


@contextmanager
def wired(settings: dict[str, str]) -> Iterator[Application]:
    application = wiring.build(config.load(settings, dotenv=None), watched=False)
    try:
        yield application
    finally:
        application.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    described = DocumentSite(tmp_path_factory.mktemp("site"))
    settings = in_testing(
        WEB_CONCURRENCY="1",
        ACCESS_TOKEN_SECONDS=str(SHORT),
        CIMD_ALLOW="any",
        EGRESS_ALLOW="127.0.0.0/8",
        SSL_CERT_FILE=str(described.certificate),
        **on_sqlite(tmp_path_factory.mktemp("store")),
    )
    port = free_port()
    mcp_url = f"http://localhost:{port}/mcp"
    with closing(described.server), service(settings) as latchkey:
        name_resources(settings, mcp_url)
        site = Site(latchkey, settings, mcp_url, described)
        with example("mcp", latchkey=site.url, port=port):
            yield site


def name_resources(settings: dict[str, str], mcp_url: str) -> None:
    """Have an administrator's catalogue: the MCP server, and an API that has nothing to do with it."""
    scopes = (Scope("mail:read", "Read your mail."), Scope("notes", "Keep notes for you."))
    resources = (Resource("https://mail.example", "Mail", ("mail:read",)), Resource(mcp_url, "Notes", ("notes",)))
    with wired(settings) as application:
        book = application.get(CatalogueBooks).load()
        assert application.get(CatalogueBooks).save(CatalogueBook(book.version + 1, scopes, resources))


def by_python() -> list[str]:
    """PyPI's `mcp`."""
    return [str(mcp_python()), str(EXAMPLES / "mcp" / "client.py")]


def by_javascript() -> list[str]:
    """npm's `@modelcontextprotocol/client`."""
    node = program("node")
    package = ROOT / "tests" / "tools" / "node_modules" / "@modelcontextprotocol" / "client"
    require(None if node and package.is_dir() else "Node.js or @modelcontextprotocol/client is missing: make tools")
    return [str(node), str(ROOT / "tests" / "tools" / "mcp_client.mjs")]


WRITTEN_IN = {"Python": by_python, "JavaScript": by_javascript}


class Terminal:
    """A client of a language, and someone who types notes."""

    def __init__(self, site: Site, language: str, **settings: str) -> None:
        self.site = site
        self.command = WRITTEN_IN[language]()
        self.port = free_port()
        self.settings = {"PATH": "/usr/bin:/bin", "MCP_URL": site.mcp_url, "CALLBACK_PORT": str(self.port), **settings}

    def __enter__(self) -> Self:
        assigned = [f"{name}={value}" for name, value in self.settings.items()]
        self._process = subprocess.Popen(
            ["env", "-i", *assigned, *self.command],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def asked_to_open(self) -> str:
        """The address that the user is to open."""
        word, _, address = self._line().partition(" ")
        assert word == "Open", word
        return address

    def log_in(self, name: str) -> dict[str, str]:
        """Do so, as this user; the parameters of the authorization request."""
        address = self.asked_to_open()
        reply = httpx.get(came_back(self.site.url, name, address), timeout=PATIENCE)
        assert reply.status_code == 200
        return dict(httpx.URL(address).params)

    def note(self, text: str) -> str:
        """Type a note; the notes of the user."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n")
        self._process.stdin.flush()
        return self._line()

    def ended_with(self) -> str:
        """What it says at its end on the standard error."""
        return self._process.communicate(timeout=PATIENCE)[1]

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        assert line, self.ended_with()
        return line


@pytest.mark.parametrize("language", WRITTEN_IN)
def test_a_registered_client_logs_its_user_in_calls_a_tool_and_refreshes(site: Site, language: str) -> None:
    name = user(site, "ann", language)
    terminal = Terminal(site, language)
    terminal.settings["CLIENT_ID"] = site.client(terminal.port)
    with terminal:
        asked = terminal.log_in(name)
        before = exchanged(site)
        assert terminal.note("milk") == "milk"
        wait_for_expiry()
        assert terminal.note("bread") == "milk, bread"
        wait_for_expiry()
        assert terminal.note("salt") == "milk, bread, salt"
    assert exchanged(site) - before >= 2
    assert (asked["resource"], asked["scope"]) == (site.mcp_url, ASKED_FOR)
    assert asked["code_challenge_method"] == "S256"


@pytest.mark.parametrize("language", WRITTEN_IN)
def test_a_client_is_described_by_a_document_at_its_address(site: Site, language: str) -> None:
    name, url = user(site, "cem", language), site.described.url
    # Each listens on a port of its own, which on loopback is free.
    site.described.document |= {"redirect_uris": ["http://127.0.0.1/callback"], "token_endpoint_auth_method": "none"}
    with Terminal(site, language, CLIENT_METADATA_URL=url) as terminal:
        asked = terminal.log_in(name)
        assert terminal.note("rice") == "rice"
        wait_for_expiry()
        assert terminal.note("beans") == "rice, beans"
    assert (asked["client_id"], asked["resource"]) == (url, site.mcp_url)


@pytest.mark.parametrize("language", WRITTEN_IN)
def test_a_client_registers_itself_with_an_initial_token(site: Site, language: str) -> None:
    name = user(site, "bob", language)
    with Terminal(site, language, REGISTRATION_TOKEN=initial_token(site)) as terminal:
        asked = terminal.log_in(name)
        assert terminal.note("tea") == "tea"
    assert asked["scope"] == ASKED_FOR


@pytest.mark.parametrize("language", WRITTEN_IN)
def test_a_client_that_may_not_register_itself_says_what_it_was_told(site: Site, language: str) -> None:
    with Terminal(site, language) as terminal:
        assert re.search(r"\b401\b", terminal.ended_with())


@pytest.mark.parametrize("language", WRITTEN_IN)
def test_a_user_who_denies_is_asked_by_the_client_no_more(site: Site, language: str) -> None:
    name = user(site, "dan", language)
    terminal = Terminal(site, language)
    terminal.settings["CLIENT_ID"] = site.client(terminal.port)
    with terminal:
        back = came_back(site.url, name, terminal.asked_to_open(), answer="deny")
        httpx.get(back, timeout=PATIENCE)
        assert "Refused: access_denied" in terminal.ended_with()


def test_tokens_for_anything_else_are_refused_with_what_a_client_needs_to_get_the_right_one(site: Site) -> None:
    login = register(site.latchkey.base_url, "eve")
    client = site.client(8400)
    refused = [
        *(login, tokens_of(site, client, "eve", resource="https://mail.example", scope="openid")["access_token"]),
        *(tokens_of(site, client, "eve", scope="openid")["access_token"], "nonsense"),
    ]
    told = {"scope": ASKED_FOR, "resource_metadata": described_at(site)}
    for token in refused:
        reply = call(site, token)
        assert reply.status_code == 401
        assert challenge(reply) == {"error": "invalid_token"} | told

    poor = call(site, tokens_of(site, client, "eve", resource=site.mcp_url, scope="openid")["access_token"])
    assert poor.status_code == 403
    assert challenge(poor) == {"error": "insufficient_scope"} | told
    good = tokens_of(site, client, "eve", resource=site.mcp_url, scope="notes")["access_token"]
    assert jwt.decode(good, options={"verify_signature": False})["aud"] == site.mcp_url
    assert call(site, good).status_code == 200


def user(site: Site, name: str, language: str) -> str:
    """Register a user of this name, for a client of this language."""
    name = f"{name}.{language}".lower()
    register(site.latchkey.base_url, name)
    return name


def call(site: Site, token: str) -> httpx.Response:
    """What the MCP server answers to the bearer of this token."""
    message = {
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "0"}},
    }  # fmt: skip
    headers = bearer(token) | {"Accept": "application/json, text/event-stream"}
    return httpx.post(site.mcp_url, json=message, headers=headers, timeout=PATIENCE)


def challenge(reply: httpx.Response) -> dict[str, str]:
    """The parameters of a challenge, but its words for people."""
    scheme, _, rest = reply.headers["WWW-Authenticate"].partition(" ")
    assert scheme == "Bearer"
    found = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    found.pop("error_description")
    return found


def described_at(site: Site) -> str:
    return site.mcp_url.replace("/mcp", "/.well-known/oauth-protected-resource/mcp")


def tokens_of(site: Site, client_id: str, name: str, **parameters: str) -> dict[str, Any]:
    """What a client gets that asks for this, by plain requests."""
    redirect_uri = "http://127.0.0.1:8400/callback"
    asked = {
        "response_type": "code", "client_id": client_id, "redirect_uri": redirect_uri, "state": "s1",
        "code_challenge": CHALLENGE, "code_challenge_method": "S256",
    }  # fmt: skip
    address = str(httpx.URL(f"{site.url}/oauth/authorize", params=asked | parameters))
    code = httpx.URL(came_back(site.url, name, address)).params["code"]
    sent = {
        "grant_type": "authorization_code", "code": code, "client_id": client_id, "redirect_uri": redirect_uri,
        "code_verifier": VERIFIER,
    } | {each: parameters[each] for each in ("resource",) if each in parameters}  # fmt: skip
    reply = httpx.post(f"{site.url}/oauth/token", data=sent, timeout=PATIENCE)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def initial_token(site: Site) -> str:
    """An initial token for one client, as an administrator makes them."""
    text, now = new_text(REGISTRATION), datetime.now(UTC)
    with wired(site.settings) as application:
        kept = RegistrationToken(digest_of_token(text), new_id(), now, now + timedelta(hours=1), 1)
        application.get(RegistrationTokens).add(kept)
    return text


def exchanged(site: Site) -> int:
    """How many token requests there were so far."""
    return len(logged(site.latchkey, route="/oauth/token"))


def wait_for_expiry() -> None:
    """Return when an access token that was issued before has expired."""
    ends_at = time.time() + SHORT
    wait_until(lambda: time.time() > ends_at, 2 * SHORT)
