"""Stories of HIDE_ACCOUNTS: nobody finds out which addresses have an account, and registrations wait for their mail."""

import pytest

from app.jobs.expiry import ExpiryService
from tests.api.mailbox import mails_to, newest_to
from tests.api.service import PASSWORD, Reply, Service, Start, new_names
from tests.api.test_recovery import NEW, outcome

DAY = 24 * 60 * 60


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    return start(HIDE_ACCOUNTS="on")


def register(service: Service, email: str, **more: str) -> Reply:
    return service.post("/auth/register", {"email": email, "password": PASSWORD} | more)


def test_every_registration_gets_the_same_answer(service: Service) -> None:
    known, (unknown, _) = service.hidden_account(), new_names()
    replies = [register(service, email) for email in (known.email, unknown, unknown)]
    assert {(reply.status_code, reply.data) for reply in replies} == {(202, replies[0].data)}


def test_until_the_mail_is_answered_there_is_no_user_and_no_name_is_claimed(service: Service) -> None:
    email, username = new_names()
    register(service, email, username=username)
    for name in (email, username):
        assert outcome(service.login(name)) == (401, "invalid_credentials")
    other, _ = new_names()
    register(service, other, username=username)
    reply = service.post("/auth/email/verify", {"token": newest_to(service, other).token})
    assert reply.json["data"]["user"]["username"] == username


def test_the_answer_to_the_mail_makes_the_user(service: Service) -> None:
    email, username = new_names()
    register(service, email, username=username, name="Ann Example")
    mail = newest_to(service, email)
    assert username not in mail.text + mail.html
    reply = service.post("/auth/email/verify", {"email": email, "code": mail.code})
    user = reply.json["data"]["user"]
    assert (user["email"], user["email_verified"], user["username"], user["name"]) == (
        email,
        True,
        username,
        "Ann Example",
    )
    assert service.login(username).status_code == 200
    assert outcome(service.post("/auth/email/verify", {"token": mail.token})) == (422, "invalid_code")


def test_the_owner_of_a_known_address_learns_that_the_account_exists(service: Service) -> None:
    ann = service.hidden_account()
    register(service, ann.email, password=NEW)
    mail = newest_to(service, ann.email)
    assert "account" in mail.subject.lower()
    assert "#token=" not in mail.text
    assert outcome(service.login(ann.email, NEW)) == (401, "invalid_credentials")
    assert service.login(ann.email).status_code == 200


def test_many_answers_at_once_make_one_user(service: Service) -> None:
    email, _ = new_names()
    register(service, email)
    token = newest_to(service, email).token
    replies = service.at_once(lambda _: service.post("/auth/email/verify", {"token": token}))
    assert sorted(reply.status_code for reply in replies) == [200] + [422] * 15
    assert service.login(email).status_code == 200


def test_a_registration_waits_for_a_day(service: Service) -> None:
    email, _ = new_names()
    register(service, email)
    token = newest_to(service, email).token
    service.clock.advance(DAY)
    assert outcome(service.post("/auth/email/verify", {"token": token})) == (422, "invalid_code")
    service.wired.get(ExpiryService).delete_expired()
    assert service.post("/auth/email/resend", {"email": email}).status_code == 202
    assert len(mails_to(service, email)) == 1


def test_the_mail_of_a_registration_is_sent_again_on_request(service: Service) -> None:
    email, _ = new_names()
    register(service, email)
    first = newest_to(service, email)
    service.post("/auth/email/resend", {"email": email})
    again, _ = mails_to(service, email)
    assert again.token == first.token


