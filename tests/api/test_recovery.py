"""Stories of forgotten passwords, and of who takes an account back from whom."""

import pytest

from tests.api.mailbox import mails_to, newest_to, send
from tests.api.service import PASSWORD, Account, Reply, Service, new_names

NEW = "another good long password"


def forgot(service: Service, email: str) -> Reply:
    return service.post("/auth/password/forgot", {"email": email})


def reset(service: Service, new: str = NEW, **by: str) -> Reply:
    return service.post("/auth/password/reset", by | {"new_password": new})


def outcome(reply: Reply) -> tuple[int, str | None]:
    return reply.status_code, reply.json.get("code")


def verified(service: Service) -> Account:
    """Somebody who has proven the address."""
    account = service.register()
    token = newest_to(service, account.email).token
    assert service.post("/auth/email/verify", {"token": token}).status_code == 200
    return account


def test_ann_forgot_her_password_and_sets_a_new_one_by_the_link(service: Service) -> None:
    ann = verified(service)
    assert forgot(service, ann.email).status_code == 202
    assert reset(service, token=newest_to(service, ann.email).token).status_code == 200
    assert outcome(service.login(ann.email)) == (401, "invalid_credentials")
    assert service.login(ann.email, NEW).status_code == 200


def test_ann_types_the_code_on_another_device(service: Service) -> None:
    ann = verified(service)
    forgot(service, ann.email)
    code = newest_to(service, ann.email).code
    assert reset(service, email=ann.email.title(), code=code.lower()).status_code == 200
    assert service.login(ann.email, NEW).status_code == 200


def test_a_reset_ends_all_sessions_and_opens_none(service: Service) -> None:
    ann = verified(service)
    other = Account(service.login(ann.email).json["data"], ann.email, ann.username)
    forgot(service, ann.email)
    reply = reset(service, token=newest_to(service, ann.email).token)
    assert "access_token" not in reply.json["data"]
    for session in (ann, other):
        assert outcome(service.get("/auth/me", token=session.token)) == (401, "session_ended")
        refreshed = service.post("/auth/refresh", {"refresh_token": session.refresh_token})
        assert outcome(refreshed) == (401, "invalid_refresh_token")


def test_a_reset_is_mailed_to_the_owner(service: Service) -> None:
    ann = verified(service)
    forgot(service, ann.email)
    reset(service, token=newest_to(service, ann.email).token)
    assert newest_to(service, ann.email).subject == "Your password was changed"
    token = service.login(ann.email, NEW).json["data"]["access_token"]
    actions = [event["action"] for event in service.get("/auth/events", token=token).json["data"]["events"]]
    assert "password.reset" in actions


def test_nobody_learns_from_forgot_whether_an_address_has_an_account(service: Service) -> None:
    known, (unknown, _) = verified(service), new_names()
    replies = [forgot(service, email) for email in (known.email, unknown)]
    assert {(reply.status_code, reply.data) for reply in replies} == {(202, replies[0].data)}
    assert (
        len(
            {tuple(item for item in reply.headers if item[0] not in {"X-Request-ID", "RateLimit"}) for reply in replies}
        )
        == 1
    )
    assert len(mails_to(service, known.email)) == 2
    assert mails_to(service, unknown) == []


def test_asking_again_mails_the_live_code_again(service: Service) -> None:
    ann = verified(service)
    for _ in range(2):
        forgot(service, ann.email)
    second, first, _ = mails_to(service, ann.email)
    assert (second.token, second.code) == (first.token, first.code)


def test_a_reset_code_lives_for_half_an_hour(service: Service) -> None:
    ann, eve = verified(service), verified(service)
    for account in (ann, eve):
        forgot(service, account.email)
    tokens = [newest_to(service, account.email).token for account in (ann, eve)]
    service.clock.advance(30 * 60 - 1)
    assert reset(service, token=tokens[0]).status_code == 200
    service.clock.advance(1)
    assert outcome(reset(service, token=tokens[1])) == (422, "invalid_code")


