"""Second factors: a password alone opens nothing, wherever the login comes from, and every change is told."""

import re
from collections import Counter
from typing import Any

import pyotp
import pytest

from app.audit.late_events import LateEvents
from app.features import ENDPOINTS
from app.outbox.service import Outbox
from app.sessions.views import TokenPair
from tests.api.service import PASSWORD, Account, Reply, Service, Start

STEP = 30
NEW_PASSWORD = "another horse battery staple"


class Person:
    """A user with an authenticator app; each of their codes is of a step that was not used."""

    def __init__(self, service: Service, account: Account) -> None:
        self.service = service
        self.account = account
        self.token = account.token
        self.secret = ""
        self.codes: list[str] = []

    def code(self) -> str:
        self.service.clock.advance(STEP)
        return pyotp.TOTP(self.secret).at(self.service.clock())

    def begin(self) -> dict[str, Any]:
        reply = self.service.post("/auth/factors/totp", token=self.token)
        assert reply.status_code == 201, reply.text
        data: dict[str, Any] = reply.json["data"]
        return data

    def enrol(self) -> Reply:
        self.secret = self.begin()["secret"]
        reply = self.service.post("/auth/factors/totp/confirm", {"code": self.code()}, token=self.token)
        assert reply.status_code == 200, reply.text
        self.codes = reply.json["data"]["recovery_codes"] or self.codes
        return reply

    def first(self, password: str = PASSWORD, **more: Any) -> str:
        """The login token for a right password."""
        reply = self.service.login(self.account.email, password, **more)
        assert (reply.status_code, reply.json["code"]) == (403, "second_factor_required")
        token: str = reply.json["login"]["token"]
        return token

    def second(self, login_token: str, code: str, method: str = "totp") -> Reply:
        body = {"login_token": login_token, "method": method, "code": code}
        return self.service.post("/auth/login/continue", body)

    def login(self) -> None:
        reply = self.second(self.first(), self.code())
        assert reply.status_code == 200, reply.text
        self.token = reply.json["data"]["access_token"]

    def factors(self) -> dict[str, Any]:
        factors: dict[str, Any] = self.service.get("/auth/factors", token=self.token).json["data"]["factors"]
        return factors

    def mails(self) -> Counter[str]:
        self.service.wired.get(Outbox).deliver_due()
        return Counter(mail.subject for mail in self.service.sent_mails() if mail.to == self.account.email)

    def mailed_token(self, subject: str) -> str:
        self.mails()
        mails = (mail for mail in self.service.sent_mails() if mail.to == self.account.email)
        text = next(mail.text for mail in mails if subject in mail.subject)
        (token, *_) = re.findall(r"#token=([A-Za-z0-9_-]+)", text)
        return str(token)


def new(service: Service) -> Person:
    return Person(service, service.register())


@pytest.fixture
def person(service: Service) -> Person:
    person = new(service)
    person.enrol()
    return person


def code_of(reply: Reply) -> tuple[int, str]:
    return reply.status_code, reply.json.get("code")


def test_a_password_alone_gives_a_login_token_and_the_code_gives_a_session(person: Person) -> None:
    reply = person.service.login(person.account.email)
    assert code_of(reply) == (403, "second_factor_required")
    login = reply.json["login"]
    assert login | {"token": ""} == {
        "token": "", "expires_in": 600, "next": "second_factor", "methods": ["totp", "recovery_code"],
    }  # fmt: skip
    assert "data" not in reply.json
    assert "Set-Cookie" not in reply.headers

    done = person.second(login["token"], person.code())

    assert done.status_code == 200
    assert done.json["data"]["user"]["id"] == person.account.id
    assert person.service.get("/auth/me", token=done.json["data"]["access_token"]).status_code == 200


def test_a_wrong_password_does_not_learn_of_the_second_factor(person: Person) -> None:
    other = new(person.service)
    one, two = (person.service.login(each.account.email, "wrong horse battery") for each in (person, other))
    assert code_of(one) == code_of(two) == (401, "invalid_credentials")
    assert one.json.keys() == two.json.keys()


