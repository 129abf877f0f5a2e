"""Requiring a second factor: a login without one goes on once its user has added one, by the token of that login."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
import pytest

from app.bootstrap.first_administrator import FirstAdministrator
from app.features import ENDPOINTS
from app.outbox.service import Outbox
from tests.api.mailbox import newest_to
from tests.api.service import PASSWORD, Account, Reply, Service, Start, new_names
from tests.api.test_invitations import invited
from tests.api.test_roles import grant
from tests.api.test_second_factors import NEW_PASSWORD, STEP, Person, code_of, reset
from tests.api.test_second_factors import new as new_person
from tests.house.test_access import ADMITTED, concrete

BEGIN, CONFIRM = "/auth/factors/totp", "/auth/factors/totp/confirm"


class Enrolment:
    """A login that waits for a first factor, of a user without a session."""

    def __init__(self, service: Service, reply: Reply) -> None:
        assert code_of(reply) == (403, "second_factor_required"), reply.text
        login = reply.json["login"]
        asked = {"next": "enrol_factor", "methods": ["passkey", "totp"]}
        assert login | {"token": ""} == {"token": "", "expires_in": 600, **asked}
        self.service = service
        self.token: str = login["token"]
        self.secret = ""
        self.codes: list[str] = []

    def code(self) -> str:
        self.service.clock.advance(STEP)
        return pyotp.TOTP(self.secret).at(self.service.clock())

    def begin(self) -> Reply:
        reply = self.service.post(BEGIN, token=self.token)
        if reply.status_code == 201:
            self.secret = reply.json["data"]["secret"]
        return reply

    def confirm(self) -> Reply:
        reply = self.service.post(CONFIRM, {"code": self.code()}, token=self.token)
        if reply.status_code == 200:
            self.codes = reply.json["data"]["recovery_codes"]
        return reply

    def enrol(self) -> None:
        assert self.begin().status_code == 201
        assert self.confirm().status_code == 200
        assert len(self.codes) == 10

    def go_on(self, code: str | None = None, method: str = "totp") -> Reply:
        body = {"login_token": self.token, "method": method, "code": code or self.code()}
        return self.service.post("/auth/login/continue", body)


@pytest.fixture(scope="module")
def strict(service: Service, start: Start) -> Service:
    """The same database, where a second factor is required of all."""
    return start(on=service, REQUIRE_SECOND_FACTOR="all")


@pytest.fixture
def account(service: Service) -> Account:
    return service.register()


@pytest.fixture
def waiting(strict: Service, account: Account) -> Enrolment:
    return Enrolment(strict, strict.login(account.email))


def me(service: Service, done: Reply) -> Any:
    assert done.status_code == 200, done.text
    return service.get("/auth/me", token=done.json["data"]["access_token"]).json["data"]["user"]


def test_who_has_no_factor_adds_one_in_the_login_and_is_in(waiting: Enrolment, account: Account) -> None:
    waiting.enrol()

    done = waiting.go_on()

    assert me(waiting.service, done)["id"] == account.id
    assert done.json["data"]["device_token"]
    assert waiting.service.login(account.email).json["login"]["next"] == "second_factor"
    waiting.service.wired.get(Outbox).deliver_due()
    assert newest_to(waiting.service, account.email).subject == "An authenticator app was added to your account"


def test_the_confirming_code_is_spent_but_a_recovery_code_goes_on_at_once(waiting: Enrolment) -> None:
    waiting.enrol()
    spent = pyotp.TOTP(waiting.secret).at(waiting.service.clock())
    assert code_of(waiting.go_on(spent)) == (422, "invalid_code")
    assert waiting.go_on(waiting.codes[0], "recovery_code").status_code == 200


def test_a_registration_makes_the_account_and_then_asks_for_a_factor(strict: Service) -> None:
    email, username = new_names()
    body = {"email": email, "username": username, "password": PASSWORD}
    waiting = Enrolment(strict, strict.post("/auth/register", body))
    assert code_of(strict.post("/auth/register", body)) == (409, "email_taken")
    waiting.enrol()
    assert me(strict, waiting.go_on())["email"] == email


def test_an_answered_invitation_asks_for_a_factor(service: Service, strict: Service) -> None:
    _, email = invited(service, service.administrator())
    body = {"token": newest_to(service, email).token, "password": PASSWORD}
    waiting = Enrolment(strict, strict.post("/auth/invitation", body))
    waiting.enrol()
    assert me(strict, waiting.go_on())["email_verified"]


def test_the_first_administrator_s_link_asks_for_a_factor_of_administrators(start: Start, tmp_path: Path) -> None:
    link = tmp_path / "link"
    service = start(
        BOOTSTRAP_ADMIN_EMAIL="boss@example.com", BOOTSTRAP_LINK_FILE=str(link), REQUIRE_SECOND_FACTOR="admins"
    )
    service.wired.get(FirstAdministrator).ensure()
    token = link.read_text().strip().rpartition("#")[2].removeprefix("token=")
    waiting = Enrolment(service, service.post("/auth/invitation", {"token": token, "password": PASSWORD}))
    waiting.enrol()
    assert me(service, waiting.go_on())["roles"] == ["admin"]
    assert service.register().token  # of a member none is required


def test_an_address_that_has_to_be_verified_comes_first(service: Service, start: Start, account: Account) -> None:
    picky = start(on=service, REQUIRE_SECOND_FACTOR="all", REQUIRE_VERIFIED_EMAIL="on")
    assert code_of(picky.login(account.email)) == (403, "email_not_verified")
    token = newest_to(service, account.email).token
    assert picky.post("/auth/email/verify", {"token": token}).status_code == 200
    Enrolment(picky, picky.login(account.email))


def test_where_accounts_are_hidden_a_registration_tells_nothing_and_the_login_asks(start: Start) -> None:
    hidden = start(REQUIRE_SECOND_FACTOR="all", HIDE_ACCOUNTS="on")
    email, username = new_names()
    body = {"email": email, "username": username, "password": PASSWORD}
    assert hidden.post("/auth/register", body).status_code == 202
    assert code_of(hidden.login(email)) == (401, "invalid_credentials")
    token = newest_to(hidden, email).token
    assert hidden.post("/auth/email/verify", {"token": token}).status_code == 200
    waiting = Enrolment(hidden, hidden.login(email))
    waiting.enrol()
    assert waiting.go_on().status_code == 200


def test_a_wrong_password_does_not_learn_that_a_factor_is_required(strict: Service, account: Account) -> None:
    assert code_of(strict.login(account.email, "wrong horse battery")) == (401, "invalid_credentials")


def test_sessions_go_on_api_keys_and_impersonations_are_not_concerned(start: Start) -> None:
    service = start(IMPERSONATION="on")
    boss, member = service.administrator(), service.register()
    key = service.post("/auth/api-keys", {"name": "ci", "permissions": ["users:read"]}, token=boss.token)
    strict = start(on=service, REQUIRE_SECOND_FACTOR="all", IMPERSONATION="on")
    assert strict.post("/auth/refresh", {"refresh_token": member.refresh_token}).status_code == 200
    assert strict.get("/auth/me", token=key.json["data"]["key"]).status_code == 200
    path = f"/admin/users/{member.id}/impersonate"
    assert strict.post(path, {"reason": "Ticket 4711"}, token=boss.token).status_code == 200


# By role.


def test_a_role_asks_for_a_factor_from_the_next_login_on(service: Service, account: Account) -> None:
    boss = service.administrator()
    body = {"name": "cashier", "permissions": [], "require_second_factor": True}
    assert service.post("/admin/roles", body, token=boss.token).json["data"]["role"]["require_second_factor"] is True
    assert service.login(account.email).status_code == 200
    assert grant(service, boss, account.id, "cashier").status_code == 200
    assert service.get("/auth/me", token=account.token).status_code == 200
    Enrolment(service, service.login(account.email))

    path = "/admin/roles/cashier"
    changed = service.send("PATCH", path, json={"description": "At the till."}, token=boss.token)
    assert changed.json["data"]["role"]["require_second_factor"] is True
    changed = service.send("PATCH", path, json={"require_second_factor": False}, token=boss.token)
    assert changed.json["data"]["role"] == {
        "name": "cashier", "permissions": [], "description": "At the till.", "built_in": False,
        "require_second_factor": False,
    }  # fmt: skip
    assert service.login(account.email).status_code == 200
    details = [dict(event.details) for event in service.store.events.page_of(boss.id, before=None, limit=50)]
    told = [each.get("require_second_factor") for each in details if each.get("role") == "cashier"]
    assert told == ["off", None, "on"]


@pytest.mark.parametrize("wrong", ["true", 1, None, [], {}])
def test_what_a_role_requires_is_yes_or_no(service: Service, wrong: object) -> None:
    boss = service.administrator()
    for method, path, body in (
        ("POST", "/admin/roles", {"name": "odd", "permissions": []}),
        ("PATCH", "/admin/roles/member", {}),
    ):
        reply = service.send(method, path, json=body | {"require_second_factor": wrong}, token=boss.token)
        assert code_of(reply) == (422, "validation_failed")
        assert [error["field"] for error in reply.json["errors"]] == ["require_second_factor"]


def test_of_administrators_a_factor_is_required_by_their_role(service: Service, start: Start) -> None:
    boss, member = service.administrator(), service.register()
    strict = start(on=service, REQUIRE_SECOND_FACTOR="admins")
    Enrolment(strict, strict.login(boss.email))
    assert strict.login(member.email).status_code == 200
    for instance, required in ((service, False), (strict, True)):
        roles = instance.get("/admin/roles", token=boss.token).json["data"]["roles"]
        assert roles[0]["require_second_factor"] is required


# What the token of such a login opens.


@pytest.mark.parametrize("header", ["Authorization", "x-access-token"])
def test_the_login_token_opens_what_adds_a_factor_and_nothing_else(waiting: Enrolment, header: str) -> None:
    value = f"Bearer {waiting.token}" if header == "Authorization" else waiting.token
    admitting = set()
    for declared in ENDPOINTS:
        if not declared.access.authenticated:
            continue
        rule = f"{declared.method} {declared.path}"
        wrong = {"no such field": True} if declared.method in {"POST", "PUT", "PATCH"} else None
        reply = waiting.service.send(declared.method, concrete(declared.path), json=wrong, headers={header: value})
        if reply.status_code == 401:
            assert reply.json["code"] == "invalid_token"
        else:
            assert reply.status_code == 422, rule
            assert "no such field" in [error["field"] for error in reply.json["errors"]]
            admitting.add(rule)
    assert admitting == {rule for rule, kinds in ADMITTED.items() if "pending_login" in kinds}


def test_a_login_that_asks_for_the_factor_adds_none(strict: Service, service: Service) -> None:
    person = new_person(service)
    person.enrol()
    token = person.first()
    for path, body in ((BEGIN, None), (CONFIRM, {"code": person.code()})):
        assert code_of(strict.post(path, body, token=token)) == (401, "invalid_token")
    assert person.second(token, person.code()).status_code == 200


def test_such_a_login_adds_the_first_factor_only(waiting: Enrolment) -> None:
    waiting.enrol()
    assert code_of(waiting.begin()) == (401, "invalid_token")
    assert code_of(waiting.confirm()) == (401, "invalid_token")
    assert waiting.go_on().status_code == 200
    assert code_of(waiting.begin()) == (401, "invalid_token")


@pytest.mark.parametrize("token", ["A" * 43, "-" * 43, "A" * 42, "A" * 44, "Ä" * 43])
def test_a_text_that_is_no_login_token_adds_nothing(strict: Service, token: str) -> None:
    reply = strict.send("POST", BEGIN, headers={"x-access-token": token})
    assert code_of(reply) == (401, "invalid_token")


def test_the_login_token_adds_nothing_after_ten_minutes(waiting: Enrolment) -> None:
    assert waiting.begin().status_code == 201
    waiting.service.clock.advance(600)
    assert code_of(waiting.confirm()) == (401, "invalid_token")
    assert code_of(waiting.begin()) == (401, "invalid_token")


def test_it_needs_no_other_recent_login(service: Service, start: Start, account: Account) -> None:
    hasty = start(on=service, REQUIRE_SECOND_FACTOR="all", REAUTH_SECONDS="60")
    waiting = Enrolment(hasty, hasty.login(account.email))
    hasty.clock.advance(300)
    waiting.enrol()
    assert waiting.go_on().status_code == 200


# Beside it.


def test_adding_the_factor_ends_everything_else_of_the_account(waiting: Enrolment, account: Account) -> None:
    other = Enrolment(waiting.service, waiting.service.login(account.email))
    waiting.enrol()
    assert code_of(waiting.service.get("/auth/me", token=account.token)) == (401, "session_ended")
    assert code_of(other.begin()) == (401, "invalid_token")
    other.secret = waiting.secret
    assert code_of(other.go_on()) == (401, "invalid_login_token")
    assert waiting.go_on().status_code == 200


def test_of_two_apps_the_one_that_was_begun_last_can_be_added(waiting: Enrolment, account: Account) -> None:
    other = Enrolment(waiting.service, waiting.service.login(account.email))
    assert waiting.begin().status_code == other.begin().status_code == 201
    assert code_of(waiting.confirm()) == (422, "invalid_code")
    assert other.confirm().status_code == 200
    assert code_of(waiting.confirm()) == (401, "invalid_token")
    assert other.go_on().status_code == 200


def change_password(service: Service, account: Account) -> Reply:
    body = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
    return service.post("/auth/password", body, token=account.token)


def reset_password(service: Service, account: Account) -> Reply:
    assert service.post("/auth/password/forgot", {"email": account.email}).status_code == 202
    return service.post(
        "/auth/password/reset", {"token": newest_to(service, account.email).token, "new_password": NEW_PASSWORD}
    )


def log_out_all(service: Service, account: Account) -> Reply:
    return service.post("/auth/logout", {"scope": "all"}, token=account.token)


def log_out_others(service: Service, account: Account) -> Reply:
    return service.post("/auth/logout", {"scope": "others"}, token=account.token)


def disable(service: Service, account: Account) -> Reply:
    boss = service.administrator()
    assert service.post(f"/admin/users/{account.id}/disable", token=boss.token).status_code == 200
    return service.post(f"/admin/users/{account.id}/enable", token=boss.token)


def delete(service: Service, account: Account) -> Reply:
    return service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=account.token)


def own_factor(service: Service, account: Account) -> Reply:
    return Person(service, account).enrol()


ENDINGS = [change_password, reset_password, log_out_all, log_out_others, disable, delete, own_factor]


@pytest.mark.parametrize("end", ENDINGS)
def test_what_ends_the_sessions_of_the_account_ends_the_login_before_its_factor(
    service: Service, waiting: Enrolment, account: Account, end: Callable[[Service, Account], Reply]
) -> None:
    assert waiting.begin().status_code == 201
    assert end(service, account).status_code == 200
    assert code_of(waiting.confirm()) == (401, "invalid_token")
    assert code_of(waiting.begin()) == (401, "invalid_token")


@dataclass(frozen=True)
class Elsewhere(Account):
    """The same user, in a session of their own beside the login."""

    elsewhere: str = ""

    @property
    def token(self) -> str:
        return self.elsewhere


@pytest.mark.parametrize("end", [each for each in ENDINGS if each is not own_factor])
def test_what_ends_the_sessions_of_the_account_ends_the_login_after_its_factor(
    service: Service, waiting: Enrolment, account: Account, end: Callable[[Service, Account], Reply]
) -> None:
    waiting.enrol()
    other = service.login(account.email).json["login"]["token"]
    body = {"login_token": other, "method": "recovery_code", "code": waiting.codes[0]}
    token = service.post("/auth/login/continue", body).json["data"]["access_token"]
    inside = Elsewhere(account.data, account.email, account.username, elsewhere=token)
    assert end(service, inside).status_code == 200
    assert code_of(waiting.go_on()) == (401, "invalid_login_token")


def test_an_administrator_who_removes_the_factors_ends_the_login_that_added_them(
    service: Service, waiting: Enrolment, account: Account
) -> None:
    waiting.enrol()
    assert reset(service, Person(service, account), service.administrator()).status_code == 200
    assert code_of(waiting.begin()) == (401, "invalid_token")
    assert code_of(waiting.go_on()) == (401, "invalid_login_token")
    again = Enrolment(waiting.service, waiting.service.login(account.email))
    again.enrol()
    assert again.go_on().status_code == 200


def test_who_removes_their_last_factor_adds_one_at_the_next_login(strict: Service, waiting: Enrolment) -> None:
    waiting.enrol()
    token = waiting.go_on().json["data"]["access_token"]
    assert strict.send("DELETE", "/auth/factors/totp", token=token).status_code == 200
    email = strict.get("/auth/me", token=token).json["data"]["user"]["email"]
    Enrolment(strict, strict.login(email))


def test_of_one_finished_login_sent_by_many_at_once_one_opens_a_session(waiting: Enrolment) -> None:
    waiting.enrol()
    code = waiting.code()
    replies = waiting.service.at_once(lambda _: waiting.go_on(code))
    assert [reply.status_code for reply in replies].count(200) == 1


def test_of_many_confirmations_at_once_one_adds_the_factor(waiting: Enrolment) -> None:
    assert waiting.begin().status_code == 201
    code = waiting.code()
    replies = waiting.service.at_once(lambda _: waiting.service.post(CONFIRM, {"code": code}, token=waiting.token))
    assert [reply.status_code for reply in replies].count(200) == 1
    assert waiting.go_on().status_code == 200