def test_a_reset_code_works_once_under_sixteen_posts_at_once(service: Service) -> None:
    ann = verified(service)
    forgot(service, ann.email)
    token = newest_to(service, ann.email).token
    replies = service.at_once(lambda number: reset(service, f"{NEW} {number}", token=token))
    succeeded = [number for number, reply in enumerate(replies) if reply.status_code == 200]
    assert len(succeeded) == 1
    assert {outcome(reply) for reply in replies} == {(200, None), (422, "invalid_code")}
    assert service.login(ann.email, f"{NEW} {succeeded[0]}").status_code == 200


def test_a_password_that_is_refused_spends_nothing(service: Service) -> None:
    ann = verified(service)
    forgot(service, ann.email)
    token = newest_to(service, ann.email).token
    for wrong, code in (("short", "too_short"), ("password1234", "too_common"), (ann.email, "too_easy")):
        reply = reset(service, wrong, token=token)
        assert [(error["field"], error["code"]) for error in reply.json["errors"]] == [("new_password", code)]
    assert reset(service, token=token).status_code == 200


def test_a_reset_code_is_dead_after_a_change_of_the_password(service: Service) -> None:
    ann = verified(service)
    forgot(service, ann.email)
    token = newest_to(service, ann.email).token
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert service.post("/auth/password", body, token=ann.token).status_code == 200
    assert outcome(reset(service, token=token)) == (422, "invalid_code")


def test_a_reset_code_is_dead_after_a_change_of_the_address(service: Service) -> None:
    ann, (new, _) = verified(service), new_names()
    forgot(service, ann.email)
    token = newest_to(service, ann.email).token
    service.post("/auth/email", {"email": new, "password": PASSWORD}, token=ann.token)
    service.post("/auth/email/verify", {"token": newest_to(service, new).token})
    assert outcome(reset(service, token=token)) == (422, "invalid_code")


def test_what_was_mailed_to_reset_does_not_verify(service: Service) -> None:
    ann = service.register()
    forgot(service, ann.email)
    mail = newest_to(service, ann.email)
    for by in ({"token": mail.token}, {"email": ann.email, "code": mail.code}):
        assert outcome(service.post("/auth/email/verify", by)) == (422, "invalid_code")


def test_a_hundred_wrong_codes_kill_the_code_but_not_the_link(service: Service) -> None:
    ann = verified(service)
    forgot(service, ann.email)
    mail = newest_to(service, ann.email)
    for _ in range(100):
        assert outcome(reset(service, email=ann.email, code="0000-0000")) == (422, "invalid_code")
    assert outcome(reset(service, email=ann.email, code=mail.code)) == (422, "invalid_code")
    assert reset(service, token=mail.token).status_code == 200


def test_a_code_guessed_too_often_stays_dead_after_a_new_one_is_requested(service: Service) -> None:
    """Mallory asks for a code whenever the last one is dead: none of them works again, and Ann's newest does."""
    ann, dead = verified(service), []
    for _ in range(4):
        forgot(service, ann.email)
        dead.append(newest_to(service, ann.email).code)
        for _ in range(101):
            assert outcome(reset(service, email=ann.email, code="0000-0000")) == (422, "invalid_code")
    assert len(set(dead)) == 4
    forgot(service, ann.email)
    for code in dead:
        assert outcome(reset(service, email=ann.email, code=code)) == (422, "invalid_code")
    assert reset(service, email=ann.email, code=newest_to(service, ann.email).code).status_code == 200


def test_an_address_gets_no_more_than_twenty_mails_a_day_and_a_warning_among_them(service: Service) -> None:
    ann = verified(service)
    replies = [forgot(service, ann.email) for _ in range(30)]
    assert {reply.status_code for reply in replies} == {202}
    mails = mails_to(service, ann.email)
    assert len(mails) == 15
    assert reset(service, token=mails[0].token).status_code == 200
    assert "password" in newest_to(service, ann.email).subject.lower()
    assert len(mails_to(service, ann.email)) == 16
    service.clock.advance(24 * 60 * 60)
    forgot(service, ann.email)
    assert reset(service, token=newest_to(service, ann.email).token).status_code == 200


