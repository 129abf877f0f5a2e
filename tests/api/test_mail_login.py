"""Login by mail: a code for the device that asked, or a link; once, for the owner of a verified address only."""

from collections.abc import Callable
from typing import Any

import pytest

from app.accounts.deletion import DeletionService
from app.audit.late_events import LateEvents
from app.mail_login.model import MailLogin
from app.mail_login.service import id_of
from app.outbox.model import CLAIMED_FOR
from app.platform.devices import Device
from tests.api.mailbox import Letter, mails_to, newest_to, send
from tests.api.service import PASSWORD, Account, Reply, Service, Start, new_names
from tests.api.test_pages import errors, heading, hidden, submit
from tests.api.test_second_factors import Person

SUBJECT = "Your code to log in"
NEW = "another good long password"
WRONG = "0000-0000"
VERIFY = "/auth/login/code/verify"


def verified(service: Service) -> Account:
    ann = service.register()
    reply = service.post("/auth/email/verify", {"token": newest_to(service, ann.email).token})
    assert reply.status_code == 200, reply.text
    return ann


def ask(service: Service, email: str, **more: Any) -> str:
    reply = service.post("/auth/login/code", {"email": email}, **more)
    assert reply.status_code == 202, reply.text
    request: str = reply.json["data"]["request"]
    return request


def asked(service: Service, email: str, **more: Any) -> tuple[dict[str, str], dict[str, str], Letter]:
    """The bodies that log in with the code and with the link, and the mail that they are from."""
    send(service)  # what waited before
    request = ask(service, email, **more)
    mail = newest_to(service, email)
    assert mail.subject == SUBJECT
    return {"request": request, "code": mail.code}, {"token": mail.token}, mail


def log_in(service: Service, body: dict[str, str], **more: Any) -> Reply:
    return service.post(VERIFY, body, **more)


def code_of(reply: Reply) -> tuple[int, str | None]:
    return reply.status_code, reply.json.get("code")


def codes_to(service: Service, email: str) -> int:
    return sum(mail.subject == SUBJECT for mail in mails_to(service, email))


def is_live(service: Service, token: str) -> bool:
    return service.get("/auth/me", token=token).status_code == 200


DEAD = (422, "invalid_code")


@pytest.fixture
def ann(service: Service) -> Account:
    return verified(service)


By = Callable[[tuple[dict[str, str], dict[str, str], Letter]], dict[str, str]]


@pytest.fixture(params=["code", "link"])
def by(request: pytest.FixtureRequest) -> By:
    """Chooses one of the two ways of a mail."""
    return lambda sent: sent[0] if request.param == "code" else sent[1]


def test_the_code_and_the_link_each_log_in_once_and_die_together(service: Service, ann: Account) -> None:
    for first, second in ((0, 1), (1, 0)):
        sent = asked(service, ann.email)
        bodies = sent[:2]
        reply = log_in(service, bodies[first])
        assert reply.status_code == 200, reply.text
        data = reply.json["data"]
        assert data["user"]["id"] == ann.id
        assert is_live(service, data["access_token"])
        assert service.post("/auth/refresh", {"refresh_token": data["refresh_token"]}).status_code == 200
        assert code_of(log_in(service, bodies[first])) == DEAD
        assert code_of(log_in(service, bodies[second])) == DEAD


def test_the_code_is_taken_in_either_case_and_without_the_dash(service: Service, ann: Account) -> None:
    for written in (str.lower, lambda code: code.replace("-", ""), lambda code: f" {code.replace('0', 'o')} "):
        by_code, _, _ = asked(service, ann.email)
        assert log_in(service, by_code | {"code": written(by_code["code"])}).status_code == 200


def test_a_login_by_mail_is_one_factor(service: Service, ann: Account) -> None:
    by_code, _, _ = asked(service, ann.email)
    token = log_in(service, by_code).json["data"]["access_token"]
    claims = service.post("/auth/explain", {"token": token}).json["data"]["claims"]
    assert (claims["amr"], claims["acr"]) == (["otp"], "urn:latchkey:aal1")
    reply = service.get("/auth/verify", token=token, query="acr=urn:latchkey:aal2")
    assert reply.status_code == 401


