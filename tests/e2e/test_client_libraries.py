"""Libraries that log people in, unmodified, against a served Latchkey, each as its documentation uses it:

npm openid-client and oauth4webapi, which check all that they can, and Authlib with Flask.
"""

from __future__ import annotations

import itertools
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.integrations.requests_client import OAuth2Session
from flask import Flask
from flask import request as asked

from tests.e2e.applications import CALLBACK, LOGGED_OUT, Issuer, issuer, tried
from tests.e2e.visitor import Person

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)

OPENID_CLIENT = "openid-client"
OAUTH4WEBAPI = "oauth4webapi"
INVALID = "OAUTH_INVALID_RESPONSE"
ONE = pytest.mark.parametrize("site", ["ES256, https"], indirect=True)
"""For what does not depend on how tokens are signed."""
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
    with Person(site.url, name, verify=site.trust) as person:
        yield person


def sub(site: Issuer, person: Person) -> str:
    """The identifier of a user."""
    reply = site.http.get("/admin/users", params={"q": person.name}, headers={"Authorization": f"Bearer {site.token}"})
    (found,) = [user for user in reply.json()["data"]["users"] if user["username"] == person.name]
    return str(found["id"])


@pytest.fixture(scope="module")
def notes(site: Issuer) -> str:
    """A resource that clients may ask for, which has a scope."""
    site.ask("/admin/scopes", {"name": "notes:read", "description": "Read your notes."})
    site.ask("/admin/resources", {"uri": NOTES, "name": "Notes", "scopes": ["notes:read"]})
    return NOTES


def test_openid_client_logs_in_refreshes_asks_revokes_and_logs_out(site: Issuer, ann: Person) -> None:
    client, how = site.client(), {"ES256": "ClientSecretBasic", "RS256": "ClientSecretPost"}[site.algorithm]
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


@ONE
def test_openid_client_pushes_its_request(site: Issuer, ann: Person) -> None:
    found = tried(OPENID_CLIENT, "pushed", site, ann.visit, **site.client())
    assert (set(found["sent"]), found["sub"]) == ({"client_id", "request_uri"}, sub(site, ann))


@ONE
def test_openid_client_refuses_an_answer_that_is_not_this_servers(site: Issuer, ann: Person) -> None:
    found = tried(OPENID_CLIENT, "mixedUp", site, ann.visit, **site.client())
    assert found == {"issuer": INVALID, "without": INVALID, "sub": sub(site, ann)}


@ONE
def test_openid_client_acts_for_itself(site: Issuer, notes: str) -> None:
    client = site.client(kind="service", scopes=["notes:read"], resources=[notes])
    found = tried(OPENID_CLIENT, "itself", site, nobody, **client, resource=notes)
    assert set(found["tokens"]) == {"access_token", "expires_in", "scope", "token_type"}
    told = found["told"]
    assert (told["active"], told["sub"], told["aud"], told["scope"]) == (True, client["id"], notes, "notes:read")


@ONE
def test_openid_client_on_a_device_waits_for_its_user(site: Issuer, ann: Person) -> None:
    found = tried(OPENID_CLIENT, "device", site, ann.visit, **site.client(kind="public", redirect_uris=[]))
    assert found == {"sub": sub(site, ann), "scope": "openid offline_access", "interval": 5}
    assert ann.seen == ["Log in", "Connect a device", "Allow Notes?"]


@ONE
@pytest.mark.parametrize("method", ["none", "client_secret_post"])
def test_openid_client_registers_itself_with_a_token_of_an_administrator(
    site: Issuer, ann: Person, method: str
) -> None:
    initial = site.ask("/admin/registration-tokens", {})["token"]
    found = tried(OPENID_CLIENT, "registration", site, ann.visit, initial=initial, method=method)
    assert (found["sub"], found["aud"], found["again"]) == (sub(site, ann), found["id"], "invalid_token")


@ONE
@pytest.mark.parametrize("signed_by", ["ES256", "PS256", "RS256"])
def test_openid_client_binds_its_tokens_to_a_key(site: Issuer, ann: Person, signed_by: str) -> None:
    found = tried(OPENID_CLIENT, "bound", site, ann.visit, **site.client(), signedBy=signed_by)
    assert (found["sub"], found["user"], found["type"].lower()) == (sub(site, ann), sub(site, ann), "dpop")
    assert (found["keyless"], found["naked"]) == ("invalid_grant", "invalid_token")
    assert (found["told"]["active"], found["told"]["token_type"], found["told"]["cnf"].keys()) == (
        True,
        "DPoP",
        {"jkt"},
    )


