"""Stories of attackers who come between, or who turn the service against others."""

from itertools import count

import pytest

from app.accounts.account import Account
from app.accounts.deletion import DeletionService
from app.accounts.registration import NewAccount
from app.platform.devices import Device
from app.platform.errors import SessionEnded, WrongPassword
from app.recovery.inputs import MailedToken, ResetPassword, VerifyEmail
from app.sessions.authenticator import AccessTokenAuthenticator
from app.sessions.service import SessionService
from tests.api.mailbox import mails_to, newest_to, send
from tests.api.service import PASSWORD, Service, Start, new_names
from tests.api.test_email_change import ask, undo, verify
from tests.api.test_recovery import NEW, outcome, reset, verified

HERE = Device("192.0.2.1", "")
CHOSEN = "Call 555 1234, your account is blocked Bot/1.0"
"""A User-Agent whose words the parser takes for the name of a program."""


def test_a_session_that_was_ended_is_not_kept_by_its_own_logout_of_the_others(service: Service) -> None:
    """Mallory's request was admitted before the owner reset the password, and is carried out after it."""
    ann = verified(service)
    mallory = service.login(ann.email).json["data"]
    caller = service.wired.get(AccessTokenAuthenticator).authenticate(mallory["access_token"])
    service.post("/auth/password/forgot", {"email": ann.email})
    assert reset(service, token=newest_to(service, ann.email).token).status_code == 200
    with pytest.raises(SessionEnded):
        service.wired.get(SessionService).log_out(caller, "others", HERE)
    assert outcome(service.get("/auth/me", token=mallory["access_token"])) == (401, "session_ended")
    refreshed = service.post("/auth/refresh", {"refresh_token": mallory["refresh_token"]})
    assert outcome(refreshed) == (401, "invalid_refresh_token")


def test_users_cannot_choose_the_words_of_mail_to_an_unverified_address(service: Service) -> None:
    """Mallory registers the address of a stranger, and sends a message as the name of the device."""
    stranger, (new, _) = service.register(), new_names()
    chosen = {"User-Agent": CHOSEN}
    service.send("PATCH", "/auth/me", json={"name": "Mallory"}, token=stranger.token, headers=chosen)
    ask(service, stranger, new)
    token = newest_to(service, new).token
    assert service.post("/auth/email/verify", {"token": token}, headers=chosen).status_code == 200
    mails = mails_to(service, stranger.email)
    assert len(mails) == 3
    assert not [mail for mail in mails if "blocked" in mail.text + mail.html]


def test_an_unsent_undo_offer_is_not_displaced(service: Service) -> None:
    """Mallory changes the address, and then all they can, while the mail server lets the mail wait."""
    ann, (new, _) = verified(service), new_names()
    ask(service, ann, new)
    token = newest_to(service, new).token
    service.post("/auth/email/verify", {"token": token})
    for number in range(40):
        service.send("PATCH", "/auth/me", json={"name": f"Mallory {number}"}, token=ann.token)
    assert undo(service, newest_to(service, ann.email).token).status_code == 200
    assert len(mails_to(service, new)) == 16  # the proof of the address, and as many warnings as a day allows


def test_changes_of_address_are_limited_and_no_former_owner_loses_an_undo_offer(service: Service) -> None:
    ann = verified(service)
    for _ in range(20):
        new, _ = new_names()
        assert ask(service, ann, new).status_code == 202
        assert verify(service, new).status_code == 200
    refused = ask(service, ann, new_names()[0])
    assert outcome(refused) == (429, "too_many_requests")
    assert refused.headers["Retry-After"] == str(7 * 24 * 60 * 60)
    assert undo(service, newest_to(service, ann.email).token).status_code == 200