def test_problem_json_says_how_the_login_goes_on_too(person: Person) -> None:
    reply = person.service.login(person.account.email, headers={"Accept": "application/problem+json"})
    assert reply.content_type == "application/problem+json"
    assert person.second(reply.json["login"]["token"], person.code()).status_code == 200


def test_an_app_that_is_not_confirmed_is_not_asked_for(service: Service) -> None:
    person = new(service)
    begun = person.begin()
    assert begun["uri"].startswith("otpauth://totp/")
    assert begun["secret"] in begun["uri"]
    assert re.match(r'<svg xmlns="http://www.w3.org/2000/svg"', begun["qr"])
    assert person.factors()["totp"] | {"created_at": ""} == {"confirmed": False, "created_at": "", "last_used_at": None}
    assert service.login(person.account.email).status_code == 200


def test_an_app_can_be_confirmed_for_ten_minutes_and_by_its_own_code_only(start: Start) -> None:
    service = start(REAUTH_SECONDS="3600")
    person = new(service)
    person.secret = person.begin()["secret"]
    confirm = "/auth/factors/totp/confirm"
    for code in ("000000", "", "12 345", "٣٤٥٦٧٨"):
        assert service.post(confirm, {"code": code}, token=person.token).status_code == 422
    service.clock.advance(10 * 60)
    assert code_of(service.post(confirm, {"code": person.code()}, token=person.token)) == (422, "invalid_code")
    assert person.factors()["totp"] is None
    person.enrol()


def test_the_first_factor_comes_with_ten_recovery_codes_and_a_new_app_with_none(person: Person) -> None:
    assert len(person.codes) == 10
    assert person.enrol().json["data"]["recovery_codes"] is None
    assert person.factors()["recovery_codes"] == {"left": 10}


def test_a_new_app_replaces_the_old_one_only_once_it_is_confirmed(person: Person) -> None:
    old = person.secret
    person.begin()
    person.login()

    person.enrol()

    token = person.first()
    assert code_of(person.second(token, pyotp.TOTP(old).at(person.service.clock()))) == (422, "invalid_code")
    assert person.second(token, person.code()).status_code == 200


def test_a_code_works_once_also_the_one_that_confirmed(service: Service) -> None:
    person = new(service)
    person.enrol()
    spent = pyotp.TOTP(person.secret).at(service.clock())
    assert code_of(person.second(person.first(), spent)) == (422, "invalid_code")
    code = person.code()
    assert person.second(person.first(), code).status_code == 200
    assert code_of(person.second(person.first(), code)) == (422, "invalid_code")


def test_of_one_code_sent_by_many_at_once_one_opens_a_session(person: Person) -> None:
    tokens = [person.first() for _ in range(16)]
    code = person.code()
    replies = person.service.at_once(lambda number: person.second(tokens[number], code))
    assert [reply.status_code for reply in replies].count(200) == 1


def test_of_one_recovery_code_sent_by_many_at_once_one_opens_a_session(person: Person) -> None:
    tokens = [person.first() for _ in range(16)]
    replies = person.service.at_once(lambda number: person.second(tokens[number], person.codes[0], "recovery_code"))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert person.mails()["A recovery code of your account was used"] == 1


def test_a_recovery_code_works_once_and_is_mailed(person: Person) -> None:
    assert person.second(person.first(), person.codes[4], "recovery_code").status_code == 200
    assert code_of(person.second(person.first(), person.codes[4], "recovery_code")) == (422, "invalid_code")
    assert person.factors()["recovery_codes"] == {"left": 9}
    assert person.mails()["A recovery code of your account was used"] == 1


@pytest.mark.parametrize("method", ["totp", "recovery_code"])
def test_a_code_that_comes_again_is_refused_but_delays_nobody(person: Person, method: str) -> None:
    code = person.code() if method == "totp" else person.codes[0]
    assert person.second(person.first(), code, method).status_code == 200
    for _ in range(12):
        assert code_of(person.second(person.first(), code, method)) == (422, "invalid_code")
    assert person.second(person.first(), person.code()).status_code == 200