def test_a_reset_forgets_failed_logins(service: Service) -> None:
    ann = verified(service)
    for _ in range(12):
        service.login(ann.email, "a wrong password")
    assert outcome(service.login(ann.email)) == (429, "too_many_requests")
    forgot(service, ann.email)
    reset(service, token=newest_to(service, ann.email).token)
    assert service.login(ann.email, NEW).status_code == 200


def test_a_disabled_user_gets_no_way_back_by_mail(service: Service) -> None:
    ann = verified(service)
    forgot(service, ann.email)
    token = newest_to(service, ann.email).token
    service.database.change_user(ann.id, status="disabled")
    assert outcome(reset(service, token=token)) == (422, "invalid_code")
    forgot(service, ann.email)
    assert len(mails_to(service, ann.email)) == 2


def test_the_owner_of_an_address_takes_it_from_an_attacker_who_registered_it_first(service: Service) -> None:
    """Mallory registers Ann's address, changes all they can, and waits; Ann proves that it is hers."""
    mallory = service.register()
    other, _ = new_names()
    service.post("/auth/email", {"email": other, "password": PASSWORD}, token=mallory.token)
    pending = newest_to(service, other)
    taken = service.post("/auth/register", {"email": mallory.email, "password": NEW})
    assert outcome(taken) == (409, "email_taken")
    assert "forgot" in service.get("/errors/email_taken").text

    forgot(service, mallory.email)
    assert reset(service, token=newest_to(service, mallory.email).token).status_code == 200

    ann = service.login(mallory.email, NEW).json["data"]
    assert ann["user"]["email_verified"] is True
    assert outcome(service.get("/auth/me", token=mallory.token)) == (401, "session_ended")
    refreshed = service.post("/auth/refresh", {"refresh_token": mallory.refresh_token})
    assert outcome(refreshed) == (401, "invalid_refresh_token")
    assert outcome(service.login(mallory.email)) == (401, "invalid_credentials")
    assert outcome(service.login(mallory.username)) == (401, "invalid_credentials")
    assert outcome(service.post("/auth/email/verify", {"token": pending.token})) == (422, "invalid_code")


def test_what_the_attacker_was_mailed_before_the_proof_is_dead_after_it(service: Service) -> None:
    mallory = service.register()
    verification = newest_to(service, mallory.email)
    forgot(service, mallory.email)
    reset(service, token=newest_to(service, mallory.email).token)
    assert outcome(service.post("/auth/email/disown", {"token": verification.token})) == (422, "invalid_code")
    assert service.login(mallory.email, NEW).status_code == 200


def test_a_login_under_way_during_the_reset_opens_no_live_session(service: Service) -> None:
    """Each login of 16 either came before the reset, and its session has ended, or after it, and failed."""
    ann = verified(service)
    forgot(service, ann.email)
    token = newest_to(service, ann.email).token

    def act(number: int) -> Reply:
        return reset(service, token=token) if number == 0 else service.login(ann.email)

    _, *logins = service.at_once(act)
    for login in logins:
        if login.status_code == 200:
            me = service.get("/auth/me", token=login.json["data"]["access_token"])
            assert outcome(me) == (401, "session_ended")
        else:
            assert login.status_code in {401, 429}


@pytest.mark.parametrize("path", ["/auth/password/forgot", "/auth/email/resend"])
def test_a_request_for_mail_is_one_write_whatever_the_address(service: Service, path: str) -> None:
    ann = verified(service)
    send(service)
    for email in (ann.email, new_names()[0]):
        service.post(path, {"email": email})
    due = service.store.mail_requests.due(service.clock(), 10)
    assert len(due) == 2
    send(service)
    assert service.store.mail_requests.due(service.clock(), 10) == []