def test_the_mail_says_first_the_code_then_the_link_and_where_it_was_asked_for(service: Service, ann: Account) -> None:
    _, _, mail = asked(service, ann.email, headers={"User-Agent": "curl/8.5.0"})
    assert mail.text.index(mail.code) < mail.text.index(mail.token)
    for told in ("/login/mail#token=", "IP address: 127.0.0.1", "Device: curl"):
        assert told in mail.text
    assert "together with your e-mail address" not in mail.text


def test_each_request_has_a_code_of_its_own(service: Service, ann: Account) -> None:
    one, _, _ = asked(service, ann.email)
    two, _, _ = asked(service, ann.email)
    assert one["request"] != two["request"]
    assert one["code"] != two["code"]
    assert code_of(log_in(service, one | {"code": two["code"]})) == DEAD
    assert code_of(log_in(service, two | {"code": one["code"]})) == DEAD
    assert log_in(service, one).status_code == log_in(service, two).status_code == 200


def test_the_reply_is_the_same_for_every_address_and_so_is_the_write(service: Service, ann: Account) -> None:
    unverified, disabled, nobody = service.register(), verified(service), new_names()[0]
    path = f"/admin/users/{disabled.id}/disable"
    assert service.post(path, token=service.administrator().token).status_code == 200
    send(service)
    told = {account.email: codes_to(service, account.email) for account in (ann, unverified, disabled)} | {nobody: 0}
    addresses = (ann.email, ann.email.upper(), unverified.email, disabled.email, nobody)
    replies = [service.post("/auth/login/code", {"email": email}) for email in addresses]
    for reply in replies:
        assert (reply.status_code, reply.json["message"]) == (202, replies[0].json["message"])
        assert reply.json["data"].keys() == {"request"}
        assert len(reply.json["data"]["request"]) == 43
        assert {name for name, _ in reply.headers} == {name for name, _ in replies[0].headers}
    due = service.store.mail_logins.due(service.clock(), 10)
    assert sorted(login.email.lower() for login in due) == sorted(email.lower() for email in addresses)
    send(service)
    assert service.store.mail_logins.due(service.clock(), 10) == []
    assert {email: codes_to(service, email) - before for email, before in told.items()} == {
        ann.email: 2, unverified.email: 0, disabled.email: 0, nobody: 0,
    }  # fmt: skip
    assert service.store.users.account_by_email(nobody) is None


def kept(service: Service, request: str) -> MailLogin | None:
    """What the store keeps of a request."""
    return service.store.mail_logins.find(id_of(request), service.clock())


def test_a_code_lives_for_ten_minutes(service: Service, ann: Account) -> None:
    one, two = asked(service, ann.email), asked(service, ann.email)
    service.clock.advance(599.999)
    assert log_in(service, one[0]).status_code == 200
    service.clock.advance(0.001)
    assert code_of(log_in(service, two[0])) == code_of(log_in(service, two[1])) == DEAD


def test_after_five_wrong_codes_a_request_is_dead_with_its_link(service: Service, ann: Account) -> None:
    other = asked(service, ann.email)
    by_code, by_link, _ = asked(service, ann.email)
    for _ in range(4):
        assert code_of(log_in(service, by_code | {"code": WRONG})) == DEAD
    lucky = asked(service, ann.email)
    for _ in range(4):
        log_in(service, lucky[0] | {"code": WRONG})
    assert log_in(service, lucky[0]).status_code == 200, "the fifth code may be right"
    assert code_of(log_in(service, by_code | {"code": "not a code"})) == DEAD
    assert code_of(log_in(service, by_code)) == DEAD
    assert code_of(log_in(service, by_link)) == DEAD
    assert log_in(service, other[0]).status_code == 200, "another request has tries of its own"


def test_after_a_hundred_wrong_codes_for_an_address_its_codes_are_dead_and_links_and_passwords_go_on(
    service: Service, ann: Account
) -> None:
    """A stranger asks in the owner's name and guesses; that costs the owner nothing but the code."""
    mine = asked(service, ann.email)
    for _ in range(20):
        request = ask(service, ann.email)
        for _ in range(5):
            assert code_of(log_in(service, {"request": request, "code": WRONG})) == DEAD
    assert code_of(log_in(service, mine[0])) == DEAD
    assert log_in(service, mine[1]).status_code == 200
    assert service.login(ann.email).status_code == 200
    service.clock.advance(24 * 3600)  # mail may go to this address again
    assert log_in(service, asked(service, ann.email)[0]).status_code == 200, "asking again replaces the dead code"