def test_new_recovery_codes_void_the_old_ones(person: Person) -> None:
    reply = person.service.post("/auth/factors/recovery-codes", token=person.token)
    assert reply.status_code == 201
    assert code_of(person.second(person.first(), person.codes[0], "recovery_code")) == (422, "invalid_code")
    new_code = reply.json["data"]["recovery_codes"][0]
    assert person.second(person.first(), new_code, "recovery_code").status_code == 200
    assert person.mails()["Your account has new recovery codes"] == 1


def test_without_a_factor_there_are_no_recovery_codes_and_nothing_to_remove(service: Service) -> None:
    person = new(service)
    assert person.factors() == {"totp": None, "passkeys": [], "recovery_codes": None, "recovery": None}
    assert code_of(service.post("/auth/factors/recovery-codes", token=person.token)) == (404, "not_found")
    assert code_of(service.send("DELETE", "/auth/factors/totp", token=person.token)) == (404, "not_found")


def test_without_its_app_the_account_is_open_by_password_again_and_its_codes_are_void(person: Person) -> None:
    assert person.service.send("DELETE", "/auth/factors/totp", token=person.token).status_code == 200
    assert person.factors() == {"totp": None, "passkeys": [], "recovery_codes": None, "recovery": None}
    assert person.service.login(person.account.email).status_code == 200
    assert person.mails()["The authenticator app of your account was removed"] == 1


def test_each_change_ends_the_other_sessions_and_login_tokens_and_this_one_goes_on(service: Service) -> None:
    person = new(service)
    other = service.login(person.account.email).json["data"]["access_token"]
    person.enrol()
    assert code_of(service.get("/auth/me", token=other)) == (401, "session_ended")
    assert person.mails()["An authenticator app was added to your account"] == 1
    for method, path in (("POST", "/auth/factors/recovery-codes"), ("DELETE", "/auth/factors/totp")):
        pending = person.first()
        assert service.send(method, path, token=person.token).status_code in {200, 201}
        assert service.get("/auth/me", token=person.token).status_code == 200
        assert code_of(person.second(pending, person.code())) == (401, "invalid_login_token")


def test_every_change_is_an_event(person: Person) -> None:
    person.service.post("/auth/factors/recovery-codes", token=person.token)
    person.service.send("DELETE", "/auth/factors/totp", token=person.token)
    events = person.service.get("/auth/events", token=person.token).json["data"]["events"]
    assert [event["action"] for event in events][:3] == ["totp.removed", "recovery_codes.made", "totp.added"]


def test_a_wrong_code_is_an_event(person: Person) -> None:
    assert person.second(person.first(), "000000").status_code == 422
    person.service.wired.get(LateEvents).store()
    events = person.service.get("/auth/events", token=person.token).json["data"]["events"]
    assert "login.failed" in [event["action"] for event in events]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/auth/factors/totp", None),
        ("POST", "/auth/factors/totp/confirm", {"code": "123456"}),
        ("DELETE", "/auth/factors/totp", None),
        ("POST", "/auth/factors/recovery-codes", None),
    ],
)
def test_a_change_needs_a_recent_login(person: Person, method: str, path: str, body: object) -> None:
    person.service.clock.advance(601)
    reply = person.service.send(method, path, json=body, token=person.token)
    assert code_of(reply) == (403, "reauthentication_required")


def test_a_reset_removes_no_factor_of_a_verified_account_and_gives_no_session(person: Person) -> None:
    service = person.service
    assert service.post("/auth/email/verify", {"token": person.mailed_token("Confirm")}).status_code == 200
    assert service.post("/auth/password/forgot", {"email": person.account.email}).status_code == 202
    body = {"token": person.mailed_token("password"), "new_password": NEW_PASSWORD}
    reply = service.post("/auth/password/reset", body)
    assert reply.status_code == 200
    assert "access_token" not in reply.text
    assert person.second(person.first(NEW_PASSWORD), person.code()).status_code == 200


