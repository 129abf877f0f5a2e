"""Pages of registered clients may read what is declared for them, without credentials; those of CORS_ORIGINS all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from app.health.views import Ping
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import authenticated, public
from tests.unit.web.serving import serving

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from tests.unit.instance import Instance

LISTED, REGISTERED, OTHER = "https://listed.example", "https://app.example", "https://other.example"
PREFLIGHT = {"Access-Control-Request-Method": "POST"}


@endpoint("POST /token", access=authenticated, returns=Ping, origins="registered")
def token(_call: Call) -> Ping:
    """For the pages of clients."""
    return Ping()


@endpoint("POST /other", access=public, returns=Ping)
def other(_call: Call) -> Ping:
    """For nobody else's."""
    return Ping()


@pytest.fixture(params=["", LISTED])
def client(request: pytest.FixtureRequest, instance: Instance) -> FlaskClient:
    settings = {"CORS_ORIGINS": request.param} if request.param else {}
    return serving(
        token, other, wired=instance.wired, registered=lambda origin: origin == REGISTERED, **settings
    ).test_client()


def test_a_page_of_a_registered_origin_reads_even_a_failure_without_credentials(client: FlaskClient) -> None:
    for path in ("/token", "/token/"):
        reply = client.post(path, headers={"Origin": REGISTERED})
        assert reply.status_code == 401
        assert reply.headers["Access-Control-Allow-Origin"] == REGISTERED
        assert "Access-Control-Allow-Credentials" not in reply.headers
        assert reply.headers["Vary"] == "Origin"
        assert "WWW-Authenticate" in reply.headers["Access-Control-Expose-Headers"]


def test_its_preflight_is_answered(client: FlaskClient) -> None:
    reply = client.options("/token", headers={"Origin": REGISTERED} | PREFLIGHT)
    assert (reply.status_code, reply.headers["Access-Control-Allow-Origin"]) == (204, REGISTERED)
    assert "Authorization" in reply.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in reply.headers


@pytest.mark.parametrize(("path", "origin"), [("/token", OTHER), ("/token", "null"), ("/other", REGISTERED)])
def test_other_origins_and_other_paths_are_not_opened(client: FlaskClient, path: str, origin: str) -> None:
    for reply in (
        client.post(path, headers={"Origin": origin}),
        client.options(path, headers={"Origin": origin} | PREFLIGHT),
    ):
        assert "Access-Control-Allow-Origin" not in reply.headers
    if path == "/token":
        assert client.post(path, headers={"Origin": origin}).headers["Vary"] == "Origin"


def test_an_origin_of_the_operator_keeps_its_credentials(instance: Instance) -> None:
    client = serving(
        token, other, wired=instance.wired, registered=lambda _origin: True, CORS_ORIGINS=LISTED
    ).test_client()
    for path in ("/token", "/other"):
        assert client.post(path, headers={"Origin": LISTED}).headers["Access-Control-Allow-Credentials"] == "true"