def test_of_two_registrations_of_one_address_the_one_that_is_answered_counts(service: Service) -> None:
    """Mallory registers Ann's address, then Ann does: Ann's code makes her account, and nothing comes of Mallory's."""
    email, _ = new_names()
    register(service, email)
    his = newest_to(service, email)
    register(service, email, password=NEW)
    hers = newest_to(service, email)
    assert service.post("/auth/email/verify", {"email": email, "code": hers.code}).status_code == 200
    assert service.login(email, NEW).status_code == 200
    assert outcome(service.login(email)) == (401, "invalid_credentials")
    assert outcome(service.post("/auth/email/verify", {"token": his.token})) == (409, "email_taken")


def test_twenty_registrations_of_an_address_by_others_leave_its_owner_the_code_and_few_mails(service: Service) -> None:
    email, _ = new_names()
    register(service, email)
    hers = newest_to(service, email)
    for number in range(20):
        register(service, email, password=f"{NEW} {number}")
    assert len(mails_to(service, email)) == 3
    assert service.post("/auth/email/verify", {"email": email, "code": hers.code}).status_code == 200
    assert service.login(email).status_code == 200


def test_a_user_who_disowns_registrations_of_others_can_register(service: Service) -> None:
    email, _ = new_names()
    for number in range(10):
        register(service, email, password=f"{NEW} {number}")
    for mail in mails_to(service, email):
        assert service.post("/auth/email/disown", {"token": mail.token}).status_code == 200
    register(service, email)
    assert service.post("/auth/email/verify", {"token": newest_to(service, email).token}).status_code == 200
    assert service.login(email).status_code == 200


def test_the_code_of_a_registration_that_was_guessed_at_too_often_is_replaced(service: Service) -> None:
    email, _ = new_names()
    register(service, email)
    dead = newest_to(service, email).code
    for _ in range(100):
        service.post("/auth/email/verify", {"email": email, "code": "0000-0000"})
    service.post("/auth/email/resend", {"email": email})
    code = newest_to(service, email).code
    assert outcome(service.post("/auth/email/verify", {"email": email, "code": dead})) == (422, "invalid_code")
    assert service.post("/auth/email/verify", {"email": email, "code": code}).status_code == 200


def test_the_owner_disowns_a_registration(service: Service) -> None:
    email, _ = new_names()
    register(service, email)
    token = newest_to(service, email).token
    assert service.post("/auth/email/disown", {"token": token}).status_code == 200
    assert outcome(service.post("/auth/email/verify", {"token": token})) == (422, "invalid_code")


def test_a_registration_whose_user_name_went_to_another_makes_an_account_without_it(service: Service) -> None:
    (first, username), (second, _) = new_names(), new_names()
    for email in (first, second):
        register(service, email, username=username)
    assert service.post("/auth/email/verify", {"token": newest_to(service, first).token}).status_code == 200
    late = service.post("/auth/email/verify", {"token": newest_to(service, second).token})
    user = late.json["data"]["user"]
    assert (late.status_code, user["email"], user["username"]) == (200, second, None)
    assert service.login(second).status_code == 200


def test_nobody_learns_from_a_new_user_name_whether_another_has_it(service: Service) -> None:
    ann, bob = service.hidden_account(), service.hidden_account()
    names = (bob.username, new_names()[1], "root")
    replies = [service.send("PATCH", "/auth/me", json={"username": name}, token=ann.token) for name in names]
    assert {outcome(reply) for reply in replies} == {(403, "forbidden")}
    assert len({reply.json["message"] for reply in replies}) == 1
    changes = {"username": ann.username.upper(), "name": "Ann"}
    assert service.send("PATCH", "/auth/me", json=changes, token=ann.token).status_code == 200


def test_a_registration_has_to_give_an_address(service: Service) -> None:
    reply = service.post("/auth/register", {"username": new_names()[1], "password": PASSWORD})
    assert [(error["field"], error["code"]) for error in reply.json["errors"]] == [("email", "required")]


def test_only_administrators_list_users(service: Service) -> None:
    assert outcome(service.get("/auth/users", token=service.hidden_account().token)) == (403, "forbidden")
    assert service.get("/auth/users", token=service.administrator().token).status_code == 200