def test_what_was_never_mailed_is_not_told_apart(service: Service, ann: Account) -> None:
    by_code, by_link, _ = asked(service, ann.email)
    wrong = [
        {"request": "x", "code": by_code["code"]},
        {"request": by_code["request"][:-1], "code": by_code["code"]},
        {"request": by_code["request"], "code": WRONG},
        {"token": by_code["request"]},
        {"token": by_link["token"][:-1] + ("A" if by_link["token"][-1] != "A" else "B")},
        {"token": "A" * 88},
    ]
    bodies = [log_in(service, body).json | {"request_id": ""} for body in wrong]
    assert all(body == bodies[0] for body in bodies)
    assert bodies[0]["code"] == "invalid_code"


def test_tokens_and_codes_of_other_mails_open_nothing(service: Service, ann: Account) -> None:
    service.post("/auth/password/forgot", {"email": ann.email})
    reset = newest_to(service, ann.email)
    by_code, by_link, mail = asked(service, ann.email)
    assert code_of(log_in(service, {"token": reset.token})) == DEAD
    assert code_of(log_in(service, by_code | {"code": reset.code})) == DEAD
    for body in (by_link, {"email": ann.email, "code": mail.code}):
        assert code_of(service.post("/auth/password/reset", {**body, "new_password": NEW})) == DEAD
        assert code_of(service.post("/auth/email/verify", body)) == DEAD
    assert log_in(service, by_code).status_code == 200


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({}, {("request", "required"), ("code", "required")}),
        ({"request": "r"}, {("code", "required")}),
        ({"code": "c"}, {("request", "required")}),
        ({"token": "t", "code": "c"}, {("code", "ambiguous")}),
        ({"token": "t", "request": "r", "code": "c"}, {("request", "ambiguous"), ("code", "ambiguous")}),
        ({"token": "", "email": "a@example.com"}, {("token", "too_short"), ("email", "unknown_field")}),
        ({"request": {"$gt": ""}, "code": ["c"]}, {("request", "invalid_type"), ("code", "invalid_type")}),
        ({"request": "r" * 201, "code": "c" * 41}, {("request", "too_long"), ("code", "too_long")}),
    ],
)
def test_every_wrong_field_is_named(service: Service, body: dict[str, Any], wrong: set[tuple[str, str]]) -> None:
    reply = service.post(VERIFY, body)
    assert reply.status_code == 422
    assert {(each["field"], each["code"]) for each in reply.json["errors"]} == wrong


def test_without_the_setting_there_is_no_such_thing(start: Start) -> None:
    service = start(LOGIN_BY_MAIL="off")
    for path in ("/auth/login/code", VERIFY):
        assert code_of(service.post(path, {})) == code_of(service.get(path)) == (404, "not_found")
    assert service.get("/login/mail").status_code == submit(service, "/login/mail", token="x").status_code == 404
    assert "/auth/login/code" not in service.get("/openapi.json").json["paths"]


# Pairs


def reset(service: Service, ann: Account) -> None:
    service.post("/auth/password/forgot", {"email": ann.email})
    mail = next(mail for mail in mails_to(service, ann.email) if mail.subject == "Set a new password")
    reply = service.post("/auth/password/reset", {"token": mail.token, "new_password": NEW})
    assert reply.status_code == 200, reply.text


def change_password(service: Service, ann: Account) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert service.post("/auth/password", body, token=ann.token).status_code == 200


def move(service: Service, ann: Account) -> None:
    new, _ = new_names()
    assert service.post("/auth/email", {"email": new, "password": PASSWORD}, token=ann.token).status_code == 202
    assert service.post("/auth/email/verify", {"token": newest_to(service, new).token}).status_code == 200


def move_and_come_back(service: Service, ann: Account) -> None:
    move(service, ann)
    mail = next(mail for mail in mails_to(service, ann.email) if "/undo-email#" in mail.text)
    assert service.post("/auth/email/undo", {"token": mail.token}).status_code == 200


def disable(service: Service, ann: Account) -> None:
    path = f"/admin/users/{ann.id}/disable"
    assert service.post(path, token=service.administrator().token).status_code == 200


