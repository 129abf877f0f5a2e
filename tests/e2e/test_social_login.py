"""A login by a real provider that nobody here wrote: npm oidc-provider."""

from __future__ import annotations

import http.client
import json
import re
from contextlib import closing, contextmanager
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit

import pytest

from tests.api.databases import SqliteDatabase
from tests.api.service import FakeClock, Service, running
from tests.servers.fixtures import require
from tests.servers.process import Server, free_port, own_folder, program
from tests.servers.service import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(90)

PROGRAM = ROOT / "tests/tools/oidc_provider.mjs"
PACKAGE = ROOT / "tests/tools/node_modules/oidc-provider"
SERVICE = "http://localhost:5000"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class OidcProvider(Server):
    """npm oidc-provider on a port of its own."""

    def answers(self) -> bool:
        try:
            return bool(self.visit("GET", "/.well-known/openid-configuration", {})[1])
        except OSError:
            return False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def visit(self, method: str, path: str, cookies: dict[str, str], body: str = "") -> tuple[str, str]:
        """Where it leads, "" for nowhere, and the page."""
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()), **(FORM if body else {})}
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as connection:
            connection.request(method, path, body or None, headers)
            with connection.getresponse() as response:
                for line in response.headers.get_all("Set-Cookie", ()):
                    cookies.update({name: morsel.value for name, morsel in SimpleCookie(line).items()})
                return response.headers["Location"] or "", response.read().decode()

    def log_in(self, url: str, name: str) -> str:
        """Log in as a browser does, and agree; the query that it brings back to the service."""
        cookies: dict[str, str] = {}
        for _ in range(12):
            location, page = self.visit("GET", url.removeprefix(self.url), cookies)
            while location:
                url = urljoin(url, location)
                if url.startswith(SERVICE):
                    return urlsplit(url).query
                location, page = self.visit("GET", url.removeprefix(self.url), cookies)
            (prompt,) = re.findall('name="prompt" value="([a-z]+)"', page)
            form = urlencode({"prompt": prompt, "login": name, "password": "x"})
            location, _ = self.visit("POST", urlsplit(url).path, cookies, form)
            url = urljoin(url, location)
        raise AssertionError("it does not end")


@contextmanager
def serving(port: int, key: str) -> Iterator[OidcProvider]:
    node = program("node")
    require(None if node and PACKAGE.exists() else "oidc-provider is not installed: run `make tools`")
    with own_folder() as folder:
        command = [str(node), str(PROGRAM), str(port), SERVICE, key]
        with OidcProvider(command, folder=folder, port=port) as server:
            yield server


@pytest.fixture
def provider() -> Iterator[OidcProvider]:
    with serving(free_port(), "one") as server:
        yield server


@contextmanager
def on_it(provider: OidcProvider, migrated: Path, folder: Path) -> Iterator[Service]:
    upstream = {
        "id": "upstream", "issuer": provider.url, "client_id": "latchkey", "client_secret": "s3cret/+ x",
        "trust_email": True,
    }  # fmt: skip
    file = folder / "providers.yaml"
    file.write_text(json.dumps({"providers": [upstream]}))
    database = folder / "latchkey.db"
    database.write_bytes(migrated.read_bytes())
    settings = {"EGRESS_ALLOW": "127.0.0.1", "PROVIDERS_FILE": str(file)}
    with running(SqliteDatabase(database), FakeClock(), **settings) as service:
        yield service


def log_in(service: Service, provider: OidcProvider, name: str) -> dict[str, Any]:
    started = service.post("/auth/providers/upstream/start", {"redirect_to": "/done"})
    cookie = started.headers["Set-Cookie"].partition(";")[0]
    query = provider.log_in(started.json["data"]["url"], name)
    assert parse_qs(query)["iss"] == [provider.url]  # RFC 9207
    back = service.get("/auth/providers/upstream/callback", query=query, headers={"Cookie": cookie})
    assert back.status_code == 303, back.text
    (code,) = parse_qs(urlsplit(back.headers["Location"]).query)["code"]
    reply = service.post("/auth/providers/finish", {"code": code}, headers={"Cookie": cookie})
    assert reply.status_code == 200, reply.text
    data: dict[str, Any] = reply.json["data"]
    return data


def test_a_user_of_oidc_provider_registers_and_comes_back(
    provider: OidcProvider, migrated: Path, tmp_path: Path
) -> None:
    with on_it(provider, migrated, tmp_path) as service:
        first = log_in(service, provider, "ann")["user"]
        assert (first["email"], first["email_verified"], first["name"]) == (
            "ann@example.com", True, "Somebody called ann",
        )  # fmt: skip
        again, other = (log_in(service, provider, name)["user"]["id"] for name in ("ann", "bob"))
        assert again == first["id"] != other


def test_oidc_provider_takes_no_code_without_the_verifier_of_its_browser(
    provider: OidcProvider, migrated: Path, tmp_path: Path
) -> None:
    with on_it(provider, migrated, tmp_path) as service:
        victim, attacker = (service.post("/auth/providers/upstream/start", {"redirect_to": "/done"}) for _ in range(2))
        stolen = parse_qs(provider.log_in(victim.json["data"]["url"], "ann"))["code"][0]
        state = parse_qs(urlsplit(attacker.json["data"]["url"]).query)["state"][0]
        query = urlencode({"code": stolen, "state": state, "iss": provider.url})
        cookie = attacker.headers["Set-Cookie"].partition(";")[0]
        back = service.get("/auth/providers/upstream/callback", query=query, headers={"Cookie": cookie})
        assert back.headers["Location"].endswith("/done?error=provider_refused")


def test_a_provider_that_signs_with_another_key_is_believed_at_once(migrated: Path, tmp_path: Path) -> None:
    port = free_port()
    with serving(port, "one") as before, on_it(before, migrated, tmp_path) as service:
        ann = log_in(service, before, "ann")["user"]["id"]
        before.stop()
        with serving(port, "two") as after:
            assert log_in(service, after, "ann")["user"]["id"] == ann