def test_the_first_proof_of_an_address_by_reset_drops_the_factors_of_whoever_claimed_it(person: Person) -> None:
    service = person.service
    assert service.post("/auth/password/forgot", {"email": person.account.email}).status_code == 202
    body = {"token": person.mailed_token("password"), "new_password": NEW_PASSWORD}
    assert service.post("/auth/password/reset", body).status_code == 200
    assert service.login(person.account.email, NEW_PASSWORD).status_code == 200


def test_a_change_of_the_password_keeps_the_factor(person: Person) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    assert person.service.post("/auth/password", body, token=person.token).status_code == 200
    assert person.second(person.first(NEW_PASSWORD), person.code()).status_code == 200


def test_the_export_shows_no_secret(person: Person) -> None:
    person.login()
    reply = person.service.get("/auth/me/export", token=person.token)
    assert reply.status_code == 200
    assert person.secret not in reply.text


def reset(service: Service, person: Person, by: Account, reason: str = "Ticket 4711: lost the phone") -> Reply:
    return service.post(f"/admin/users/{person.account.id}/reset-factors", {"reason": reason}, token=by.token)


def test_an_administrator_removes_the_factors_of_a_user_who_lost_them(person: Person) -> None:
    service = person.service
    administrator = service.administrator()

    assert reset(service, person, administrator).status_code == 200

    assert code_of(service.get("/auth/me", token=person.token)) == (401, "session_ended")
    person.token = service.login(person.account.email).json["data"]["access_token"]
    assert person.factors() == {"totp": None, "passkeys": [], "recovery_codes": None, "recovery": None}
    assert person.mails()["The second factors of your account were removed"] == 1
    events = service.get("/auth/events", token=person.token).json["data"]["events"]
    assert "factors.reset" in [event["action"] for event in events]
    assert reset(service, person, administrator).status_code == 200


def test_factors_are_removed_by_administrators_only_and_after_a_recent_login(person: Person) -> None:
    service = person.service
    administrator, member = service.administrator(), new(service)
    assert code_of(reset(service, person, member.account)) == (403, "forbidden")
    service.clock.advance(601)
    assert code_of(reset(service, person, administrator)) == (403, "reauthentication_required")


def test_the_export_lists_the_factors(person: Person) -> None:
    person.login()
    reply = person.service.get("/auth/me/export", token=person.token)
    (factors,) = reply.json["data"]["factors"]
    assert factors["totp"]["confirmed"]
    assert factors["recovery_codes"] == {"left": 10}


def test_a_deletion_takes_the_factors_along(person: Person) -> None:
    service = person.service
    account = service.store.users.account(person.account.id)
    assert account is not None
    (listed,) = account.totp
    assert service.store.totp_secrets.get(listed.id) is not None
    pending = person.first()
    assert service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=person.token).status_code == 200
    service.wired.get(Outbox).deliver_due()
    assert service.store.totp_secrets.get(listed.id) is None
    assert code_of(person.second(pending, person.code())) == (401, "invalid_login_token")


OPENING = {
    "POST /auth/register": "A new account has no factor yet.",
    "POST /auth/login": "test_a_password_alone_gives_a_login_token_and_the_code_gives_a_session",
    "POST /auth/login/passkey": "A passkey counts as two: tests/api/test_passkeys.py.",
    "POST /auth/login/continue": "test_of_one_code_sent_by_many_at_once_one_opens_a_session",
    "POST /auth/login/code/verify": "tests/api/test_mail_login.py tries it",
    "POST /auth/providers/finish": "tests/api/test_social_pairs.py asks for the second factor there",
    "POST /auth/refresh": "It renews a session, and opens none.",
    "POST /auth/invitation": "An invited user has no factor yet.",
}
"""Every endpoint that gives the tokens of a session, and why none gives them for one factor of two."""


def test_every_endpoint_that_gives_tokens_is_known() -> None:
    giving = {
        f"{declared.method} {declared.path}"
        for declared in ENDPOINTS
        if any(outcome.returns is TokenPair for outcome in declared.outcomes)
    }
    assert giving == OPENING.keys()