@pytest.mark.parametrize("signed_by", ["ES256", "RS256"])
def test_oauth4webapi_binds_its_tokens_to_a_key(site: Issuer, ann: Person, signed_by: str) -> None:
    client = site.client(kind="public", first_party=True, dpop_bound_access_tokens=True)
    found = tried(OAUTH4WEBAPI, "bound", site, ann.visit, **client, signedBy=signed_by)
    assert (found["sub"], found["user"], found["account"]) == (sub(site, ann), sub(site, ann), 200)
    assert {found["type"].lower(), found["renewed"].lower()} == {"dpop"}
    ((challenge,),) = [found["challenge"]]
    assert (challenge["scheme"], challenge["error"]) == ("dpop", "invalid_token")
    assert challenge["algs"].split() == found["algorithms"]
    assert found["stolen"] == "invalid_grant"


@pytest.mark.parametrize("document", ["oidc", "oauth2"])
def test_oauth4webapi_finds_nothing_wrong_with_a_login(site: Issuer, ann: Person, document: str) -> None:
    client = site.client(kind="public")
    found = tried(OAUTH4WEBAPI, "code", site, ann.visit, **client, algorithm=document)
    user = sub(site, ann)
    assert found["issuer"] == site.url
    assert (found["claims"]["sub"], found["claims"]["aud"], found["user"]) == (user, client["id"], {"sub": user})
    assert {"access_token", "expires_in", "id_token", "refresh_token", "scope", "token_type"} == set(found["renewed"])
    assert (found["twice"], found["ended"]) == ("invalid_grant", "invalid_token")


def test_oauth4webapi_accepts_a_token_as_the_resource_that_it_was_asked_for(
    site: Issuer, ann: Person, notes: str
) -> None:
    client, server = site.client(), site.client(kind="service", resources=[notes])
    given = {**client, "resource": notes, "server": server, "signedBy": site.algorithm}
    found = tried(OAUTH4WEBAPI, "resource", site, ann.visit, **given)
    user = sub(site, ann)
    claims = found["claims"]
    assert (claims["sub"], claims["aud"], claims["client_id"]) == (user, notes, client["id"])
    assert "aud" in found["elsewhere"]
    assert (found["told"]["active"], found["told"]["sub"]) == (True, user)
    assert found["user"] == "invalid_token"
    assert (found["own"]["resource"], found["own"]["authorization_servers"]) == (site.url, [site.url])


@ONE
def test_oauth4webapi_pushes_its_request(site: Issuer, ann: Person) -> None:
    found = tried(OAUTH4WEBAPI, "pushed", site, ann.visit, **site.client())
    assert (found["wrong"], found["expiresIn"], found["claims"]["sub"]) == ("invalid_scope", 90, sub(site, ann))


@ONE
def test_oauth4webapi_acts_for_itself_and_reads_the_challenge(site: Issuer, notes: str) -> None:
    client = site.client(kind="service", scopes=["notes:read"], resources=[notes])
    found = tried(OAUTH4WEBAPI, "itself", site, nobody, **client, resource=notes)
    assert found["tokens"] == ["access_token", "expires_in", "scope", "token_type"]
    assert found["wrong"]["scheme"] == "basic"


@ONE
def test_oauth4webapi_on_a_device_is_told_to_wait(site: Issuer, ann: Person) -> None:
    found = tried(OAUTH4WEBAPI, "device", site, ann.visit, **site.client(kind="public", redirect_uris=[]))
    assert (found["early"], found["fast"]) == ("authorization_pending", "slow_down")


@ONE
def test_oauth4webapi_registers_a_client(site: Issuer, ann: Person) -> None:
    initial = site.ask("/admin/registration-tokens", {})["token"]
    found = tried(OAUTH4WEBAPI, "registration", site, ann.visit, initial=initial)
    assert (found["claims"]["sub"], found["claims"]["aud"]) == (sub(site, ann), found["client"]["client_id"])


