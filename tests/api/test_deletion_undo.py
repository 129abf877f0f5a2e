"""An account is taken over and deleted; the owner of its former address restores it."""

from dataclasses import replace

from tests.api.mailbox import mails_to, newest_to, send
from tests.api.service import PASSWORD, Account, Reply, Service, new_names
from tests.api.test_account import delete
from tests.api.test_email_change import WEEK, ask, moved, undo, verify
from tests.api.test_recovery import NEW, outcome, reset, verified


def register(service: Service, email: str) -> Reply:
    return service.post("/auth/register", {"email": email, "password": PASSWORD})


def taken_and_deleted(service: Service) -> tuple[Account, str, str]:
    """Ann, whose account Mallory moved to another address and deleted; that address, and Ann's first mail's token."""
    ann, his, token = moved(service)
    assert delete(service, ann).status_code == 200
    return ann, his, token


def test_the_former_owner_brings_a_deleted_account_back(service: Service) -> None:
    ann, his, token = taken_and_deleted(service)
    assert undo(service, token).status_code == 200
    assert outcome(service.get("/auth/me", token=ann.token)) == (401, "session_ended")
    for name in (ann.email, his):
        assert outcome(service.login(name)) == (401, "invalid_credentials")
    assert reset(service, token=newest_to(service, ann.email).token).status_code == 200
    user = service.login(ann.email, NEW).json["data"]["user"]
    assert (user["id"], user["email"], user["email_verified"]) == (ann.id, ann.email, True)
    assert (user["username"], user["roles"]) == (None, ["member"])


def test_former_owners_are_mailed_about_the_deletion_even_if_their_first_mail_never_left(service: Service) -> None:
    ann, (his, _) = verified(service), new_names()
    ask(service, ann, his)
    token = newest_to(service, his).token
    service.post("/auth/email/verify", {"token": token})
    delete(service, ann)
    told = newest_to(service, ann.email)
    assert "deleted" in told.subject.lower()
    assert undo(service, told.token).status_code == 200


def test_a_former_address_stays_held_after_the_deletion(service: Service) -> None:
    ann, his, token = taken_and_deleted(service)
    assert outcome(register(service, ann.email)) == (409, "email_taken")
    assert outcome(ask(service, verified(service), ann.email)) == (409, "email_taken")
    assert register(service, his).status_code == 201
    service.clock.advance(WEEK)
    assert outcome(undo(service, token)) == (422, "invalid_code")
    assert register(service, ann.email).status_code == 201


def test_after_the_last_offer_nothing_is_left_of_a_deleted_account(service: Service) -> None:
    ann, _, _ = taken_and_deleted(service)
    send(service)
    kept = service.store.users.account(ann.id)
    assert kept is not None
    assert [offer.email for offer in kept.undo_offers] == [ann.email]
    user = kept.user
    assert (user.email, user.username, user.name, kept.password_hash) == (None, None, None, None)
    service.clock.advance(WEEK)
    send(service)
    assert service.store.users.account(ann.id) is None


def test_an_address_that_was_never_proven_brings_no_deleted_account_back(service: Service) -> None:
    mallory, (his, _) = service.register(), new_names()
    ask(service, mallory, his)
    verify(service, his)
    token = newest_to(service, mallory.email).token
    delete(service, mallory)
    send(service)
    assert service.store.users.account(mallory.id) is None
    assert outcome(undo(service, token)) == (422, "invalid_code")


def test_the_earliest_owner_keeps_the_undo_after_a_later_owner_restores_the_account(service: Service) -> None:
    """Mallory moves Ann's account twice, deletes it, and brings it back by the first of these addresses."""
    ann, his, token = moved(service)
    third, _ = new_names()
    ask(service, ann, third)
    verify(service, third)
    delete(service, ann)
    assert undo(service, newest_to(service, his).token).status_code == 200
    assert outcome(register(service, ann.email)) == (409, "email_taken")
    assert undo(service, token).status_code == 200
    assert reset(service, token=newest_to(service, ann.email).token).status_code == 200


def test_an_account_that_came_back_can_be_deleted_again(service: Service) -> None:
    ann, _, token = taken_and_deleted(service)
    undo(service, token)
    reset(service, token=newest_to(service, ann.email).token)
    back = Account(service.login(ann.email, NEW).json["data"], ann.email, "", NEW)
    assert delete(service, back, NEW).status_code == 200
    assert "last mail" in newest_to(service, ann.email).text
    assert service.store.users.account(ann.id) is None
    assert outcome(undo(service, token)) == (422, "invalid_code")


def test_what_a_restored_account_gets_outlives_the_purge_of_what_it_had_before(service: Service) -> None:
    ann, _, token = taken_and_deleted(service)
    undo(service, token)
    reset(service, token=newest_to(service, ann.email).token)
    session = service.login(ann.email, NEW).json["data"]["access_token"]
    service.clock.advance(600)
    send(service)
    assert service.get("/auth/me", token=session).status_code == 200


def test_many_undos_of_a_deleted_account_at_once_bring_it_back_once(service: Service) -> None:
    ann, _, token = taken_and_deleted(service)
    replies = service.at_once(lambda _: undo(service, token))
    assert sorted(reply.status_code for reply in replies) == [200] + [422] * 15
    assert len([mail for mail in mails_to(service, ann.email) if "new password" in mail.subject]) == 1


def test_a_deletion_and_an_undo_at_once_leave_the_account_to_the_former_owner(service: Service) -> None:
    for _ in range(4):
        ann, _, token = moved(service)

        def act(number: int, ann: Account = ann, token: str = token) -> int:
            return (delete(service, ann) if number else undo(service, token)).status_code

        undone, deleted = service.at_once(act, many=2)
        assert undone == 200
        assert deleted in {200, 401, 403}
        assert reset(service, token=newest_to(service, ann.email).token).status_code == 200
        assert service.login(ann.email, NEW).json["data"]["user"]["id"] == ann.id


def test_the_undo_works_on_a_disabled_account_and_does_not_enable_it(service: Service) -> None:
    ann, _, token = moved(service)
    account = service.store.users.account(ann.id)
    assert account is not None
    assert service.store.users.save(replace(account, user=replace(account.user, status="disabled")))
    mails = len(mails_to(service, ann.email))
    assert undo(service, token).status_code == 200
    assert len(mails_to(service, ann.email)) == mails
    kept = service.store.users.account(ann.id)
    assert kept is not None
    assert (kept.user.email, kept.user.status, kept.password_hash) == (ann.email, "disabled", None)
