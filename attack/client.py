"""A client of the operator's, for the checks of OAuth that need one: what it asks for, and what it gets."""

from __future__ import annotations

import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from attack.browser import FORM, Browser, hidden, location, path_of
from attack.check import InconclusiveError, NotApplicableError

if TYPE_CHECKING:
    from attack.accounts import Account
    from attack.probe import Probe
    from attack.wire import Answer

METADATA = "/.well-known/openid-configuration"
_SCOPE = "openid offline_access"


@dataclass(frozen=True)
class Client:
    """A public client: its identifier, and a redirect URI that is registered for it. Nothing is ever sent there."""

    id: str
    redirect_uri: str


@dataclass(frozen=True)
class Code:
    """A code that the test account gave, and the verifier of its challenge."""

    text: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True)
class Visitor:
    """The client, and the browser of its user, who is logged in once the first code was asked for."""

    probe: Probe
    client: Client
    browser: Browser
    account: Account

    def code(self) -> Code:
        """A code, as an honest client gets it. Raises InconclusiveError if there is none."""
        verifier = secrets.token_urlsafe(32)
        answer = self.browser.get(f"/oauth/authorize?{urlencode(request_of(self.client, verifier))}")
        if path_of(self.browser.path) == "/login":
            name = self.account.email or self.account.username
            fields = {**hidden(answer), "login": name, "password": self.account.password}
            answer = self.browser.post("/login", fields)
        if path_of(self.browser.path) == "/consent":
            answer = self.browser.post("/consent", {**hidden(answer), "answer": "allow"})
        told = dict(parse_qsl(urlsplit(location(answer)).query))
        if "code" not in told or not location(answer).startswith(self.client.redirect_uri):
            raise InconclusiveError(f"the client gets no code: {self.browser.path.partition('?')[0]} gives {answer}")
        return Code(told["code"], verifier)

    def redeem(self, code: Code, **changed: str | None) -> Answer:
        """Exchange a code; `changed` replaces parameters, and None leaves one out."""
        usual = {"grant_type": "authorization_code", "code": code.text, "code_verifier": code.verifier}
        return self.ask({**usual, "redirect_uri": self.client.redirect_uri, **changed})

    def ask(self, parameters: dict[str, str | None]) -> Answer:
        """A request to the token endpoint."""
        return posted(self.probe, "/oauth/token", {"client_id": self.client.id, **parameters})

    def tokens(self) -> dict[str, Any]:
        """The tokens of a code. Raises InconclusiveError if an honest exchange is refused."""
        answer = self.redeem(self.code())
        if not answer.succeeded or "refresh_token" not in answer.json:
            raise InconclusiveError(f"an honest exchange gives no tokens: {answer}")
        return answer.json


def metadata(probe: Probe) -> dict[str, Any]:
    """What the authorization server publishes of itself. Raises NotApplicableError if it does not answer."""
    answer = probe.send("GET", METADATA)
    if not answer.succeeded or not isinstance(answer.json.get("issuer"), str):
        raise NotApplicableError(f"there is no authorization server (OAUTH=off): {METADATA} gives {answer}")
    return answer.json


def client_of(probe: Probe) -> Client:
    """The operator's client, once it is known that the deployment serves it.

    Raises NotApplicableError without one, and InconclusiveError if an honest request of it is refused.
    """
    if probe.client is None:
        raise NotApplicableError("name a public client with --client and --redirect-uri")
    metadata(probe)
    answer = authorize(probe, request_of(probe.client, secrets.token_urlsafe(32)))
    if not leads_to_login(answer, probe.client):
        raise InconclusiveError(f"an honest request of the client is refused: {answer} {location(answer)}")
    return probe.client


def visitor_of(probe: Probe) -> Visitor:
    """The operator's client, and a browser for an account that uses it. Raises as `client_of` and `Probe.lent`."""
    client = client_of(probe)
    return Visitor(probe, client, Browser(probe, str(metadata(probe)["issuer"])), probe.lent("oauth"))


def request_of(client: Client, verifier: str) -> dict[str, str]:
    """The parameters of an honest authorization request."""
    challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    return {
        "response_type": "code", "client_id": client.id, "redirect_uri": client.redirect_uri, "scope": _SCOPE,
        "state": "attack", "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip


def authorize(probe: Probe, parameters: dict[str, str] | list[tuple[str, str]]) -> Answer:
    """An authorization request of a browser in which nobody is logged in."""
    headers = [("Accept", "text/html")]
    return probe.send("GET", f"/oauth/authorize?{urlencode(parameters)}", headers=headers)


def leads_to_login(answer: Answer, client: Client) -> bool:
    """Whether a request was taken: its user is asked to log in, and the client is told nothing yet."""
    return answer.status == 303 and not location(answer).startswith(client.redirect_uri)  # noqa: PLR2004 - RFC 9110 section 15.4.4


def posted(probe: Probe, path: str, parameters: dict[str, str | None], *headers: tuple[str, str]) -> Answer:
    """A form, without what is None."""
    sent = {name: value for name, value in parameters.items() if value is not None}
    return probe.send("POST", path, body=urlencode(sent).encode(), headers=[("Content-Type", FORM), *headers])
