"""Spring Security as docs/oauth.md shows it: an application whose users log in here, and an API for access tokens."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.clients import PATIENCE, bearer, register
from tests.e2e.clients import log_in as log_in_here
from tests.e2e.relying_parties import SECRET, Provider, log_in, made_ready, provider, shown
from tests.e2e.visitor import Visitor
from tests.servers.process import Server, free_port, own_folder, program, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)  # the first run fetches packages

MISSING = "Java or Maven is missing: apt-get install default-jdk-headless maven"
QUICK = ("-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")


@dataclass
class Shop:
    """The application."""

    issuer: Provider
    server: Server
    client_id: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"


@contextmanager
def serving(folder: Path, algorithm: str, **settings: str) -> Iterator[Shop]:
    """Run the application, with these settings of its own, and a Latchkey that signs by this algorithm."""
    java = program("java")
    made = made_ready("spring", None if java and program("mvn") else MISSING)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with provider(folder, JWT_ALGORITHM=algorithm, EGRESS_ALLOW="127.0.0.1") as issuer, own_folder() as home:
        client = issuer.client(
            name="The shop",
            redirect_uris=(f"{url}/login/oauth2/code/latchkey",),
            post_logout_redirect_uris=(f"{url}/bye",),
            backchannel_logout_uri=f"{url}/logout/connect/back-channel/latchkey",
        )
        lines = shown("yaml")
        for example, real in {
            "https://auth.example.com": issuer.url, "CLIENT_ID": client, "CLIENT_SECRET": SECRET,
        }.items():  # fmt: skip
            assert example in lines
            lines = lines.replace(example, real)
        (home / "application.yaml").write_text(lines)
        given = {"server.address": "127.0.0.1", "server.port": str(port), **settings}
        command = [
            str(java), *QUICK, "-cp", f"{made}/classes:{made}/lib/*", "shop.Shop",
            *(f"--{name}={value}" for name, value in given.items()),
        ]  # fmt: skip
        with Server(command, folder=home, port=port) as server:
            yield Shop(issuer, server, client)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    with serving(tmp_path_factory.mktemp("store"), "RS256") as served:
        yield served


def shown_to(visitor: Visitor) -> dict[str, Any]:
    """What the page of the shop says of its user."""
    found: dict[str, Any] = json.loads(visitor.page)
    return found


def test_a_user_logs_in_and_is_known_by_their_name(shop: Shop) -> None:
    register(shop.issuer.latchkey.base_url, "ann", email="ann@example.com")
    with Visitor() as visitor:
        visitor.open(f"{shop.url}/")
        assert visitor.url.startswith(shop.issuer.url)
        log_in(visitor, "ann")
        assert urlsplit(visitor.url).netloc == urlsplit(shop.url).netloc
        page = shown_to(visitor)
        assert (page["name"], page["email"]) == ("ann", "ann@example.com")


def test_it_knows_no_other_algorithm_than_rs256_unless_it_is_told(tmp_path: Path) -> None:
    with serving(tmp_path, "ES256", **{"latchkey.algorithm": "ES256"}) as shop, Visitor() as visitor:
        register(shop.issuer.latchkey.base_url, "ann", email="ann@example.com")
        visitor.open(f"{shop.url}/")
        log_in(visitor, "ann")
        page = shown_to(visitor)
        assert page["name"] == "ann"
        assert ask(shop, page["access_token"]).status_code == 200  # it finds out by itself what signs access tokens


def test_its_api_takes_access_tokens_of_clients_and_of_logins_and_no_id_tokens(shop: Shop) -> None:
    base = shop.issuer.latchkey.base_url
    register(base, "bob", email="bob@example.com")
    account = log_in_here(base, "bob").json()["data"]
    with Visitor() as visitor:
        visitor.open(f"{shop.url}/")
        log_in(visitor, "bob")
        page = shown_to(visitor)
    for token, client in ((page["access_token"], shop.client_id), (account["access_token"], "latchkey")):
        reply = ask(shop, token)
        assert (reply.status_code, reply.json()) == (200, {"subject": account["user"]["id"], "client": client})
    for other in (page["id_token"], "nonsense"):
        assert ask(shop, other).status_code == 401


def test_a_logout_there_ends_the_login_here_and_comes_back(shop: Shop) -> None:
    register(shop.issuer.latchkey.base_url, "cal", email="cal@example.com")
    with Visitor() as visitor:
        visitor.open(f"{shop.url}/")
        log_in(visitor, "cal")
        visitor.open(f"{shop.url}/logout")
        assert visitor.press("Log Out") == "Bye"
        assert visitor.url == f"{shop.url}/bye"
        visitor.open(f"{shop.url}/")
        assert urlsplit(visitor.url).path == "/login"


def test_a_logout_here_ends_the_session_there_by_the_back_channel(shop: Shop) -> None:
    register(shop.issuer.latchkey.base_url, "dan", email="dan@example.com")
    with Visitor() as visitor:
        visitor.open(f"{shop.url}/")
        log_in(visitor, "dan")
        visitor.open(f"{shop.issuer.url}/logout")
        visitor.press("Log out")

        def ended() -> bool:
            visitor.open(f"{shop.url}/")
            return urlsplit(visitor.url).path == "/login"

        wait_until(ended, 30)


def test_it_follows_when_all_keys_are_replaced(shop: Shop) -> None:
    register(shop.issuer.latchkey.base_url, "eve", email="eve@example.com")
    with Visitor() as visitor:
        visitor.open(f"{shop.url}/")
        log_in(visitor, "eve")
        former = shown_to(visitor)["access_token"]
    assert ask(shop, former).status_code == 200
    shop.issuer.replace_keys()
    with Visitor() as visitor:
        visitor.open(f"{shop.url}/")
        log_in(visitor, "eve", allowed=True)
        assert ask(shop, shown_to(visitor)["access_token"]).status_code == 200


def ask(shop: Shop, token: str) -> httpx.Response:
    return httpx.get(f"{shop.url}/api/hello", headers=bearer(token), timeout=PATIENCE)