def disable_and_enable(service: Service, ann: Account) -> None:
    disable(service, ann)
    path = f"/admin/users/{ann.id}/enable"
    assert service.post(path, token=service.administrator().token).status_code == 200


def delete(service: Service, ann: Account) -> None:
    reply = service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=ann.token)
    assert reply.status_code == 200


def log_out_everywhere(service: Service, ann: Account) -> None:
    assert service.post("/auth/logout", {"scope": "all"}, token=ann.token).status_code == 200


def doubt_the_address(service: Service, ann: Account) -> None:
    reply = service.send(
        "PATCH", f"/admin/users/{ann.id}", json={"email_verified": False}, token=service.administrator().token
    )
    assert reply.status_code == 200, reply.text


CHANGES = [
    reset, change_password, move, move_and_come_back, disable, disable_and_enable, delete, log_out_everywhere,
    doubt_the_address,
]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_was_mailed_before_a_change_of_the_account_is_dead(
    service: Service, ann: Account, by: By, change: Callable[[Service, Account], None]
) -> None:
    body = by(asked(service, ann.email))
    change(service, ann)
    assert code_of(log_in(service, body)) == DEAD
    send(service)
    assert code_of(log_in(service, body)) == DEAD


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_a_change_between_two_attempts_to_mail_ends_the_request(
    service: Service, ann: Account, change: Callable[[Service, Account], None]
) -> None:
    """The worker has bound the request, and dies before the mail is out."""
    request = ask(service, ann.email)
    (login,) = service.store.mail_logins.due(service.clock(), 10)
    account = service.store.users.account(ann.id)
    assert account is not None
    assert service.store.mail_logins.bind(login.id, ann.id, account.auth_epoch)
    assert service.store.mail_logins.reschedule(login, service.clock() + CLAIMED_FOR, 1)
    change(service, ann)
    service.clock.advance(CLAIMED_FOR.total_seconds())
    send(service)
    assert codes_to(service, ann.email) == 0
    left = kept(service, request)
    assert left is None or left.due_at is None


def test_an_address_that_another_account_has_by_now_leads_there_only_for_requests_from_then_on(
    service: Service, ann: Account
) -> None:
    before = asked(service, ann.email)
    delete(service, ann)
    send(service)
    again = service.register(email=ann.email)
    assert service.post("/auth/email/verify", {"token": newest_to(service, ann.email).token}).status_code == 200
    assert code_of(log_in(service, before[0])) == code_of(log_in(service, before[1])) == DEAD
    assert log_in(service, asked(service, ann.email)[0]).json["data"]["user"]["id"] == again.id


def test_a_deletion_takes_the_requests_along(service: Service, ann: Account) -> None:
    by_code, _, _ = asked(service, ann.email)
    assert kept(service, by_code["request"]) is not None
    delete(service, ann)
    send(service)
    assert kept(service, by_code["request"]) is None


def test_a_password_changed_in_the_middle_of_a_login_by_mail_leaves_no_session(service: Service, by: By) -> None:
    """A login reads the clock between its steps; each reading is tried in turn as the moment of the change."""
    ended = refused = 0
    for moment in range(100):
        ann = verified(service)
        body, looks = by(asked(service, ann.email)), 0

        def change(account_id: str = ann.id, moment: int = moment) -> None:
            nonlocal looks
            if looks == moment:
                service.database.change_user(account_id, password_hash="$2b$04$" + "a" * 53, auth_epoch=1)
            looks += 1

        service.clock.at_each_call = change
        try:
            reply = log_in(service, body)
        finally:
            service.clock.at_each_call = lambda: None
        if looks <= moment:
            break  # there is no later moment
        if reply.status_code == 200:
            assert not is_live(service, reply.json["data"]["access_token"])
            ended += 1
        else:
            assert code_of(reply) == DEAD
            refused += 1
    assert refused >= 1
    assert ended >= 1
    assert looks < 100


