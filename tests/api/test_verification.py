"""Verifying an address: who registered, who owns the mailbox, and what becomes of the account."""

import pytest

from tests.api.mailbox import mails_to, newest_to, send
from tests.api.service import PASSWORD, Reply, Service, Start, new_names

DAY = 24 * 60 * 60


def verify(service: Service, **by: str) -> Reply:
    return service.post("/auth/email/verify", by)


def outcome(reply: Reply) -> tuple[int, str | None]:
    return reply.status_code, reply.json.get("code")


def test_ann_registers_and_opens_the_link_that_was_mailed_to_her(service: Service) -> None:
    ann = service.register()
    assert ann.data["user"]["email_verified"] is False
    reply = verify(service, token=newest_to(service, ann.email).token)
    assert reply.json["data"]["user"]["email_verified"] is True
    assert service.get("/auth/me", token=ann.token).json["data"]["user"]["email_verified"] is True


@pytest.mark.parametrize("spelling", [str, str.lower, lambda code: code.replace("-", ""), lambda code: f" {code}\n"])
def test_the_code_is_accepted_in_either_case_with_or_without_the_dash(service: Service, spelling: object) -> None:
    ann = service.register()
    assert callable(spelling)
    code = spelling(newest_to(service, ann.email).code)
    assert verify(service, email=ann.email.upper(), code=code).status_code == 200


def test_a_code_works_once(service: Service) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)
    assert verify(service, email=ann.email, code=mail.code).status_code == 200
    assert outcome(verify(service, email=ann.email, code=mail.code)) == (422, "invalid_code")
    assert outcome(verify(service, token=mail.token)) == (422, "invalid_code")


def test_asking_again_mails_the_live_code_again(service: Service) -> None:
    ann = service.register()
    first = newest_to(service, ann.email)
    assert service.post("/auth/email/resend", {"email": ann.email}).status_code == 202
    again, _ = mails_to(service, ann.email)
    assert (again.token, again.code) == (first.token, first.code)


def test_a_code_lives_for_a_day(service: Service) -> None:
    ann, eve = service.register(), service.register()
    mails = newest_to(service, ann.email), newest_to(service, eve.email)
    service.clock.advance(DAY - 1)
    assert verify(service, token=mails[0].token).status_code == 200
    service.clock.advance(1)
    assert outcome(verify(service, token=mails[1].token)) == (422, "invalid_code")


def test_after_a_day_a_new_code_is_mailed(service: Service) -> None:
    ann = service.register()
    first = newest_to(service, ann.email)
    service.clock.advance(DAY)
    service.post("/auth/email/resend", {"email": ann.email})
    second = newest_to(service, ann.email)
    assert second.code != first.code
    assert verify(service, token=second.token).status_code == 200


def test_nobody_learns_from_resend_whether_an_address_waits(service: Service) -> None:
    waiting, verified = service.register(), service.register()
    verify(service, token=newest_to(service, verified.email).token)
    unknown, _ = new_names()
    replies = [
        service.post("/auth/email/resend", {"email": email}) for email in (waiting.email, verified.email, unknown)
    ]
    assert {(reply.status_code, reply.data) for reply in replies} == {(202, replies[0].data)}
    assert (
        len(
            {tuple(item for item in reply.headers if item[0] not in {"X-Request-ID", "RateLimit"}) for reply in replies}
        )
        == 1
    )
    assert len(mails_to(service, waiting.email)) == 2
    assert len(mails_to(service, verified.email)) == 1
    assert mails_to(service, unknown) == []


def test_a_hundred_wrong_codes_kill_the_codes_of_an_address_known_or_not(service: Service) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)
    unknown, _ = new_names()
    for email in (ann.email, unknown):
        told = {outcome(verify(service, email=email, code="0000-0000")) for _ in range(101)}
        assert told == {(422, "invalid_code")}
    assert outcome(verify(service, email=ann.email, code=mail.code)) == (422, "invalid_code")


def test_asking_again_after_too_many_wrong_codes_gives_a_new_one(service: Service) -> None:
    ann = service.register()
    dead = newest_to(service, ann.email)
    for _ in range(100):
        verify(service, email=ann.email, code="0000-0000")
    service.post("/auth/email/resend", {"email": ann.email})
    fresh = newest_to(service, ann.email)
    assert fresh.code != dead.code
    assert outcome(verify(service, email=ann.email, code=dead.code)) == (422, "invalid_code")
    assert verify(service, email=ann.email, code=fresh.code).status_code == 200


def test_a_wrong_code_of_another_address_does_not_count_against_this_one(service: Service) -> None:
    ann, eve = service.register(), service.register()
    for _ in range(100):
        verify(service, email=eve.email, code="0000-0000")
    assert verify(service, email=ann.email, code=newest_to(service, ann.email).code).status_code == 200


