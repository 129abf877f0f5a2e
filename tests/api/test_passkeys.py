"""Passkeys: a login of their own that counts as two factors, a second factor, and step-up; each answer works once."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.authenticator import AT, BE, BS, UP, UV, Authenticator, b64
from tests.api.service import PASSWORD, Reply, Service, Start
from tests.api.test_second_factors import Person, code_of


class Holder(Person):
    """A user with a passkey; `key` is their authenticator."""

    def __init__(self, service: Service, key: Authenticator | None = None) -> None:
        super().__init__(service, service.register())
        self.key = key or Authenticator()

    def ask(self, path: str, body: object = None, *, token: str | None = None) -> dict[str, Any]:
        """The data of a reply with options."""
        reply = self.service.post(path, body, token=token)
        assert reply.status_code == 200, reply.text
        data: dict[str, Any] = reply.json["data"]
        return data

    def add(self, key: Authenticator | None = None, **more: Any) -> Reply:
        """Add a passkey; `more` is what the authenticator does wrong."""
        asked = self.ask("/auth/passkeys/options", token=self.token)
        body = {"ceremony": asked["ceremony"], "credential": (key or self.key).create(asked["options"], **more)}
        return self.service.post("/auth/passkeys", body, token=self.token)

    def added(self, key: Authenticator | None = None) -> dict[str, Any]:
        reply = self.add(key)
        assert reply.status_code == 201, reply.text
        self.codes = reply.json["data"]["recovery_codes"] or self.codes
        passkey: dict[str, Any] = reply.json["data"]["passkey"]
        return passkey

    def log_in(self, key: Authenticator | None = None, **wrong: Any) -> Reply:
        asked = self.ask("/auth/login/passkey/options")
        credential = (key or self.key).get(asked["options"], **wrong)
        return self.service.post("/auth/login/passkey", {"ceremony": asked["ceremony"], "credential": credential})

    def answer(self, login_token: str, **wrong: Any) -> dict[str, Any]:
        """What finishes a login."""
        asked = self.ask("/auth/login/options", {"login_token": login_token, "method": "passkey"})
        credential = self.key.get(asked["options"], **wrong)
        return {
            "login_token": login_token, "method": "passkey", "ceremony": asked["ceremony"], "credential": credential,
        }  # fmt: skip

    def finish(self, login_token: str, **wrong: Any) -> Reply:
        return self.service.post("/auth/login/continue", self.answer(login_token, **wrong))

    def step_up(self, *, method: str | None = None, **wrong: Any) -> Reply:
        asked = self.ask("/auth/reauthenticate/options", token=self.token)
        body = {"ceremony": asked["ceremony"], "credential": self.key.get(asked["options"], **wrong)}
        return self.service.post(
            "/auth/reauthenticate", body if method is None else body | {"method": method}, token=self.token
        )

    def passkeys(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.service.get("/auth/passkeys", token=self.token).json["data"]["passkeys"]
        return found

    def events(self) -> list[str]:
        events = self.service.get("/auth/events", token=self.token).json["data"]["events"]
        return [event["action"] for event in events]


@pytest.fixture
def holder(service: Service) -> Holder:
    holder = Holder(service)
    holder.added()
    return holder


def claims_of(service: Service, token: str) -> dict[str, Any]:
    claims: dict[str, Any] = service.post("/auth/explain", {"token": token}).json["data"]["claims"]
    return claims


@pytest.mark.parametrize("algorithm", [-7, -8, -257])
@pytest.mark.parametrize("synced", [False, True])
def test_a_passkey_logs_its_user_in_and_counts_as_two_factors(service: Service, algorithm: int, synced: bool) -> None:
    holder = Holder(service, Authenticator(synced=synced, counts=not synced, algorithm=algorithm))
    holder.added()

    for _ in range(2):
        reply = holder.log_in()
        assert reply.status_code == 200, reply.text

    assert reply.json["data"]["user"]["id"] == holder.account.id
    claims = claims_of(service, reply.json["data"]["access_token"])
    assert claims["amr"] == ["swk" if synced else "hwk", "user", "mfa"]
    assert claims["acr"] == "urn:latchkey:aal2"
