"""Apache with Debian's mod_auth_openidc in front of an application, set up as docs/oauth.md shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode, urlsplit

import httpx
import pytest

from tests.e2e.clients import PATIENCE, bearer, me, register
from tests.e2e.foreign import Foreign, foreign
from tests.e2e.relying_parties import SECRET, Provider, log_in, provider, shown
from tests.e2e.visitor import Visitor
from tests.servers import apache
from tests.servers.fixtures import require
from tests.servers.process import Server, free_port, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(120)

BEHIND = """
ProxyPass / http://127.0.0.1:{port}/
RequestHeader set Remote-User "expr=%{{REMOTE_USER}}"
RequestHeader set Name-From-Environment "%{{OIDC_CLAIM_name}}e"
<Location /bye>
  Require all granted
</Location>
<Location /lasting>
  OIDCPathScope offline_access
</Location>
"""
"""What the documents leave to the reader: the application itself. A part of it asks for a refresh token."""


@dataclass
class Wiki:
    """An application behind Apache, which knows its users by the headers alone."""

    issuer: Provider
    server: Server
    behind: Foreign
    client_id: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.port}"

    @property
    def callback(self) -> str:
        return f"{self.url}/oidc/callback"

    @property
    def told(self) -> dict[str, str]:
        """The headers of the last request that came through."""
        return self.behind.last.headers


@pytest.fixture(scope="module")
def wiki(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wiki]:
    require(apache.missing("auth_openidc"))
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        provider(tmp_path_factory.mktemp("store"), EGRESS_ALLOW="127.0.0.1") as issuer,
        foreign() as behind,
    ):
        client = issuer.client(
            name="The wiki",
            redirect_uris=(f"{url}/oidc/callback",),
            post_logout_redirect_uris=(f"{url}/bye",),
            backchannel_logout_uri=f"{url}/oidc/callback?logout=backchannel",
        )
        issuer.api(f"{url}/api")
        guard = issuer.client(name="The API of the wiki", kind="service", resources=(f"{url}/api",))
        lines = shown("apache") + shown("apacheconf")
        for example, real in {
            "https://auth.example.com": issuer.url, "https://wiki.example.com": url, "API_CLIENT_ID": guard,
            "API_CLIENT_SECRET": SECRET, "CLIENT_ID": client, "CLIENT_SECRET": SECRET,
            "PASSPHRASE": "a passphrase of the tests",
        }.items():  # fmt: skip
            assert example in lines
            lines = lines.replace(example, real)
        config = f"{lines}\n{BEHIND.format(port=behind.port)}"
        with apache.apache(config, port=port, modules=["auth_openidc", "headers"]) as server:
            yield Wiki(issuer, server, behind, client)


def test_a_page_behind_it_is_shown_after_the_login_with_the_claims_of_its_user(wiki: Wiki) -> None:
    token = register(wiki.issuer.latchkey.base_url, "ann", email="ann@example.com", name="Ann Example")
    user = me(wiki.issuer.latchkey.base_url, token).json()["data"]["user"]["id"]
    before = len(wiki.behind.received)
    with Visitor() as visitor:
        visitor.open(f"{wiki.url}/page?a=1")
        assert (urlsplit(visitor.url).path, len(wiki.behind.received)) == ("/login", before)
        log_in(visitor, "ann")
        assert visitor.url == f"{wiki.url}/page?a=1"
        claims = {name: value for name, value in wiki.told.items() if name.startswith("oidc_claim_")}
        assert wiki.told["remote-user"] == claims["oidc_claim_sub"] == user
        assert claims["oidc_claim_name"] == wiki.told["name-from-environment"] == "Ann Example"
        assert (claims["oidc_claim_email"], claims["oidc_claim_email_verified"]) == ("ann@example.com", "0")
        assert (claims["oidc_claim_iss"], claims["oidc_claim_aud"]) == (wiki.issuer.url, wiki.client_id)
        visitor.open(f"{wiki.url}/another")
        assert (wiki.behind.last.line, wiki.told["remote-user"]) == ("GET /another HTTP/1.1", user)


def test_it_refreshes_its_access_token(wiki: Wiki) -> None:
    register(wiki.issuer.latchkey.base_url, "bob")
    with Visitor() as visitor:
        visitor.open(f"{wiki.url}/lasting/")
        log_in(visitor, "bob")
        former = wiki.told["oidc_access_token"]
        for _ in range(2):  # the second time by the refresh token that the first one brought
            back = urlencode({"refresh": f"{wiki.url}/lasting/", "access_token": wiki.told["oidc_access_token"]})
            visitor.open(f"{wiki.callback}?{back}")
            assert visitor.url == f"{wiki.url}/lasting/"
        latter = wiki.told["oidc_access_token"]
    assert former != latter
    assert userinfo(wiki, latter).json()["preferred_username"] == "bob"


def test_a_logout_there_ends_the_login_here_and_comes_back(wiki: Wiki) -> None:
    register(wiki.issuer.latchkey.base_url, "cal")
    with Visitor() as visitor:
        visitor.open(f"{wiki.url}/lasting/")
        log_in(visitor, "cal")
        token = wiki.told["oidc_access_token"]
        assert userinfo(wiki, token).status_code == 200
        visitor.open(f"{wiki.callback}?{urlencode({'logout': f'{wiki.url}/bye'})}")
        assert visitor.url == f"{wiki.url}/bye"
        visitor.open(f"{wiki.url}/page")
        assert 'name="password"' in visitor.page  # neither there nor here is anybody logged in
    assert userinfo(wiki, token).status_code == 401  # it has revoked the tokens


def test_a_logout_here_ends_the_session_there_by_the_back_channel(wiki: Wiki) -> None:
    register(wiki.issuer.latchkey.base_url, "dan")
    with Visitor() as visitor, Visitor() as other:
        visitor.open(f"{wiki.url}/page")
        log_in(visitor, "dan")
        other.open(f"{wiki.url}/page")
        log_in(other, "dan", allowed=True)
        visitor.open(f"{wiki.issuer.url}/logout")
        visitor.press("Log out")

        def ended() -> bool:
            visitor.open(f"{wiki.url}/page")
            return urlsplit(visitor.url).path == "/login"

        wait_until(ended, 30)
        other.open(f"{wiki.url}/page")
        assert other.url == f"{wiki.url}/page"  # the session of another browser goes on


def test_a_logout_of_all_ends_what_outlives_a_login(wiki: Wiki) -> None:
    token = register(wiki.issuer.latchkey.base_url, "eve")
    with Visitor() as visitor:
        visitor.open(f"{wiki.url}/lasting/")
        log_in(visitor, "eve")
        visitor.open(f"{wiki.issuer.url}/logout")
        visitor.press("Log out")
        visitor.open(f"{wiki.url}/lasting/")
        assert visitor.url == f"{wiki.url}/lasting/"
        url = f"{wiki.issuer.latchkey.base_url}/auth/logout"
        httpx.post(url, json={"scope": "all"}, headers=bearer(token), timeout=PATIENCE).raise_for_status()

        def ended() -> bool:
            visitor.open(f"{wiki.url}/lasting/")
            return urlsplit(visitor.url).path == "/login"

        wait_until(ended, 30)


def test_it_follows_when_all_keys_are_replaced(wiki: Wiki) -> None:
    register(wiki.issuer.latchkey.base_url, "fay")
    with Visitor() as visitor:
        visitor.open(f"{wiki.url}/page")
        log_in(visitor, "fay")
    wiki.issuer.replace_keys()
    with Visitor() as visitor:
        visitor.open(f"{wiki.url}/page")
        log_in(visitor, "fay", allowed=True)
        assert visitor.url == f"{wiki.url}/page"


def test_its_api_takes_tokens_for_it_while_they_are_active(wiki: Wiki) -> None:
    here = f"{wiki.url}/api"
    caller = wiki.issuer.client(name="The backup", kind="service", resources=(here, wiki.issuer.url))
    token = granted(wiki, caller, resource=here)
    reply = httpx.get(f"{here}/pages", headers=bearer(token), timeout=PATIENCE)
    assert (reply.status_code, wiki.told["remote-user"]) == (200, caller)
    before = len(wiki.behind.received)
    for other in (granted(wiki, caller, resource=wiki.issuer.url), granted(wiki, caller), "nonsense"):
        assert httpx.get(f"{here}/pages", headers=bearer(other), timeout=PATIENCE).status_code == 401
    assert httpx.get(f"{here}/pages", timeout=PATIENCE).status_code == 401
    posted(wiki, caller, "revoke", token=token)
    assert httpx.get(f"{here}/pages", headers=bearer(token), timeout=PATIENCE).status_code == 401
    assert len(wiki.behind.received) == before


def granted(wiki: Wiki, service: str, **asked: str) -> str:
    """An access token of a service."""
    return str(posted(wiki, service, "token", grant_type="client_credentials", **asked).json()["access_token"])


def posted(wiki: Wiki, client_id: str, path: str, **sent: str) -> httpx.Response:
    url = f"{wiki.issuer.latchkey.base_url}/oauth/{path}"
    return httpx.post(url, data=sent, auth=(client_id, SECRET), timeout=PATIENCE).raise_for_status()


def userinfo(wiki: Wiki, token: str) -> httpx.Response:
    return httpx.get(f"{wiki.issuer.latchkey.base_url}/oauth/userinfo", headers=bearer(token), timeout=PATIENCE)
