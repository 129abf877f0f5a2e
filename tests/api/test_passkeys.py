"""Passkeys: a login of their own that counts as two factors, a second factor, and step-up; each answer works once."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.outbox.service import Outbox
from app.platform.identifiers import digest_of_token
from tests.api.authenticator import AT, BE, BS, ORIGIN, UP, UV, Authenticator, b64
from tests.api.service import PASSWORD
from tests.api.test_second_factors import NEW_PASSWORD, Person, code_of, reset
from tests.contract.races import THREADS

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service, Start


class Holder(Person):
    """A user with a passkey; `key` is their authenticator."""

    def __init__(self, service: Service, key: Authenticator | None = None, *, account: Account | None = None) -> None:
        super().__init__(service, account or service.register())
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
@pytest.mark.parametrize("kind", ["hwk", "swk"])
def test_a_passkey_logs_its_user_in_and_counts_as_two_factors(service: Service, algorithm: int, kind: str) -> None:
    synced = kind == "swk"
    holder = Holder(service, Authenticator(synced=synced, counts=not synced, algorithm=algorithm))
    holder.added()

    for _ in range(2):
        reply = holder.log_in()
        assert reply.status_code == 200, reply.text

    assert reply.json["data"]["user"]["id"] == holder.account.id
    claims = claims_of(service, reply.json["data"]["access_token"])
    assert claims["amr"] == [kind, "user", "mfa"]
    assert claims["acr"] == "urn:latchkey:aal2"


def test_the_options_for_a_new_passkey_are_those_of_webauthn(holder: Holder) -> None:
    options = holder.ask("/auth/passkeys/options", token=holder.token)["options"]
    assert options["rp"] == {"id": "localhost", "name": "Latchkey"}
    assert options["user"] == {
        "id": holder.key.handle,
        "name": holder.account.email,
        "displayName": holder.account.email,
    }
    assert len(options["user"]["id"]) == 43
    assert [each["alg"] for each in options["pubKeyCredParams"]] == [-8, -7, -257]
    assert options["excludeCredentials"] == [
        {"type": "public-key", "id": holder.key.id, "transports": ["internal", "hybrid"]}
    ]
    assert options["authenticatorSelection"] == {
        "residentKey": "required", "requireResidentKey": True, "userVerification": "required",
    }  # fmt: skip
    assert (options["attestation"], options["timeout"]) == ("none", 300_000)


def test_the_options_of_a_login_name_nobody_and_those_after_a_password_name_the_passkeys(holder: Holder) -> None:
    options = holder.ask("/auth/login/passkey/options")["options"]
    assert options | {"challenge": ""} == {
        "challenge": "", "timeout": 300_000, "rpId": "localhost", "allowCredentials": [],
        "userVerification": "required",
    }  # fmt: skip
    body = {"login_token": holder.first(), "method": "passkey"}
    allowed = holder.ask("/auth/login/options", body)["options"]["allowCredentials"]
    assert [each["id"] for each in allowed] == [holder.key.id]


def test_a_passkey_is_shown_without_its_key(service: Service) -> None:
    holder = Holder(service, Authenticator(synced=True, counts=False))
    added = holder.added()
    assert added | {"id": "", "created_at": ""} == {
        "id": "", "name": "Google Password Manager", "provider": "Google Password Manager",
        "aaguid": "ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4", "backed_up": True, "transports": ["internal", "hybrid"],
        "created_at": "", "last_used_at": None,
    }  # fmt: skip
    listed = service.get("/auth/passkeys", token=holder.token).json["data"]
    assert listed == {
        "passkeys": [added], "next": None, "rp_id": "localhost", "user_handle": holder.key.handle,
        "credential_ids": [holder.key.id],
    }  # fmt: skip
    assert holder.factors()["passkeys"] == [added]
    holder.log_in()
    assert holder.passkeys()[0]["last_used_at"] is not None


def test_what_keeps_a_passkey_is_unknown_if_its_authenticator_does_not_say(service: Service) -> None:
    added = Holder(service, Authenticator(aaguid="00000000-0000-0000-0000-000000000000")).added()
    assert (added["name"], added["provider"]) == ("Passkey", None)


def test_without_a_passkey_the_list_is_empty_and_there_is_no_handle(service: Service) -> None:
    person = Holder(service)
    listed = service.get("/auth/passkeys", token=person.token).json["data"]
    assert listed == {
        "passkeys": [], "next": None, "rp_id": "localhost", "user_handle": None, "credential_ids": [],
    }  # fmt: skip
    assert person.factors()["passkeys"] == []


def test_the_first_factor_comes_with_recovery_codes_and_another_with_none(service: Service) -> None:
    holder = Holder(service)
    assert len(holder.add().json["data"]["recovery_codes"]) == 10
    assert holder.add(Authenticator()).json["data"]["recovery_codes"] is None
    assert holder.enrol().json["data"]["recovery_codes"] is None
    person = Holder(service)
    person.enrol()
    assert person.add().json["data"]["recovery_codes"] is None
    assert person.factors()["recovery_codes"] == {"left": 10}


def test_once_there_is_a_passkey_the_password_alone_opens_nothing(holder: Holder) -> None:
    reply = holder.service.login(holder.account.email)
    assert code_of(reply) == (403, "second_factor_required")
    assert reply.json["login"]["methods"] == ["passkey", "recovery_code"]

    done = holder.finish(reply.json["login"]["token"])

    assert done.status_code == 200, done.text
    claims = claims_of(holder.service, done.json["data"]["access_token"])
    assert claims["amr"] == ["pwd", "hwk", "user", "mfa"]
    assert holder.second(holder.first(), holder.codes[0], "recovery_code").status_code == 200


def test_an_authenticator_that_was_told_the_passkeys_need_not_say_whose_it_is(holder: Holder) -> None:
    assert holder.finish(holder.first(), handle=None).status_code == 200
    assert code_of(holder.log_in(handle=None)) == (401, "invalid_credentials")


def test_a_passkey_steps_up_and_the_password_alone_does_not(holder: Holder) -> None:
    service = holder.service
    service.clock.advance(601)
    refused = service.post("/auth/passkeys/options", token=holder.token)
    assert (code_of(refused), refused.json["methods"]) == ((403, "reauthentication_required"), ["passkey"])
    assert service.post("/auth/reauthenticate", {"password": PASSWORD}, token=holder.token).status_code == 403
    for method in (None, "passkey"):
        reply = holder.step_up(method=method)
        assert reply.status_code == 200, reply.text
    holder.token = reply.json["data"]["access_token"]
    assert claims_of(service, holder.token)["acr"] == "urn:latchkey:aal2"
    assert holder.add(Authenticator()).status_code == 201


WRONG: list[dict[str, Any]] = [
    {"type": "webauthn.create"},
    {"challenge": b64(b"another challenge of 32 bytes....")},
    {"origin": "https://evil.example"},
    {"origin": f"{ORIGIN}/"},
    {"cross_origin": True},
    {"rp_id": "evil.example"},
    {"without": UP},
    {"without": UV},
    {"flags": BE | BS},
    {"flags": BS},
    {"count": 0},
    {"handle": b64(bytes(32))},
]
"""What an authenticator, or a page in front of it, may do wrong when it signs."""


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: "-".join(map(str, wrong)))
def test_an_assertion_with_one_thing_wrong_opens_nothing(holder: Holder, wrong: dict[str, Any]) -> None:
    assert holder.log_in().status_code == 200  # so that a count of 0 is behind
    assert code_of(holder.log_in(**wrong)) == (401, "invalid_credentials")
    assert code_of(holder.finish(holder.first(), **wrong)) == (422, "invalid_code")
    assert code_of(holder.step_up(**wrong)) == (422, "invalid_code")
    assert holder.log_in().status_code == 200


def test_a_changed_byte_of_what_was_signed_or_of_the_signature_opens_nothing(holder: Holder) -> None:
    for part in ("clientDataJSON", "authenticatorData", "signature"):
        asked = holder.ask("/auth/login/passkey/options")
        credential = holder.key.get(asked["options"])
        text = credential["response"][part]
        credential["response"][part] = text[:-10] + ("A" if text[-10] != "A" else "B") + text[-9:]
        body = {"ceremony": asked["ceremony"], "credential": credential}
        assert code_of(holder.service.post("/auth/login/passkey", body)) == (401, "invalid_credentials")


def test_another_key_opens_nothing_under_the_identifier_of_this_one(holder: Holder) -> None:
    forged = Authenticator(credential_id=holder.key.credential_id, handle=holder.key.handle, count=100)
    assert code_of(holder.log_in(forged)) == (401, "invalid_credentials")
    assert holder.log_in().status_code == 200


def test_a_passkey_that_synced_ones_look_like_stays_what_it_was(service: Service) -> None:
    holder = Holder(service, Authenticator(synced=True, counts=False))
    holder.added()
    assert holder.log_in(without=BE | BS).status_code == 401
    assert holder.log_in(without=BS).status_code == 200
    assert holder.passkeys()[0]["backed_up"] is False


@pytest.mark.parametrize(
    "wrong",
    [
        *({"type": "webauthn.get"}, {"challenge": b64(bytes(32))}, {"origin": "https://evil.example"}),
        *({"cross_origin": True}, {"rp_id": "evil.example"}, {"without": UP}, {"without": UV}, {"without": AT}),
        *({"flags": BS}, {"attestation": {"authData": b"short"}}, {"attestation": {"authData": None}}),
    ],
    ids=lambda wrong: "-".join(map(str, wrong)),
)
def test_a_registration_with_one_thing_wrong_adds_nothing(service: Service, wrong: dict[str, Any]) -> None:
    holder = Holder(service)
    assert code_of(holder.add(**wrong)) == (422, "invalid_code")
    assert holder.passkeys() == []
    assert service.login(holder.account.email).status_code == 200


def test_an_attestation_that_was_not_asked_for_is_not_looked_at(service: Service) -> None:
    attestation = {"fmt": "packed", "attStmt": {"alg": -7, "sig": b"none", "x5c": [b"no certificate"]}}
    assert Holder(service).add(attestation=attestation).status_code == 201


def test_a_falling_count_is_an_event_and_a_mail_and_opens_nothing(holder: Holder) -> None:
    assert holder.log_in(count=7).status_code == 200
    for count in (7, 6, 0):
        assert code_of(holder.log_in(count=count)) == (401, "invalid_credentials")
    assert holder.events().count("passkey.counter_regressed") == 3
    assert holder.mails()["A passkey of your account may have been copied"] == 3
    assert holder.log_in(count=8).status_code == 200


def test_a_forged_count_tells_nobody(holder: Holder) -> None:
    assert holder.log_in(count=7).status_code == 200
    forged = Authenticator(credential_id=holder.key.credential_id, handle=holder.key.handle)
    assert holder.log_in(forged, count=1).status_code == 401
    assert "passkey.counter_regressed" not in holder.events()


def test_a_credential_that_no_account_has_is_unknown(holder: Holder) -> None:
    stranger = Authenticator(handle=holder.key.handle)
    assert code_of(holder.log_in(stranger)) == (401, "unknown_passkey")
    (passkey,) = holder.passkeys()
    assert holder.service.send("DELETE", f"/auth/passkeys/{passkey['id']}", token=holder.token).status_code == 200
    assert code_of(holder.log_in()) == (401, "unknown_passkey")


def test_a_passkey_of_another_user_is_no_second_factor_of_this_one(holder: Holder) -> None:
    eve = Holder(holder.service)
    eve.added()
    token = holder.first()
    body = holder.answer(token)
    body["credential"] = eve.key.get(holder.ask("/auth/login/passkey/options")["options"])
    assert code_of(holder.service.post("/auth/login/continue", body)) == (422, "invalid_code")
    asked = holder.ask("/auth/login/options", {"login_token": token, "method": "passkey"})
    body |= {"ceremony": asked["ceremony"], "credential": eve.key.get(asked["options"])}
    assert code_of(holder.service.post("/auth/login/continue", body)) == (422, "invalid_code")


# Ceremonies


def test_a_ceremony_is_good_for_one_try_whether_it_fails_or_not(holder: Holder) -> None:
    service = holder.service
    for wrong in ({}, {"without": UV}):
        asked = holder.ask("/auth/login/passkey/options")
        bodies = [
            {"ceremony": asked["ceremony"], "credential": holder.key.get(asked["options"], **each)}
            for each in (wrong, {})
        ]
        assert service.post("/auth/login/passkey", bodies[0]).status_code == (401 if wrong else 200)
        assert code_of(service.post("/auth/login/passkey", bodies[1])) == (401, "invalid_credentials")


def test_a_ceremony_lives_for_five_minutes(holder: Holder) -> None:
    service = holder.service
    for seconds, status in ((299, 200), (300, 401)):
        asked = holder.ask("/auth/login/passkey/options")
        service.clock.advance(seconds)
        body = {"ceremony": asked["ceremony"], "credential": holder.key.get(asked["options"])}
        assert service.post("/auth/login/passkey", body).status_code == status


def test_a_ceremony_is_for_its_purpose_and_its_owner_alone(holder: Holder) -> None:
    service, other = holder.service, Holder(holder.service)
    login_token = holder.first()
    begun = {
        "register": holder.ask("/auth/passkeys/options", token=holder.token),
        "login": holder.ask("/auth/login/passkey/options"),
        "second": holder.ask("/auth/login/options", {"login_token": holder.first(), "method": "passkey"}),
        "step-up": holder.ask("/auth/reauthenticate/options", token=holder.token),
    }

    def answer(asked: dict[str, Any]) -> dict[str, Any]:
        return {"ceremony": asked["ceremony"], "credential": holder.key.get(asked["options"])}

    for asked in (begun["register"], begun["second"], begun["step-up"]):
        assert code_of(service.post("/auth/login/passkey", answer(asked))) == (401, "invalid_credentials")
    again = {"login_token": login_token, "method": "passkey"}
    others = [holder.ask("/auth/login/options", {"login_token": holder.first(), "method": "passkey"}), begun["login"]]
    for asked in (*others, holder.ask("/auth/reauthenticate/options", token=holder.token)):
        reply = service.post("/auth/login/continue", answer(asked) | again)
        assert code_of(reply) == (422, "invalid_code")
    asked = holder.ask("/auth/reauthenticate/options", token=holder.token)
    assert code_of(service.post("/auth/reauthenticate", answer(asked), token=other.token)) == (422, "invalid_code")
    asked = holder.ask("/auth/passkeys/options", token=holder.token)
    body = {"ceremony": asked["ceremony"], "credential": other.key.create(asked["options"])}
    assert code_of(service.post("/auth/passkeys", body, token=other.token)) == (422, "invalid_code")
    asked = holder.ask("/auth/reauthenticate/options", token=holder.token)
    asked["options"]["user"] = {"id": holder.key.handle}
    body = {"ceremony": asked["ceremony"], "credential": Authenticator().create(asked["options"])}
    assert code_of(service.post("/auth/passkeys", body, token=holder.token)) == (422, "invalid_code")


def send(service: Service, body: dict[str, Any], _number: int) -> Reply:
    return service.post("/auth/login/passkey", body)


def test_of_one_assertion_sent_by_many_at_once_one_opens_a_session(holder: Holder) -> None:
    for _ in range(3):
        asked = holder.ask("/auth/login/passkey/options")
        body = {"ceremony": asked["ceremony"], "credential": holder.key.get(asked["options"])}
        replies = holder.service.at_once(partial(send, holder.service, body))
        assert sorted(reply.status_code for reply in replies) == [200] + [401] * (THREADS - 1)
    assert "passkey.counter_regressed" not in holder.events()


def test_of_one_answer_to_a_login_sent_by_many_at_once_one_opens_a_session(holder: Holder) -> None:
    body = holder.answer(holder.first())
    replies = holder.service.at_once(lambda _: holder.service.post("/auth/login/continue", body))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert holder.log_in().status_code == 200


def test_of_one_new_passkey_sent_by_many_at_once_one_is_added(service: Service) -> None:
    holder = Holder(service)
    asked = holder.ask("/auth/passkeys/options", token=holder.token)
    body = {"ceremony": asked["ceremony"], "credential": holder.key.create(asked["options"])}
    replies = service.at_once(lambda _: service.post("/auth/passkeys", body, token=holder.token))
    assert [reply.status_code for reply in replies].count(201) == 1
    assert len(holder.passkeys()) == 1


def test_a_login_under_way_ends_with_the_passkey_that_it_waits_for(holder: Holder) -> None:
    body = holder.answer(holder.first())
    (passkey,) = holder.passkeys()
    holder.service.send("DELETE", f"/auth/passkeys/{passkey['id']}", token=holder.token)
    assert code_of(holder.service.post("/auth/login/continue", body)) == (401, "invalid_login_token")


def test_wrong_assertions_count_like_wrong_codes(holder: Holder) -> None:
    login_token = holder.first()
    for _ in range(5):
        assert code_of(holder.finish(login_token, without=UV)) == (422, "invalid_code")
    assert code_of(holder.service.post("/auth/login/continue", holder.answer(login_token))) == (
        401,
        "invalid_login_token",
    )
    statuses = [holder.finish(holder.first(), without=UV).status_code for _ in range(4)]
    assert holder.finish(holder.first(), without=UV).status_code in {422, 429}
    assert set(statuses) == {422}
    assert holder.service.login(holder.account.email).status_code == 429
    assert holder.log_in().status_code == 200, "a passkey alone needs no guess of a password"


# Changes


def test_a_credential_is_registered_once_whoever_sends_it(holder: Holder) -> None:
    assert code_of(holder.add()) == (409, "factor_exists")
    eve = Holder(holder.service)
    assert code_of(eve.add(holder.key)) == (409, "factor_exists")
    assert eve.passkeys() == []
    assert holder.service.login(eve.account.email).status_code == 200


def test_a_credential_that_a_failed_change_left_behind_keeps_nobody_from_registering_it(holder: Holder) -> None:
    (passkey,) = holder.passkeys()
    store, digest = holder.service.store, digest_of_token(holder.key.id)
    left = store.passkeys.find(digest)
    assert left is not None
    holder.service.send("DELETE", f"/auth/passkeys/{passkey['id']}", token=holder.token)
    assert store.passkeys.find(digest) is None
    assert store.passkeys.add(left)
    assert code_of(holder.add()) == (409, "factor_exists"), "somebody may be about to list it"
    holder.service.clock.advance(3601)
    holder.token = holder.service.login(holder.account.email).json["data"]["access_token"]
    assert holder.add().status_code == 201
    assert holder.log_in().status_code == 200


def test_an_account_has_twenty_passkeys_at_the_most(service: Service) -> None:
    holder = Holder(service)
    asked = holder.ask("/auth/passkeys/options", token=holder.token)
    for _ in range(20):
        holder.added(Authenticator())
    refused = service.post("/auth/passkeys/options", token=holder.token)
    assert code_of(refused) == (409, "too_many_passkeys")
    body = {"ceremony": asked["ceremony"], "credential": holder.key.create(asked["options"])}
    assert code_of(service.post("/auth/passkeys", body, token=holder.token)) == (409, "too_many_passkeys")
    assert service.store.passkeys.find(digest_of_token(holder.key.id)) is None
    assert len(holder.passkeys()) == 20


def test_each_change_is_an_event_and_a_mail_and_ends_the_other_sessions(holder: Holder) -> None:
    service = holder.service
    (passkey,) = holder.passkeys()
    path = f"/auth/passkeys/{passkey['id']}"
    other = holder.log_in().json["data"]["access_token"]

    renamed = service.send("PATCH", path, json={"name": " My phone "}, token=holder.token)

    assert (renamed.status_code, renamed.json["data"]["passkey"]["name"]) == (200, "My phone")
    assert service.get("/auth/me", token=other).status_code == 200, "a name lets nobody in, and nobody out"

    second = holder.added(Authenticator())

    assert code_of(service.get("/auth/me", token=other)) == (401, "session_ended")
    other = holder.log_in().json["data"]["access_token"]

    assert service.send("DELETE", f"/auth/passkeys/{second['id']}", token=holder.token).status_code == 200

    assert code_of(service.get("/auth/me", token=other)) == (401, "session_ended")
    assert [each["name"] for each in holder.passkeys()] == ["My phone"]
    changes = [action for action in holder.events() if action.startswith("passkey")]
    assert changes == ["passkey.removed", "passkey.added", "passkey.renamed", "passkey.added"]
    mails = holder.mails()
    assert mails["A passkey was added to your account"] == 2
    assert mails["A passkey of your account has another name"] == 1
    assert mails["A passkey of your account was removed"] == 1


def test_without_the_last_factor_the_password_opens_the_account_again_and_the_codes_are_void(holder: Holder) -> None:
    holder.enrol()
    (passkey,) = holder.passkeys()
    holder.service.send("DELETE", f"/auth/passkeys/{passkey['id']}", token=holder.token)
    assert holder.factors()["recovery_codes"] == {"left": 10}
    assert holder.service.send("DELETE", "/auth/factors/totp", token=holder.token).status_code == 200
    assert holder.factors() == {"totp": None, "passkeys": [], "recovery_codes": None, "recovery": None}
    assert holder.service.login(holder.account.email).status_code == 200


def test_an_app_that_goes_leaves_the_recovery_codes_to_the_passkey(holder: Holder) -> None:
    holder.enrol()
    assert holder.service.send("DELETE", "/auth/factors/totp", token=holder.token).status_code == 200
    assert holder.factors()["recovery_codes"] == {"left": 10}
    assert code_of(holder.service.login(holder.account.email)) == (403, "second_factor_required")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/auth/passkeys/options"), ("POST", "/auth/passkeys"), ("PATCH", ""), ("DELETE", "")],
)
def test_a_change_needs_a_recent_authentication(holder: Holder, method: str, path: str) -> None:
    (passkey,) = holder.passkeys()
    asked = holder.ask("/auth/passkeys/options", token=holder.token)
    body = {
        "/auth/passkeys": {"ceremony": asked["ceremony"], "credential": Authenticator().create(asked["options"])},
        "": {"name": "My phone"} if method == "PATCH" else None,
    }.get(path)
    holder.service.clock.advance(601)
    path = path or f"/auth/passkeys/{passkey['id']}"
    reply = holder.service.send(method, path, json=body, token=holder.token)
    assert code_of(reply) == (403, "reauthentication_required")


def test_a_passkey_that_is_removed_in_the_middle_of_its_renaming_is_not_found(holder: Holder) -> None:
    (passkey,) = holder.passkeys()
    # Its credential is deleted after the write that drops it from the account: as if that were another instance's.
    holder.service.store.passkeys.remove(passkey["id"])
    path = f"/auth/passkeys/{passkey['id']}"
    reply = holder.service.send("PATCH", path, json={"name": "My phone"}, token=holder.token)
    assert code_of(reply) == (404, "not_found")


def test_the_passkey_of_another_user_answers_like_a_missing_one(holder: Holder) -> None:
    eve = Holder(holder.service)
    (passkey,) = holder.passkeys()
    for path in (f"/auth/passkeys/{passkey['id']}", "/auth/passkeys/019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7e"):
        for method, body in (("PATCH", {"name": "Mine"}), ("DELETE", None)):
            reply = holder.service.send(method, path, json=body, token=eve.token)
            assert code_of(reply) == (404, "not_found")


def test_a_disabled_user_learns_it_by_their_passkey_and_gets_in_once_enabled(holder: Holder) -> None:
    service, boss = holder.service, holder.service.administrator()
    path = f"/admin/users/{holder.account.id}"
    assert service.post(f"{path}/disable", token=boss.token).status_code == 200
    assert code_of(holder.log_in()) == (403, "account_disabled")
    assert service.post(f"{path}/enable", token=boss.token).status_code == 200
    assert holder.log_in().status_code == 200


def test_a_reset_by_an_administrator_removes_passkeys(holder: Holder) -> None:
    assert reset(holder.service, holder, holder.service.administrator()).status_code == 200
    assert code_of(holder.log_in()) == (401, "unknown_passkey")
    assert holder.service.store.passkeys.of_user(holder.account.id) == []
    assert holder.service.login(holder.account.email).status_code == 200


def test_the_first_proof_of_an_address_by_reset_drops_the_passkeys_of_whoever_claimed_it(holder: Holder) -> None:
    service = holder.service
    assert service.post("/auth/password/forgot", {"email": holder.account.email}).status_code == 202
    body = {"token": holder.mailed_token("password"), "new_password": NEW_PASSWORD}
    assert service.post("/auth/password/reset", body).status_code == 200
    assert code_of(holder.log_in()) == (401, "unknown_passkey")
    assert service.login(holder.account.email, NEW_PASSWORD).status_code == 200


def test_a_reset_of_a_verified_account_keeps_its_passkeys(holder: Holder) -> None:
    service = holder.service
    assert service.post("/auth/email/verify", {"token": holder.mailed_token("Confirm")}).status_code == 200
    assert service.post("/auth/password/forgot", {"email": holder.account.email}).status_code == 202
    body = {"token": holder.mailed_token("password"), "new_password": NEW_PASSWORD}
    assert service.post("/auth/password/reset", body).status_code == 200
    assert code_of(service.login(holder.account.email, NEW_PASSWORD)) == (403, "second_factor_required")
    assert holder.log_in().status_code == 200


def test_the_export_lists_passkeys_without_their_keys(holder: Holder) -> None:
    holder.token = holder.log_in().json["data"]["access_token"]
    kept = holder.service.store.passkeys.find(digest_of_token(holder.key.id))
    reply = holder.service.get("/auth/me/export", token=holder.token)
    (factors,) = reply.json["data"]["factors"]
    assert [each["name"] for each in factors["passkeys"]] == ["Google Password Manager"]
    assert kept is not None
    assert kept.public_key not in reply.text


def test_a_deletion_takes_passkeys_and_ceremonies_along(holder: Holder) -> None:
    service = holder.service
    asked = holder.ask("/auth/reauthenticate/options", token=holder.token)
    assert service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=holder.token).status_code == 200
    service.wired.get(Outbox).deliver_due()
    assert service.store.passkeys.of_user(holder.account.id) == []
    assert service.store.ceremonies.take(digest_of_token(asked["ceremony"])) is None
    assert code_of(holder.log_in()) == (401, "unknown_passkey")


def test_a_verified_address_is_asked_for_after_a_passkey_as_after_a_password(start: Start, holder: Holder) -> None:
    strict = start(on=holder.service, REQUIRE_VERIFIED_EMAIL="on")
    asked = holder.ask("/auth/login/passkey/options")
    body = {"ceremony": asked["ceremony"], "credential": holder.key.get(asked["options"])}
    assert code_of(strict.post("/auth/login/passkey", body)) == (403, "email_not_verified")


def test_a_passkey_of_another_rp_id_is_neither_offered_nor_good(start: Start, holder: Holder) -> None:
    moved = start(on=holder.service, PUBLIC_URL="https://auth.example.com")
    body = {"login_token": holder.first(), "method": "passkey"}
    assert moved.post("/auth/login/options", body).json["data"]["options"]["allowCredentials"] == []
    asked = moved.post("/auth/login/passkey/options").json["data"]
    for more in ({}, {"origin": "https://auth.example.com"}):
        credential = holder.key.get(asked["options"], **more)
        reply = moved.post("/auth/login/passkey", {"ceremony": asked["ceremony"], "credential": credential})
        assert code_of(reply) == (401, "invalid_credentials")
        asked = moved.post("/auth/login/passkey/options").json["data"]


def test_where_cookies_are_on_a_passkey_sets_one_too(start: Start, holder: Holder) -> None:
    browsers = start(on=holder.service, AUTH_COOKIES="on")
    asked = holder.ask("/auth/login/passkey/options")
    body = {"ceremony": asked["ceremony"], "credential": holder.key.get(asked["options"])}
    reply = browsers.post("/auth/login/passkey", body, headers={"Origin": ORIGIN, "X-Auth-Cookies": "1"})
    assert "latchkey=" in reply.headers["Set-Cookie"]
    assert "refresh_token" not in reply.json["data"]


# Odd input


PARTS = [
    ("id",), ("rawId",), ("type",), ("response",),
    ("response", "clientDataJSON"), ("response", "authenticatorData"), ("response", "signature"),
    ("response", "userHandle"),
]  # fmt: skip


@pytest.mark.parametrize("part", PARTS, ids=".".join)
@pytest.mark.parametrize("odd", [1, True, [], {}, "", "not base64url!", "é", "A" * 9000, [{"a": 1}]], ids=repr)
def test_odd_json_in_a_credential_is_named(holder: Holder, part: tuple[str, ...], odd: object) -> None:
    asked = holder.ask("/auth/login/passkey/options")
    credential = holder.key.get(asked["options"])
    place = credential if len(part) == 1 else credential["response"]
    place[part[-1]] = odd
    reply = holder.service.post("/auth/login/passkey", {"ceremony": asked["ceremony"], "credential": credential})
    assert code_of(reply) == (422, "validation_failed")
    assert all(each["field"].startswith(f"credential.{'.'.join(part)}") for each in reply.json["errors"])


@pytest.mark.parametrize("credential", [None, [], "credential", 1, {}, {"response": []}], ids=repr)
@pytest.mark.parametrize("path", ["/auth/login/passkey", "/auth/passkeys"])
def test_what_is_no_credential_is_refused_by_name(holder: Holder, path: str, credential: object) -> None:
    body = {"ceremony": "x", "credential": credential}
    reply = holder.service.post(path, body, token=holder.token)
    assert code_of(reply) == (422, "validation_failed")


def test_members_that_browsers_add_inside_a_credential_are_ignored_and_those_beside_it_are_not(holder: Holder) -> None:
    asked = holder.ask("/auth/login/passkey/options")
    credential = holder.key.get(asked["options"])
    credential |= {"new": [1], "authenticatorAttachment": "of a later level"}
    credential["response"] |= {"publicKey": None, "new": {"a": 1}}
    body = {"ceremony": asked["ceremony"], "credential": credential}
    reply = holder.service.post("/auth/login/passkey", body | {"more": 1})
    assert (reply.status_code, reply.json["errors"][0]["field"]) == (422, "more")
    assert holder.service.post("/auth/login/passkey", body).status_code == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"method": "passkey"}, ["code"]),
        ({"method": "passkey", "code": "1"}, ["credential"]),
        ({"method": "totp", "code": "1", "ceremony": "x"}, ["code"]),
        ({"method": "passkey", "ceremony": "x"}, ["code"]),
        ({"ceremony": 1, "credential": 2}, ["ceremony", "credential", "method"]),
        ({"method": "sms", "code": "1"}, ["method"]),
    ],
    ids=repr,
)
def test_a_login_is_continued_by_one_proof_that_its_method_takes(
    holder: Holder, body: dict[str, Any], fields: list[str]
) -> None:
    reply = holder.service.post("/auth/login/continue", {"login_token": holder.first()} | body)
    assert code_of(reply) == (422, "validation_failed")
    assert [each["field"] for each in reply.json["errors"]] == fields


def test_a_method_without_options_has_none_and_a_login_token_is_asked_for(holder: Holder) -> None:
    reply = holder.service.post("/auth/login/options", {"login_token": holder.first(), "method": "totp"})
    assert (code_of(reply), reply.json["errors"][0]["field"]) == ((422, "validation_failed"), "method")
    reply = holder.service.post("/auth/login/options", {"login_token": "none", "method": "passkey"})
    assert code_of(reply) == (401, "invalid_login_token")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(place=st.sampled_from(["clientDataJSON", "authenticatorData", "signature"]), content=st.binary(max_size=200))
def test_bytes_of_any_kind_open_nothing(holder: Holder, place: str, content: bytes) -> None:
    asked = holder.ask("/auth/login/passkey/options")
    credential = deepcopy(holder.key.get(asked["options"]))
    credential["response"][place] = b64(content + b"x")
    reply = holder.service.post("/auth/login/passkey", {"ceremony": asked["ceremony"], "credential": credential})
    assert code_of(reply) == (401, "invalid_credentials")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=200), part=st.sampled_from(["attestationObject", "authData"]))
def test_bytes_of_any_kind_add_nothing(holder: Holder, content: bytes, part: str) -> None:
    asked = holder.ask("/auth/passkeys/options", token=holder.token)
    wrong = {"attestation": {"authData": content}} if part == "authData" else {}
    credential = Authenticator().create(asked["options"], **wrong)
    if part == "attestationObject":
        credential["response"][part] = b64(content + b"x")
    body = {"ceremony": asked["ceremony"], "credential": credential}
    assert code_of(holder.service.post("/auth/passkeys", body, token=holder.token)) == (422, "invalid_code")