def test_an_account_deleted_in_the_middle_of_a_login_by_mail_is_gone(service: Service, by: By) -> None:
    deletion, device = service.wired.get(DeletionService), Device("192.0.2.1", "")
    for moment in range(100):
        ann = verified(service)
        body, looks = by(asked(service, ann.email)), 0

        def delete(account_id: str = ann.id, moment: int = moment) -> None:
            nonlocal looks
            looks += 1
            if looks == moment + 1:
                service.clock.at_each_call = lambda: None
                deletion.delete_if(account_id, lambda kept: kept, device, action="user.deleted")
                send(service)

        service.clock.at_each_call = delete
        try:
            reply = log_in(service, body)
        finally:
            service.clock.at_each_call = lambda: None
        if looks <= moment:
            break
        assert reply.status_code in {200, 422}
        if reply.status_code == 200:
            assert not is_live(service, reply.json["data"]["access_token"])
        events = service.store.events.page_of(ann.id, before=None, limit=100)
        assert {(event.ip, event.user_agent) for event in events} == {(None, None)}
    assert looks < 100


def test_of_sixteen_who_have_one_code_or_one_link_exactly_one_gets_in(service: Service, ann: Account) -> None:
    by_code, by_link, _ = asked(service, ann.email)
    replies = service.at_once(lambda number: log_in(service, by_link if number % 2 else by_code), 16)
    assert sorted(reply.status_code for reply in replies) == [200] + [422] * 15
    for _ in range(3):
        for way in (0, 1):
            body = asked(service, ann.email)[way]
            replies = service.at_once(lambda _, body=body: log_in(service, body), 16)  # type: ignore[misc]
            assert sorted(reply.status_code for reply in replies) == [200] + [422] * 15


def test_of_many_wrong_codes_at_once_five_are_compared(service: Service, ann: Account) -> None:
    request = ask(service, ann.email)
    send(service)
    service.at_once(lambda _: log_in(service, {"request": request, "code": WRONG}), 16)
    found = kept(service, request)
    assert found is not None
    assert found.tries == 5


def test_sixteen_requests_at_once_each_get_their_own_code(service: Service, ann: Account) -> None:
    before = codes_to(service, ann.email)
    requests = service.at_once(lambda _: ask(service, ann.email), 8)
    assert len(set(requests)) == 8
    assert codes_to(service, ann.email) - before == 8


def test_no_more_than_fourteen_codes_are_mailed_to_an_address_in_a_day(service: Service) -> None:
    ann = verified(service)
    for _ in range(25):
        ask(service, ann.email)
    assert codes_to(service, ann.email) == 13, "beside the mail that verified the address"
    assert len(mails_to(service, ann.email)) == 14


# The second factor, the throttle, the device


def test_the_second_factor_is_asked_for_after_the_code_and_after_the_link(service: Service, by: By) -> None:
    person = Person(service, verified(service))
    person.enrol()
    reply = log_in(service, by(asked(service, person.account.email)))
    assert code_of(reply) == (403, "second_factor_required")
    assert "data" not in reply.json
    done = person.second(reply.json["login"]["token"], person.code())
    assert done.status_code == 200, done.text
    token = done.json["data"]["access_token"]
    claims = service.post("/auth/explain", {"token": token}).json["data"]["claims"]
    assert (claims["amr"], claims["acr"]) == (["otp", "mfa"], "urn:latchkey:aal2")


def test_a_mailed_code_is_no_second_factor(service: Service) -> None:
    person = Person(service, verified(service))
    person.enrol()
    by_code, _, mail = asked(service, person.account.email)
    login_token = person.first()
    for method in ("totp", "recovery_code"):
        assert code_of(person.second(login_token, mail.code, method)) == DEAD
    assert code_of(person.second(login_token, mail.code, "mail")) == (422, "validation_failed")
    first = log_in(service, by_code).json["login"]["token"]
    assert code_of(log_in(service, by_code)) == DEAD
    assert person.second(first, person.code()).status_code == 200


def test_a_change_of_the_factors_ends_what_was_mailed(service: Service, by: By) -> None:
    person = Person(service, verified(service))
    body = by(asked(service, person.account.email))
    person.enrol()
    assert code_of(log_in(service, body)) == DEAD


def test_guesses_of_the_second_factor_count_until_a_login_is_finished(service: Service) -> None:
    """Whoever reads the mail but has no second factor gets no new budget by logging in again and again."""
    person = Person(service, verified(service))
    person.enrol()
    refused = 0
    for _ in range(3):
        token = log_in(service, asked(service, person.account.email)[0]).json["login"]["token"]
        for _ in range(4):
            refused += person.second(token, "000000").status_code == 429
    assert refused
    service.clock.advance(3600)
    token = log_in(service, asked(service, person.account.email)[0]).json["login"]["token"]
    assert person.second(token, person.code()).status_code == 200
    token = log_in(service, asked(service, person.account.email)[0]).json["login"]["token"]
    for _ in range(5):
        assert code_of(person.second(token, "000000")) == DEAD, "the finished login cleared the count"