def test_what_was_mailed_to_verify_does_not_reset_a_password(service: Service) -> None:
    ann = service.register()
    mail = newest_to(service, ann.email)
    new = "another good long password"
    for by in ({"token": mail.token}, {"email": ann.email, "code": mail.code}):
        assert outcome(service.post("/auth/password/reset", by | {"new_password": new})) == (422, "invalid_code")
    assert outcome(service.post("/auth/email/undo", {"token": mail.token})) == (422, "invalid_code")


def test_a_code_is_bound_to_its_user(service: Service) -> None:
    ann, eve = service.register(), service.register()
    assert outcome(verify(service, email=eve.email, code=newest_to(service, ann.email).code)) == (422, "invalid_code")


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "=", lambda t: t[:40] + "A" * 48, lambda _: "x"])
def test_a_token_that_was_altered_is_refused(service: Service, change: object) -> None:
    ann = service.register()
    assert callable(change)
    assert outcome(verify(service, token=change(newest_to(service, ann.email).token))) == (422, "invalid_code")


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"email", "code"}),
        ({"email": "ann@example.com"}, {"code"}),
        ({"code": "0000-0000"}, {"email"}),
        ({"token": "a", "email": "ann@example.com", "code": "0000-0000"}, {"email", "code"}),
        ({"token": 7}, {"token"}),
    ],
)
def test_a_token_or_an_address_with_a_code_is_required(service: Service, body: object, fields: set[str]) -> None:
    reply = service.post("/auth/email/verify", body)
    assert reply.status_code == 422
    assert {error["field"] for error in reply.json["errors"]} == fields


def test_many_at_once_redeem_a_code_once(service: Service) -> None:
    ann = service.register()
    code = newest_to(service, ann.email).code
    replies = service.at_once(lambda _: verify(service, email=ann.email, code=code))
    assert sorted(outcome(reply) for reply in replies)[:2] == [(200, None), (422, "invalid_code")]
    assert len({outcome(reply) for reply in replies}) == 2


def test_the_owner_of_an_address_can_disown_an_account_made_by_another(service: Service) -> None:
    mallory = service.register()
    token = newest_to(service, mallory.email).token
    assert service.post("/auth/email/disown", {"token": token}).status_code == 200
    assert outcome(service.get("/auth/me", token=mallory.token)) == (401, "session_ended")
    assert outcome(service.login(mallory.email)) == (401, "invalid_credentials")
    assert service.post("/auth/register", {"email": mallory.email, "password": PASSWORD}).status_code == 201


def test_a_verified_account_cannot_be_disowned(service: Service) -> None:
    ann = service.register()
    token = newest_to(service, ann.email).token
    verify(service, token=token)
    assert outcome(service.post("/auth/email/disown", {"token": token})) == (422, "invalid_code")
    assert service.login(ann.email).status_code == 200


def test_a_verification_mail_holds_no_text_from_the_registration(service: Service) -> None:
    email, _ = new_names()
    names = {"username": "visit-evil.example", "name": "Win a prize at evil.example"}
    service.post("/auth/register", {"email": email, "password": PASSWORD} | names)
    mail = newest_to(service, email)
    assert "evil.example" not in mail.subject + mail.text + mail.html


def test_where_a_verified_address_is_required_the_registration_gives_no_tokens(start: Start) -> None:
    service = start(REQUIRE_VERIFIED_EMAIL="on")
    email, username = new_names()
    reply = service.post("/auth/register", {"email": email, "username": username, "password": PASSWORD})
    assert reply.status_code == 201
    assert reply.json["message"] == "User registered successfully"
    assert reply.json["data"].keys() == {"user"}
    for name in (email, username):
        assert outcome(service.login(name)) == (403, "email_not_verified")
        assert outcome(service.login(name, "a wrong password")) == (401, "invalid_credentials")
    verify(service, token=newest_to(service, email).token)
    assert service.login(email).status_code == 200


def test_where_a_verified_address_is_required_a_registration_has_to_give_one(start: Start) -> None:
    service = start(REQUIRE_VERIFIED_EMAIL="on")
    reply = service.post("/auth/register", {"username": new_names()[1], "password": PASSWORD})
    assert [(error["field"], error["code"]) for error in reply.json["errors"]] == [("email", "required")]


def test_a_mail_is_sent_once(service: Service) -> None:
    ann = service.register()
    assert len(mails_to(service, ann.email)) == 1
    assert send(service) == 0
    assert len(mails_to(service, ann.email)) == 1


def test_many_couriers_at_once_send_a_mail_once(service: Service) -> None:
    ann = service.register()
    service.post("/auth/password/forgot", {"email": ann.email})
    service.at_once(lambda _: send(service))
    assert len(mails_to(service, ann.email)) == 2
