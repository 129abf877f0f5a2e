"""Scripts of an application read what its token request gets; scripts of other pages do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.api.oauth_flow import FORM, a_client

if TYPE_CHECKING:
    from tests.api.service import Service, Start

PAGE, OTHER = "https://spa.example", "https://other.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}


@pytest.fixture
def spa(start: Start) -> Service:
    """A service with one client, that runs in the browser."""
    service = start()
    a_client(service, redirect_uris=(f"{PAGE}/cb",))
    return service


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/userinfo"])
def test_a_page_of_a_client_reads_what_it_gets_and_sends_no_cookie(spa: Service, path: str) -> None:
    preflight = spa.send("OPTIONS", path, headers={"Origin": PAGE} | PREFLIGHT)
    reply = spa.send("POST", path, body=b"", content_type=FORM, headers={"Origin": PAGE})
    assert (preflight.status_code, reply.status_code // 100) == (204, 4)
    for each in (preflight, reply):
        assert each.headers["Access-Control-Allow-Origin"] == PAGE
        assert "Access-Control-Allow-Credentials" not in each.headers
        assert each.headers["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/oauth/token", "/oauth/userinfo"])
@pytest.mark.parametrize("origin", [OTHER, "null"])
def test_other_pages_read_nothing(spa: Service, path: str, origin: str) -> None:
    reply = spa.send("POST", path, body=b"", content_type=FORM, headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in reply.headers
    assert reply.headers["Vary"] == "Origin"


@pytest.mark.parametrize(
    "path",
    [
        *("/oauth/authorize", "/oauth/device_authorization", "/oauth/par", "/oauth/introspect", "/oauth/register"),
        *("/device", "/auth/login"),
    ],
)
def test_nothing_else_is_opened_to_the_pages_of_clients(spa: Service, path: str) -> None:
    for method in ("OPTIONS", "POST"):
        reply = spa.send(method, path, body=b"", content_type=FORM, headers={"Origin": PAGE} | PREFLIGHT)
        assert "Access-Control-Allow-Origin" not in reply.headers


def test_the_documents_about_the_server_are_read_by_any_page(spa: Service) -> None:
    reply = spa.get("/.well-known/openid-configuration", headers={"Origin": OTHER})
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