def test_neither_do_wrong_mailed_codes_delay_passwords_nor_wrong_passwords_mailed_codes(
    service: Service, ann: Account
) -> None:
    for _ in range(3):
        request = ask(service, ann.email)
        for _ in range(5):
            log_in(service, {"request": request, "code": WRONG})
    assert service.login(ann.email).status_code == 200
    for _ in range(10):
        service.login(ann.email, "wrong horse battery")
    assert service.login(ann.email).status_code == 429
    reply = log_in(service, asked(service, ann.email)[0])
    assert reply.status_code == 200, "a stranger who guesses passwords keeps nobody from logging in by mail"
    assert service.login(ann.email).status_code == 429, "which gives guessers no new budget"
    known = {"X-Device-Token": reply.json["data"]["device_token"]}
    assert service.login(ann.email, headers=known).status_code == 200, "the device is known from now on"


def test_a_known_device_stays_the_same_one_until_its_budget_is_used_up(service: Service, ann: Account) -> None:
    token = service.login(ann.email).json["data"]["device_token"]
    for _ in range(3):
        service.login(ann.email, "wrong horse battery", headers={"X-Device-Token": token})
    again = log_in(service, asked(service, ann.email)[0], headers={"X-Device-Token": token}).json["data"]
    for _ in range(2):
        service.login(ann.email, "wrong horse battery", headers={"X-Device-Token": again["device_token"]})
    for _ in range(10):
        service.login(ann.email, "wrong horse battery")
    used_up = {"X-Device-Token": again["device_token"]}
    assert service.login(ann.email, headers=used_up).status_code == 429
    fresh = log_in(service, asked(service, ann.email)[0], headers=used_up).json["data"]["device_token"]
    assert service.login(ann.email, headers={"X-Device-Token": fresh}).status_code == 200


def test_a_login_and_a_wrong_code_are_events(service: Service, ann: Account) -> None:
    by_code, _, _ = asked(service, ann.email)
    log_in(service, by_code | {"code": WRONG})
    token = log_in(service, by_code).json["data"]["access_token"]
    service.wired.get(LateEvents).store()
    events = service.get("/auth/events", token=token).json["data"]["events"]
    found = {event["action"]: event for event in events}
    assert {"session.opened", "login.failed"} <= found.keys()
    assert found["login.failed"]["details"]["reason"] == "mailed_code"


# Accounts that hide, and stores and mail that are away


def test_where_accounts_hide_it_works_alike(start: Start) -> None:
    service = start(HIDE_ACCOUNTS="true", REQUIRE_VERIFIED_EMAIL="on")
    ann = service.hidden_account()
    by_code, _, _ = asked(service, ann.email)
    assert log_in(service, by_code).status_code == 200
    pending, username = new_names()
    service.post("/auth/register", {"email": pending, "username": username, "password": PASSWORD})
    send(service)
    ask(service, pending)
    assert codes_to(service, pending) == 0, "a pending registration is no account"


def test_a_service_account_and_an_invited_user_get_nothing(service: Service) -> None:
    email, _ = new_names()
    boss = service.administrator()
    assert service.post("/admin/users", {"email": email}, token=boss.token).status_code == 201
    send(service)
    ask(service, email)
    assert codes_to(service, email) == 0


def test_codes_are_made_by_whoever_knows_the_secret_alone(service: Service, ann: Account) -> None:
    """What the store keeps opens nothing: neither what the device holds, nor code and token, are in it."""
    by_code, by_link, _ = asked(service, ann.email)
    stored = repr(kept(service, by_code["request"]))
    assert id_of(by_code["request"]) in stored
    for secret in (by_code["request"], by_code["code"], by_code["code"].replace("-", ""), by_link["token"]):
        assert secret not in stored


