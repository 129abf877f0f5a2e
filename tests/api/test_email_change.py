"""Stories of changing the e-mail address, and of taking the change back."""

from tests.api.mailbox import mails_to, newest_to
from tests.api.service import PASSWORD, Account, Reply, Service, Start, new_names
from tests.api.test_recovery import NEW, outcome, reset, verified

WEEK = 7 * 24 * 60 * 60


def ask(service: Service, account: Account, email: str, password: str = PASSWORD, token: str | None = None) -> Reply:
    return service.post("/auth/email", {"email": email, "password": password}, token=token or account.token)


def verify(service: Service, email: str) -> Reply:
    return service.post("/auth/email/verify", {"token": newest_to(service, email).token})


def undo(service: Service, token: str) -> Reply:
    return service.post("/auth/email/undo", {"token": token})


def moved(service: Service) -> tuple[Account, str, str]:
    """A user with a verified address, the address it was changed to, and the token that undoes the change."""
    ann, (new, _) = verified(service), new_names()
    assert ask(service, ann, new).status_code == 202
    assert verify(service, new).status_code == 200
    return ann, new, newest_to(service, ann.email).token


def test_a_change_takes_effect_when_the_new_address_is_proven(service: Service) -> None:
    ann, (new, _) = verified(service), new_names()
    assert ask(service, ann, new).status_code == 202
    assert service.get("/auth/me", token=ann.token).json["data"]["user"]["email"] == ann.email
    assert outcome(service.login(new)) == (401, "invalid_credentials")
    assert verify(service, new).status_code == 200
    user = service.get("/auth/me", token=ann.token).json["data"]["user"]
    assert (user["email"], user["email_verified"]) == (new, True)
    assert service.login(new).status_code == 200
    assert outcome(service.login(ann.email)) == (401, "invalid_credentials")


def test_the_new_address_can_be_proven_by_its_code(service: Service) -> None:
    ann, (new, _) = verified(service), new_names()
    ask(service, ann, new)
    code = newest_to(service, new).code
    assert service.post("/auth/email/verify", {"email": new, "code": code}).status_code == 200


def test_the_old_address_is_notified_and_can_undo(service: Service) -> None:
    ann, new, token = moved(service)
    assert undo(service, token).status_code == 200
    assert outcome(service.get("/auth/me", token=ann.token)) == (401, "session_ended")
    for name in (ann.email, new, ann.username):
        assert outcome(service.login(name)) == (401, "invalid_credentials")
    assert reset(service, token=newest_to(service, ann.email).token).status_code == 200
    user = service.login(ann.email, NEW).json["data"]["user"]
    assert (user["email"], user["email_verified"]) == (ann.email, True)


def test_a_change_needs_the_password(service: Service) -> None:
    ann, (new, _) = verified(service), new_names()
    assert outcome(ask(service, ann, new, "a wrong password")) == (403, "wrong_password")
    assert mails_to(service, new) == []


def test_a_missing_password_is_told_beside_a_wrong_address(service: Service) -> None:
    token = service.register().token
    for body in ({}, {"email": "no address"}):
        reply = service.post("/auth/email", body, token=token)
        assert reply.status_code == 422
        assert [error["field"] for error in reply.json["errors"]] == ["email", "password"]


def test_wrong_passwords_there_count_as_failed_logins(service: Service) -> None:
    ann, (new, _) = verified(service), new_names()
    for _ in range(10):
        ask(service, ann, new, "a wrong password")
    assert outcome(ask(service, ann, new)) == (429, "too_many_requests")
    assert outcome(service.login(ann.email)) == (429, "too_many_requests")


def test_the_undo_works_for_seven_days_and_only_once(service: Service) -> None:
    _, _, early = moved(service)
    _, _, late = moved(service)
    service.clock.advance(WEEK - 1)
    assert undo(service, early).status_code == 200
    assert outcome(undo(service, early)) == (422, "invalid_code")
    service.clock.advance(1)
    assert outcome(undo(service, late)) == (422, "invalid_code")


def test_the_old_address_is_held_for_seven_days(service: Service) -> None:
    ann, _, _ = moved(service)
    registration = {"email": ann.email, "password": PASSWORD}
    assert outcome(service.post("/auth/register", registration)) == (409, "email_taken")
    bob = verified(service)
    assert outcome(ask(service, bob, ann.email)) == (409, "email_taken")
    service.clock.advance(WEEK)
    assert service.post("/auth/register", registration).status_code == 201