def test_an_undo_leaves_an_address_held_that_an_earlier_undo_gives_back(service: Service) -> None:
    ann, (second, _), (third, _) = verified(service), new_names(), new_names()
    for address in (second, ann.email, third):
        assert ask(service, ann, address).status_code == 202
        assert verify(service, address).status_code == 200
    first = mails_to(service, ann.email)[-2].token
    assert undo(service, newest_to(service, second).token).status_code == 200
    stranger = service.post("/auth/register", {"email": ann.email, "password": PASSWORD})
    assert outcome(stranger) == (409, "email_taken")
    assert undo(service, first).status_code == 200


def test_an_administrator_whose_deletion_fails_at_the_last_moment_stays_one(service: Service) -> None:
    service.administrator()
    ann = service.administrator()
    looks = count()

    def check(account: Account) -> Account:
        if next(looks):
            raise WrongPassword  # the password was changed meanwhile
        assert service.store.users.confirm_role(ann.id, "admin")  # another write comes first
        return account

    with pytest.raises(WrongPassword):
        service.wired.get(DeletionService).delete_if(ann.id, check, HERE, action="user.deleted")
    assert service.get("/auth/me", token=ann.token).json["data"]["user"]["roles"] == ["admin"]


def test_the_last_administrator_is_not_disowned(start: Start) -> None:
    service = start()
    ann = service.administrator()
    token = newest_to(service, ann.email).token
    assert outcome(service.post("/auth/email/disown", {"token": token})) == (409, "last_admin")
    assert service.get("/auth/me", token=ann.token).json["data"]["user"]["roles"] == ["admin"]


def test_where_accounts_are_hidden_the_export_does_not_reveal_who_owns_a_new_address(start: Start) -> None:
    service = start(HIDE_ACCOUNTS="true")
    ann, mallory = service.hidden_account(), service.hidden_account()
    exports = []
    for email in (ann.email, new_names()[0]):
        assert ask(service, mallory, email).status_code == 202
        exported = service.get("/auth/me/export", token=mallory.token).json["data"]
        exports.append([mail["kind"] for mail in exported["waiting_mails"]])
        send(service)
    assert exports == [["change_email"], ["change_email"]]


def test_credentials_do_not_appear_in_request_logs() -> None:
    shown = repr(
        (
            NewAccount(PASSWORD, "ann@example.com"),
            ResetPassword(token="planted-token", new_password=PASSWORD),
            VerifyEmail(email="ann@example.com", code="PLNT-CODE"),
            MailedToken(token="planted-token"),
        )
    )
    assert not [secret for secret in (PASSWORD, "planted-token", "PLNT-CODE") if secret in shown]


def test_a_claimed_and_abandoned_address_goes_to_the_user_who_verifies_it(service: Service) -> None:
    """Mallory registers the address of a stranger, and moves on to their own so that the first one is held for them."""
    mallory, bob, (other, _) = service.register(), verified(service), new_names()
    assert ask(service, mallory, other).status_code == 202
    assert verify(service, other).status_code == 200
    assert ask(service, bob, mallory.email).status_code == 202
    assert verify(service, mallory.email).status_code == 200
    former = next(mail for mail in mails_to(service, mallory.email) if "was changed" in mail.subject)
    assert outcome(undo(service, former.token)) == (409, "email_taken")
    assert service.login(mallory.email).json["data"]["user"]["id"] == bob.id


def test_where_accounts_are_hidden_an_address_that_was_given_up_unproven_can_be_registered(start: Start) -> None:
    open_service = start()
    mallory, (other, _) = open_service.register(), new_names()
    ask(open_service, mallory, other)
    verify(open_service, other)
    service = start(on=open_service, HIDE_ACCOUNTS="true")
    assert service.post("/auth/register", {"email": mallory.email, "password": NEW}).status_code == 202
    mail = next(mail for mail in mails_to(service, mallory.email) if "registration" in mail.subject)
    assert service.post("/auth/email/verify", {"token": mail.token}).status_code == 200
    assert service.login(mallory.email, NEW).status_code == 200
