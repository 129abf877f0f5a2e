"""npm openid-client and oauth4webapi, unmodified, against a served Latchkey, as their documentation uses them."""

from __future__ import annotations

import itertools
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.e2e.relying_parties import CALLBACK, LOGGED_OUT, Issuer, Person, issuer, tried

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)

OPENID_CLIENT = "openid-client"
NOTES = "https://notes.example/"
_numbers = itertools.count()


@pytest.fixture(scope="module", params=["ES256, https", "RS256, http"])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    algorithm, scheme = request.param.split(", ")
    with issuer(tmp_path_factory.mktemp("issuer"), https=scheme == "https", JWT_ALGORITHM=algorithm) as served:
        yield served


@pytest.fixture
def ann(site: Issuer) -> Iterator[Person]:
    """A new user, at a browser of their own."""
    name = f"ann{next(_numbers)}"
    site.register(name)
    with closing(Person(site, name)) as person:
        yield person


def sub(site: Issuer, person: Person) -> str:
    """The identifier of a user."""
    reply = site.http.get("/admin/users", params={"q": person.name}, headers={"Authorization": f"Bearer {site.token}"})
    (found,) = [user for user in reply.json()["data"]["users"] if user["username"] == person.name]
    return str(found["id"])


@pytest.mark.parametrize("how", ["ClientSecretBasic", "ClientSecretPost"])
def test_openid_client_logs_in_refreshes_asks_revokes_and_logs_out(site: Issuer, ann: Person, how: str) -> None:
    client = site.client()
    found = tried(OPENID_CLIENT, "code", site, ann.visit, **client, how=how, loggedOut=site.app + LOGGED_OUT)
    user = sub(site, ann)
    claims = found["claims"]
    assert (claims["iss"], claims["aud"], claims["sub"]) == (site.url, client["id"], user)
    assert {"auth_time", "nonce", "at_hash", "sid", "amr", "acr"} <= claims.keys()
    email = {"email": f"{ann.name}@example.com", "email_verified": False}
    assert found["user"] == {"sub": user, "preferred_username": ann.name, **email}
    assert found["scope"] == "openid profile email offline_access"
    assert (found["active"]["active"], found["active"]["sub"], found["active"]["iss"]) == (True, user, site.url)
    assert (found["renewed"], found["pkce"], found["silent"]) == (True, True, user)
    assert (found["revoked"], found["dead"]) == ("invalid_grant", "invalid_token")
    assert found["out"] == f"{site.app}{LOGGED_OUT}?state=bye"
    assert (found["gone"], found["nobody"]) == ("invalid_token", "login_required")
    assert ann.seen == ["Log in", "Allow Notes?"]