def test_an_address_that_was_never_proven_is_not_held(service: Service) -> None:
    """Mallory registers Ann's address without reading its mail, and moves on to their own."""
    mallory, (his, _) = service.register(), new_names()
    ask(service, mallory, his)
    assert verify(service, his).status_code == 200
    told = newest_to(service, mallory.email)
    ann = service.register(email=mallory.email)
    proof = next(mail for mail in mails_to(service, ann.email) if mail.subject != told.subject).token
    assert service.post("/auth/email/verify", {"token": proof}).status_code == 200
    assert outcome(undo(service, told.token)) == (409, "email_taken")


def test_owners_can_return_to_their_old_address_themselves(service: Service) -> None:
    ann, _, _ = moved(service)
    assert ask(service, ann, ann.email).status_code == 202
    assert verify(service, ann.email).status_code == 200
    assert service.login(ann.email).status_code == 200


def test_the_undo_outlives_changes_of_password_and_address(service: Service) -> None:
    """Mallory has Ann's password and changes the address, then the password, then the address again."""
    ann, second, token = moved(service)
    service.post("/auth/password", {"current_password": PASSWORD, "new_password": NEW}, token=ann.token)
    third, _ = new_names()
    assert ask(service, ann, third, NEW).status_code == 202
    assert verify(service, third).status_code == 200
    later = newest_to(service, second).token
    pending, _ = new_names()
    ask(service, ann, pending, NEW)
    waiting = newest_to(service, pending).token

    assert undo(service, token).status_code == 200
    assert outcome(undo(service, later)) == (422, "invalid_code")
    assert outcome(service.post("/auth/email/verify", {"token": waiting})) == (422, "invalid_code")
    for name in (second, third, ann.email, ann.username):
        assert outcome(service.login(name, NEW)) == (401, "invalid_credentials")
    for released in (second, third):
        assert service.post("/auth/register", {"email": released, "password": PASSWORD}).status_code == 201


def test_a_reset_names_an_earlier_address_that_can_still_take_the_account_back(
    service: Service,
) -> None:
    """Mallory had Ann confirm a change of Mallory's account to her address."""
    mallory, hers, _ = moved(service)
    service.post("/auth/password/forgot", {"email": hers})
    warned = newest_to(service, hers).text
    assert f"{mallory.email[0]}•••@example.com" in warned
    assert "put nothing of yours into it" in warned.replace("\n", " ")
    service.clock.advance(WEEK)
    service.post("/auth/password/forgot", {"email": hers})
    assert "•••" not in newest_to(service, hers).text


def test_a_reset_by_the_new_address_does_not_end_the_undo(service: Service) -> None:
    """Mallory moved Ann's account to their own address, and resets the password there."""
    _, his, token = moved(service)
    service.post("/auth/password/forgot", {"email": his})
    assert reset(service, token=newest_to(service, his).token).status_code == 200
    assert undo(service, token).status_code == 200
    assert outcome(service.login(his, NEW)) == (401, "invalid_credentials")


def test_an_earlier_undo_outlives_a_later_one(service: Service) -> None:
    ann, second, first_undo = moved(service)
    third, _ = new_names()
    ask(service, ann, third)
    verify(service, third)
    assert undo(service, newest_to(service, second).token).status_code == 200
    assert undo(service, first_undo).status_code == 200
    assert reset(service, token=newest_to(service, ann.email).token).status_code == 200


def test_an_address_that_another_has_proven_is_taken(service: Service) -> None:
    ann, bob = verified(service), verified(service)
    assert outcome(ask(service, ann, bob.email)) == (409, "email_taken")


def test_an_address_that_another_only_claimed_goes_to_the_user_who_verifies_it(service: Service) -> None:
    ann, mallory = verified(service), service.register()
    newest_to(service, mallory.email)
    assert ask(service, ann, mallory.email).status_code == 202
    mail = newest_to(service, mallory.email)
    assert service.post("/auth/email/verify", {"token": mail.token}).status_code == 200
    assert service.get("/auth/me", token=ann.token).json["data"]["user"]["email"] == mallory.email
    assert service.get("/auth/me", token=mallory.token).json["data"]["user"]["email"] is None


def test_an_address_verified_by_another_meanwhile_stays_with_them(service: Service) -> None:
    ann, bob = verified(service), verified(service)
    wanted, _ = new_names()
    ask(service, ann, wanted)
    ask(service, bob, wanted)
    second, first = mails_to(service, wanted)
    assert service.post("/auth/email/verify", {"token": first.token}).status_code == 200
    assert outcome(service.post("/auth/email/verify", {"token": second.token})) == (409, "email_taken")


