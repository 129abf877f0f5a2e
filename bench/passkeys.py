"""Logins with a passkey alone: its options, what an authenticator signs, and the login.

An answer works once, and only for the challenge of its options. So that no authenticator is measured with the service,
the two requests are measured apart: first options that nobody answers, then logins whose answers were made before.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench import servers
from bench.acts import Client, in_turn
from bench.load import Request
from tests.api.authenticator import Authenticator

if TYPE_CHECKING:
    from tests.servers.service import Service

USERS = 320
"""So many that none comes near the limit of sessions, which would end the oldest."""
ANSWERS = 2000
"""More than are taken in the second for which logins are measured."""
OPTIONS = "/auth/login/passkey/options"
LOGIN = "/auth/login/passkey"


@dataclass(frozen=True, slots=True)
class Passkeys:
    """One for each of USERS users of a service. They are synced, as most are, and so count no uses."""

    service: Service
    held: list[Authenticator]

    @classmethod
    def of_new_users(cls, service: Service) -> Passkeys:
        """Register the users, who add their passkeys."""
        return cls(service, in_turn(service.port, range(USERS), _added))

    def options(self) -> Request:
        """The first request of a login."""
        return Request(self.service.port, OPTIONS, body={})

    def logins(self) -> Request:
        """The second one, as often as there are ANSWERS; they live for five minutes."""
        return Request(self.service.port, LOGIN, bodies=in_turn(self.service.port, range(ANSWERS), self._answer))

    def _answer(self, client: Client, number: int) -> str:
        begun = client.send(OPTIONS, {})["data"]
        proof = self.held[number % USERS].get(begun["options"])
        return json.dumps({"ceremony": begun["ceremony"], "credential": proof})


def _added(client: Client, number: int) -> Authenticator:
    """The authenticator of a new user, with their passkey."""
    body = {"username": f"user{number}", "email": f"user{number}@example.com", "password": servers.PASSWORD}
    token = client.send("/auth/register", body, expected=201)["data"]["access_token"]
    begun = client.send("/auth/passkeys/options", {}, token)["data"]
    authenticator = Authenticator(synced=True, counts=False)
    made = {"ceremony": begun["ceremony"], "credential": authenticator.create(begun["options"])}
    client.send("/auth/passkeys", made, token, expected=201)
    return authenticator
