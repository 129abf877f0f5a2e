"""A client of the authorization server: it asks for a code and redeems it, as its user would have it."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlencode, urlsplit

from app.oauth.authorization import Authorizations
from app.oauth.catalogue.model import CatalogueBook, CatalogueBooks, Resource, Scope
from app.oauth.clients.model import Client, Clients, ClientSecret
from app.oauth.codes.model import Code, Codes
from app.oauth.requests.service import AuthorizationRequests
from app.platform.devices import Device
from app.platform.identifiers import digest_of_token, new_id
from app.sessions.authenticator import AccessTokenAuthenticator
from app.web.parameters import Parameters
from tests.api.browser import ORIGIN

if TYPE_CHECKING:
    from app.accounts.principal import Principal
    from tests.api.service import Account, Reply, Service

HERE = Device("203.0.113.7", "Firefox")
FORM = "application/x-www-form-urlencoded"
CALLBACK = "https://app.example/cb"
SECRET = "lkcs_" + "s" * 43
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
STANDARD = ("openid", "profile", "email", "offline_access")
FILES, MAIL = "https://files.example/", "https://mail.example"


def name_resources(service: Service) -> None:
    """Have an administrator's catalogue: two scopes and two resources."""
    books = service.wired.get(CatalogueBooks)
    book = books.load()
    if not book.resources:
        scopes = (Scope("files:read", "Read your files."), Scope("mail:read", "Read your mail."))
        resources = (Resource(FILES, "Files", ("files:read",)), Resource(MAIL, "Mail"))
        assert books.save(CatalogueBook(book.version + 1, scopes, resources))


def a_client(service: Service, **fields: Any) -> OAuthClient:
    """A client as administrators make them: public and of a third party, unless `fields` say otherwise."""
    kind = fields.get("kind", "public")
    secrets: tuple[ClientSecret, ...] = ()
    if kind in {"confidential", "service"}:
        secrets = (ClientSecret(new_id(), digest_of_token(SECRET), service.clock()),)
    given: dict[str, Any] = {
        "id": new_id(), "name": "An app", "kind": "public", "created_at": service.clock(),
        "redirect_uris": () if kind == "service" else (CALLBACK,), "scopes": (*STANDARD, "files:read", "mail:read"),
        "secrets": secrets,
    }  # fmt: skip
    client = Client(**given | fields)
    service.wired.get(Clients).add(client)
    return OAuthClient(service, client)


@dataclass(frozen=True)
class OAuthClient:
    """Sends what the client sends."""

    service: Service
    client: Client
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.client.id

    def request(self, **parameters: Any) -> dict[str, Any]:
        """The parameters of an authorization request; None leaves one out."""
        usual = {
            "response_type": "code", "client_id": self.id, "redirect_uri": CALLBACK, "state": "st", "nonce": "n",
            "scope": "openid offline_access", "code_challenge": CHALLENGE, "code_challenge_method": "S256",
        }  # fmt: skip
        return {name: value for name, value in (usual | parameters).items() if value is not None}

    def authorize(self, headers: dict[str, str] | None = None, **parameters: Any) -> Reply:
        """The browser comes with the request."""
        query = urlencode(self.request(**parameters), doseq=True)
        return self.service.get("/oauth/authorize", query=query, headers={"Accept": "text/html"} | (headers or {}))

    def code(self, account: Account, principal: Principal | None = None, **parameters: Any) -> str:
        """A code that the user gave."""
        wired = self.service.wired
        sent = {
            name: tuple(value) if isinstance(value, (list, tuple)) else (value,)
            for name, value in self.request(**parameters).items()
        }
        visitor = principal or principal_of(self.service, account)
        asked = wired.get(AuthorizationRequests).check(Parameters(sent))
        location = wired.get(Authorizations).answer(asked, visitor, allowed=True, device=HERE)
        return answer_of(location)["code"]

    def token(self, headers: dict[str, str] | None = None, **parameters: Any) -> Reply:
        """A request to the token endpoint."""
        usual = {"client_id": self.id}
        if self.client.has_secrets and not headers:
            usual["client_secret"] = SECRET
        sent = {name: value for name, value in (usual | parameters).items() if value is not None}
        body = urlencode(sent, doseq=True).encode()
        return self.service.send("POST", "/oauth/token", body=body, content_type=FORM, headers=headers)

    def redeem(self, code: str, headers: dict[str, str] | None = None, **parameters: Any) -> Reply:
        usual = {"grant_type": "authorization_code", "code": code, "redirect_uri": CALLBACK, "code_verifier": VERIFIER}
        return self.token(headers, **usual | parameters)

    def refresh(self, token: str, **parameters: Any) -> Reply:
        return self.token(**{"grant_type": "refresh_token", "refresh_token": token} | parameters)

    def tokens(self, account: Account, **parameters: Any) -> dict[str, Any]:
        """What a login gives the client."""
        reply = self.redeem(self.code(account, **parameters))
        assert reply.status_code == 200, reply.text
        return cast("dict[str, Any]", reply.json)


def principal_of(service: Service, account: Account) -> Principal:
    """Who is logged in at the browser: the session of this account."""
    return service.wired.get(AccessTokenAuthenticator).authenticate(account.token)


def stored(service: Service, code: str) -> Code:
    found = service.wired.get(Codes).find(digest_of_token(code))
    assert found is not None
    return found


def answer_of(location: str) -> dict[str, str]:
    """The parameters that a redirect brings to the client."""
    return {name: value for name, (value,) in parse_qs(urlsplit(location).query).items()}


def claims(token: str) -> dict[str, Any]:
    part = token.split(".")[1]
    return cast("dict[str, Any]", json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))))


def refused(reply: Reply, error: str = "invalid_grant", status: int = 400) -> None:
    """The client is told of this error, in the shape of RFC 6749 section 5.2."""
    assert (reply.status_code, reply.json["error"]) == (status, error), reply.text
    assert reply.json.keys() == {"error", "error_description"}


def leads_to(reply: Reply) -> str:
    """The page of ours that comes next."""
    assert reply.status_code == 303, reply.text
    location = urlsplit(reply.headers["Location"])
    assert f"{location.scheme}://{location.netloc}" == ORIGIN
    return location.path


def is_page(reply: Reply) -> bool:
    """Whether a page of ours refuses the request, so that nobody is redirected."""
    return reply.status_code == 400 and "Location" not in reply.headers and reply.mimetype == "text/html"


def basic(name: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()}