def test_with_cookies_the_browser_gets_the_refresh_token(start: Start) -> None:
    service = start(AUTH_COOKIES="on")
    ann = verified(service)
    by_code, _, _ = asked(service, ann.email)
    own = {"Origin": "http://localhost:5000", "Sec-Fetch-Site": "same-origin", "X-Auth-Cookies": "1"}
    reply = log_in(service, by_code, headers=own)
    assert reply.status_code == 200
    assert "refresh_token" not in reply.json["data"]
    (cookie,) = reply.headers.getlist("Set-Cookie")
    assert cookie.startswith("latchkey=")


# The page


@pytest.fixture(scope="module")
def browsers(start: Start) -> Service:
    return start(AUTH_COOKIES="on")


def test_link_scanners_use_up_nothing(service: Service, ann: Account) -> None:
    _, by_link, _ = asked(service, ann.email)
    for method in ("GET", "HEAD"):
        for _ in range(2):
            assert service.send(method, "/login/mail").status_code == 200
            assert service.send(method, "/login/mail", query=f"token={by_link['token']}").status_code == 200
    assert log_in(service, by_link).status_code == 200


def test_the_form_logs_the_browser_in_by_its_cookie(browsers: Service) -> None:
    ann = verified(browsers)
    _, by_link, _ = asked(browsers, ann.email)
    reply = submit(browsers, "/login/mail", token=by_link["token"])
    assert (reply.status_code, heading(reply)) == (200, "You are logged in")
    (cookie,) = reply.headers.getlist("Set-Cookie")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    value = cookie.partition(";")[0]
    assert value.partition("=")[2] not in reply.text
    renewed = browsers.post("/auth/refresh", headers={"Cookie": value, "Sec-Fetch-Site": "same-origin"})
    assert renewed.json["data"]["user"]["id"] == ann.id
    again = submit(browsers, "/login/mail", link=f" http://localhost:5000/login/mail#token={by_link['token']}\n")
    assert again.status_code == 422
    assert "Set-Cookie" not in again.headers


def test_the_form_asks_for_the_second_factor(browsers: Service) -> None:
    person = Person(browsers, verified(browsers))
    person.enrol()
    _, by_link, _ = asked(browsers, person.account.email)
    second = submit(browsers, "/login/mail", token=by_link["token"])
    assert (second.status_code, heading(second)) == (200, "Enter your second factor")
    assert "Set-Cookie" not in second.headers
    assert hidden(second).keys() == {"login_token"}
    empty = submit(browsers, "/login/mail", **hidden(second))
    assert errors(empty) == {"code": "Enter a code."}
    wrong = submit(browsers, "/login/mail", **hidden(empty), code="000000")
    assert (wrong.status_code, hidden(wrong)) == (422, hidden(second))
    done = submit(browsers, "/login/mail", **hidden(wrong), code=person.code())
    assert (done.status_code, heading(done)) == (200, "You are logged in")
    over = submit(browsers, "/login/mail", **hidden(wrong), code=person.code())
    assert (over.status_code, heading(over), hidden(over)) == (401, "Log in", {})

    _, by_link, _ = asked(browsers, person.account.email)
    second = submit(browsers, "/login/mail", token=by_link["token"])
    assert submit(browsers, "/login/mail", **hidden(second), code=person.codes[0].lower()).status_code == 200


def test_without_cookies_the_form_shows_the_code_and_uses_up_nothing(service: Service, ann: Account) -> None:
    by_code, by_link, mail = asked(service, ann.email)
    for sent in ({"token": mail.token}, {"link": f"http://localhost:5000/login/mail#token={mail.token}"}):
        reply = submit(service, "/login/mail", **sent)
        assert (reply.status_code, heading(reply)) == (200, "Your code to log in")
        assert mail.code in reply.text
        assert reply.headers["Cache-Control"] == "no-store"
    assert log_in(service, by_code).status_code == 200
    dead = submit(service, "/login/mail", token=by_link["token"])
    assert (dead.status_code, hidden(dead)) == (422, {})
    assert submit(service, "/login/mail", token="").status_code == 422


def test_the_form_is_taken_from_its_own_page_only(browsers: Service) -> None:
    ann = verified(browsers)
    _, by_link, _ = asked(browsers, ann.email)
    for origin in ("https://evil.example", "null"):
        reply = submit(browsers, "/login/mail", {"Origin": origin}, token=by_link["token"])
        assert reply.status_code == 403
    assert submit(browsers, "/login/mail", token=by_link["token"]).status_code == 200