@pytest.fixture
def _requests_trusts(site: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Authlib asks with requests, which gets the certificate to trust from the environment."""
    if site.certificate is not None:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(site.certificate))


@pytest.fixture
def flask_app(site: Issuer, _requests_trusts: None) -> Flask:
    """A Flask application as Authlib's documentation has it; what it was told is at its address."""
    app = Flask("notes")
    app.secret_key, app.testing = "only for this test", True
    client = site.client()
    latchkey = OAuth(app).register(
        "latchkey",
        client_id=client["id"],
        client_secret=client["secret"],
        server_metadata_url=f"{site.url}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email offline_access", "code_challenge_method": "S256"},
    )

    @app.get("/login")
    def login() -> Any:
        return latchkey.authorize_redirect(site.app + CALLBACK, **asked.args)

    @app.get(CALLBACK)
    def callback() -> Any:
        token = latchkey.authorize_access_token()
        return {"token": token, "userinfo": latchkey.userinfo(token=token)}

    @app.get("/logout")
    def logout() -> Any:
        return latchkey.logout_redirect(site.app + LOGGED_OUT, id_token_hint=asked.args["hint"])

    @app.get(LOGGED_OUT)
    def logged_out() -> Any:
        return latchkey.validate_logout_response()

    return app


def test_authlib_logs_in_and_out_in_a_flask_application(site: Issuer, ann: Person, flask_app: Flask) -> None:
    flask = flask_app.test_client()
    back = ann.visit(flask.get("/login").headers["Location"])
    found = flask.get(path_of(back)).get_json()
    claims = found["token"][
        "userinfo"
    ]  # those of the ID token: issuer, audience, nonce, at_hash and signature are right
    assert (claims["sub"], claims["email"]) == (sub(site, ann), f"{ann.name}@example.com")
    assert found["userinfo"] == {"sub": claims["sub"], "email": claims["email"], "email_verified": False}
    sent = {"max_age": "0", "scope": "openid"}
    again = flask.get(path_of(ann.visit(flask.get("/login", query_string=sent).headers["Location"]))).get_json()
    assert again["token"]["userinfo"]["auth_time"] >= claims["auth_time"]
    assert ann.seen == ["Log in", "Allow Notes?", "Confirm that it is you"]
    gone = ann.visit(flask.get("/logout", query_string={"hint": again["token"]["id_token"]}).headers["Location"])
    assert flask.get(path_of(gone)).get_json() == {"post_logout_redirect_uri": site.app + LOGGED_OUT}
    silent = ann.visit(flask.get("/login", query_string={"prompt": "none"}).headers["Location"])
    with pytest.raises(OAuthError, match="login_required"):
        flask.get(path_of(silent))


@pytest.mark.usefixtures("_requests_trusts")
def test_authlib_refreshes_asks_and_revokes_in_a_session(site: Issuer, ann: Person) -> None:
    client = site.client()
    verifier = generate_token(48)
    with OAuth2Session(
        client["id"], client["secret"], redirect_uri=site.app + CALLBACK, scope="openid offline_access",
        code_challenge_method="S256",
    ) as session:  # fmt: skip
        url, state = session.create_authorization_url(f"{site.url}/oauth/authorize", code_verifier=verifier)
        back = ann.visit(url)
        endpoint = f"{site.url}/oauth/token"
        token = session.fetch_token(endpoint, authorization_response=back, code_verifier=verifier, state=state)
        renewed = session.refresh_token(endpoint, refresh_token=token["refresh_token"])
        assert renewed["refresh_token"] != token["refresh_token"]
        assert session.get(f"{site.url}/oauth/userinfo").json() == {"sub": sub(site, ann)}
        ask = partial(session.introspect_token, f"{site.url}/oauth/introspect", token=renewed["access_token"])
        assert ask().json()["active"] is True
        revoked = session.revoke_token(f"{site.url}/oauth/revoke", token=renewed["refresh_token"])
        assert (revoked.status_code, ask().json()) == (200, {"active": False})
        with pytest.raises(OAuthError, match="invalid_grant"):
            session.refresh_token(endpoint, refresh_token=renewed["refresh_token"])


def path_of(url: str) -> str:
    """The path and query of an address of the application."""
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}"


def nobody(url: str) -> str:
    raise AssertionError(f"no user is needed for {url}")
