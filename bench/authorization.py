"""The authorization server: from the request for a code to the tokens, and introspection.

The users are logged in at their browsers, and the client is of the first party: so the code is given at once, as it is
to a client whose user consented before.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit

from bench import acts, servers
from bench.acts import MANY, Client
from bench.load import RefusedError
from bench.servers import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.scenarios import Samples
    from tests.servers.process import Server
    from tests.servers.service import Service

_CALLBACK = "https://app.example.com/callback"
_VERIFIER = "v" * 43
_CHALLENGE = base64.urlsafe_b64encode(sha256(_VERIFIER.encode()).digest()).rstrip(b"=").decode()
_FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Logins:
    """A client of a service, and the cookies of MANY users who are logged in at its pages."""

    service: Service
    client_id: str
    secret: str
    cookies: list[str]

    @classmethod
    def of_new_users(cls, service: Service, settings: Mapping[str, str]) -> Logins:
        """Make the client, register the users and log them in."""
        command = [
            sys.executable, "-m", "flask", "--app", "app", "clients", "create", "Bench", "--first-party",
            "--redirect-uri", _CALLBACK, "--json",
        ]  # fmt: skip
        environment = {"PYTHONPATH": str(ROOT), "PATH": "", **settings}
        made = json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)
        cookies = acts.in_turn(service.port, range(MANY), lambda client, number: _logged_in(client, number, settings))
        return cls(service, made["client"]["id"], made["client_secret"], cookies)

    def codes(self, *, floor: Server, rounds: int) -> Samples:
        """From the browser's request to the client's tokens, both requests together."""
        return acts.measured("oauth-code", self.service, self._authorize, floor=floor, rounds=rounds)

    def introspections(self, *, floor: Server, rounds: int) -> Samples:
        """The client asks about the access token of one of its users."""
        with_token = Client(self.service.port)
        token = self._authorize(with_token, 0)["access_token"]
        with_token.close()

        def introspect(client: Client, _: int) -> None:
            if not self._posted(client, "/oauth/introspect", token=token)["active"]:
                raise RefusedError("/oauth/introspect: the token is not active")

        return acts.measured("introspect", self.service, introspect, floor=floor, rounds=rounds)

    def _authorize(self, client: Client, number: int) -> dict[str, Any]:
        asked = {
            "response_type": "code", "client_id": self.client_id, "redirect_uri": _CALLBACK, "state": "s",
            "scope": "openid email offline_access", "nonce": "n",
            "code_challenge": _CHALLENGE, "code_challenge_method": "S256",
        }  # fmt: skip
        path = f"/oauth/authorize?{urlencode(asked)}"
        headers, _ = client.exchange("GET", path, None, {"Cookie": self.cookies[number]}, expected=303)
        code = parse_qs(urlsplit(headers["Location"]).query)["code"][0]
        exchanged = {"code": code, "redirect_uri": _CALLBACK, "code_verifier": _VERIFIER}
        return self._posted(client, "/oauth/token", grant_type="authorization_code", **exchanged)

    def _posted(self, client: Client, path: str, **parameters: str) -> dict[str, Any]:
        authorization = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        headers = {"Content-Type": _FORM, "Authorization": f"Basic {authorization}"}
        _, body = client.exchange("POST", path, urlencode(parameters), headers, expected=200)
        told: dict[str, Any] = json.loads(body)
        return told


def _logged_in(client: Client, number: int, settings: Mapping[str, str]) -> str:
    """The cookie of a new user who logs in at the page."""
    body = {"username": f"user{number}", "email": f"user{number}@example.com", "password": servers.PASSWORD}
    client.send("/auth/register", body, expected=201)
    form = urlencode({"login": f"user{number}", "password": servers.PASSWORD})
    headers = {"Content-Type": _FORM, "Origin": settings["PUBLIC_URL"]}
    answer, _ = client.exchange("POST", "/login", form, headers, expected=303)
    cookies = [line.partition(";")[0] for line in answer.get_all("Set-Cookie", [])]
    return next(cookie for cookie in cookies if "latchkey-page=" in cookie)