def test_of_many_users_verifying_one_address_at_once_one_gets_it(service: Service) -> None:
    wanted, _ = new_names()
    accounts = [verified(service) for _ in range(4)]
    for account in accounts:
        ask(service, account, wanted)
    tokens = [mail.token for mail in mails_to(service, wanted)]
    replies = service.at_once(lambda number: service.post("/auth/email/verify", {"token": tokens[number]}), many=4)
    assert sorted(reply.status_code for reply in replies) == [200, 409, 409, 409]


def test_after_too_many_wrong_codes_the_new_address_gets_another(service: Service) -> None:
    ann, (new, _) = verified(service), new_names()
    ask(service, ann, new)
    dead = newest_to(service, new).code
    for _ in range(100):
        service.post("/auth/email/verify", {"email": new, "code": "0000-0000"})
    assert outcome(service.post("/auth/email/verify", {"email": new, "code": dead})) == (422, "invalid_code")
    service.post("/auth/email/resend", {"email": new})
    fresh = newest_to(service, new).code
    assert fresh != dead
    assert service.post("/auth/email/verify", {"email": new, "code": fresh}).status_code == 200


def test_a_new_request_takes_the_place_of_the_one_before(service: Service) -> None:
    ann, (first, _), (second, _) = verified(service), new_names(), new_names()
    ask(service, ann, first)
    replaced = newest_to(service, first).token
    ask(service, ann, second)
    assert outcome(service.post("/auth/email/verify", {"token": replaced})) == (422, "invalid_code")
    assert verify(service, second).status_code == 200


def test_the_present_address_is_refused_as_unchanged(service: Service) -> None:
    ann = verified(service)
    reply = ask(service, ann, ann.email.upper())
    assert [(error["field"], error["code"]) for error in reply.json["errors"]] == [("email", "unchanged")]


def test_strangers_can_disown_a_change_to_their_address(service: Service) -> None:
    ann, (new, _) = verified(service), new_names()
    ask(service, ann, new)
    token = newest_to(service, new).token
    assert service.post("/auth/email/disown", {"token": token}).status_code == 200
    assert outcome(service.post("/auth/email/verify", {"token": token})) == (422, "invalid_code")
    assert service.get("/auth/me", token=ann.token).status_code == 200


def test_a_user_without_an_address_gets_one(service: Service) -> None:
    username, (new, _) = new_names()[1], new_names()
    reply = service.post("/auth/register", {"username": username, "password": PASSWORD})
    bob = Account(reply.json["data"], "", username)
    assert ask(service, bob, new).status_code == 202
    assert verify(service, new).status_code == 200
    assert service.login(new).status_code == 200


def test_a_change_of_the_password_cancels_a_pending_address(service: Service) -> None:
    """Mallory knows the password and requests a change to another address; Ann changes her password in time."""
    ann, (his, _) = verified(service), new_names()
    ask(service, ann, his)
    waiting = newest_to(service, his).token
    service.post("/auth/password", {"current_password": PASSWORD, "new_password": NEW}, token=ann.token)
    assert outcome(service.post("/auth/email/verify", {"token": waiting})) == (422, "invalid_code")


def test_where_accounts_are_hidden_a_change_reveals_nothing(start: Start) -> None:
    service = start(HIDE_ACCOUNTS="on")
    ann, bob = service.hidden_account(), service.hidden_account()
    replies = [ask(service, ann, email) for email in (bob.email, new_names()[0])]
    assert {(reply.status_code, reply.data) for reply in replies} == {(202, replies[0].data)}
    assert service.get("/auth/me", token=ann.token).json["data"]["user"]["email"] == ann.email


def test_where_accounts_are_hidden_the_owner_of_a_taken_address_is_notified_without_a_link(start: Start) -> None:
    service = start(HIDE_ACCOUNTS="on")
    ann, mallory = service.hidden_account(), service.hidden_account()
    ask(service, mallory, ann.email)
    told = newest_to(service, ann.email)
    assert "in use" in told.subject
    assert "#token=" not in told.text
    service.post("/auth/email/resend", {"email": ann.email})
    assert "#token=" not in newest_to(service, ann.email).text


def test_a_change_to_an_address_verified_before_its_mail_left_is_mailed_without_a_link(service: Service) -> None:
    ann, bob = verified(service), service.register()
    proof = newest_to(service, bob.email).token
    assert ask(service, ann, bob.email).status_code == 202
    assert service.post("/auth/email/verify", {"token": proof}).status_code == 200
    assert "#token=" not in newest_to(service, bob.email).text
