"""Stories of users who lost their second factors, and of thieves who say so."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.accounts.authentication import Authentication
from app.accounts.factors import TOLD_WITHIN, open_recovery_of
from app.mail.mail import Mail, MailFailedError, MailRefusedError
from app.platform.devices import Device
from app.platform.identifiers import new_id
from app.sessions.gate import LoginGate
from app.sessions.granted import Granted, NotAdmittedError
from app.sessions.proof import Proof
from tests.api.mailbox import Letter, mails_to, newest_to, send
from tests.api.service import PASSWORD, Account, Reply, Service, Start, new_names
from tests.api.test_email_change import ask as ask_for_email
from tests.api.test_email_change import undo, verify
from tests.api.test_pages import ORIGIN, heading, submit
from tests.api.test_recovery import NEW, forgot, outcome, reset, verified
from tests.api.test_second_factors import Person
from tests.stores import outbox_of

HOURS = 72
DELAY = HOURS * 3600
WARNING = "Your second factors are about to be removed"
STAY = "Your second factors stay"
REMOVED = "Your second factors were removed"
RECOVER = "/auth/factors/recover"
CANCEL = "/auth/factors/recover/cancel"
PAGE = "/cancel-recovery"


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    return start(FACTOR_RECOVERY_HOURS=str(HOURS))


@pytest.fixture
def ann(service: Service) -> Person:
    """A user with a verified address and an authenticator app."""
    person = Person(service, verified(service))
    person.enrol()
    return person


def ask(person: Person, login_token: str | None = None) -> Reply:
    return person.service.post(RECOVER, {"login_token": login_token or person.first()})


def asked(person: Person) -> str:
    """Ask for a recovery, and have the owner warned; when it takes effect."""
    reply = ask(person)
    assert reply.status_code == 202, reply.text
    send(person.service)
    at: str = reply.json["data"]["recovery"]["effective_at"]
    return at


def cancel(service: Service, token: str) -> Reply:
    return service.post(CANCEL, {"token": token})


def subjects(person: Person, address: str | None = None) -> list[str]:
    return [mail.subject for mail in mails_to(person.service, address or person.account.email)]


def warning(person: Person, address: str | None = None) -> Letter:
    mails = mails_to(person.service, address or person.account.email)
    return next(mail for mail in mails if mail.subject == WARNING)


def actions(person: Person) -> list[str]:
    events = person.service.store.events.page_of(person.account.id, before=None, limit=50)
    return [event.action for event in events if event.action.startswith("factors.")]


def has_factors(person: Person) -> bool:
    """Whether the account has second factors, without a login, which could be what removes them."""
    account = person.service.store.users.account(person.account.id)
    assert account is not None
    return bool(account.factors)


def is_under_way(person: Person) -> bool:
    account = person.service.store.users.account(person.account.id)
    assert account is not None
    return open_recovery_of(account, person.service.clock()) is not None


def secrets_of(person: Person) -> int:
    kept = person.service.store.totp_secrets
    return kept.remove_some_of(person.account.id, 10)


def is_open_by_password(person: Person, password: str = PASSWORD) -> bool:
    reply = person.service.login(person.account.email, password)
    assert outcome(reply) in {(200, None), (403, "second_factor_required")}
    return reply.status_code == 200


def test_after_the_delay_the_next_login_needs_no_second_factor(ann: Person) -> None:
    session = ann.token
    before = ann.service.clock()
    at = asked(ann)
    assert datetime.fromisoformat(at) == before + timedelta(hours=HOURS)
    ann.service.clock.advance(DELAY - 0.001)
    assert not is_open_by_password(ann)

    ann.service.clock.advance(0.001)

    assert is_open_by_password(ann)
    assert not has_factors(ann)
    assert secrets_of(ann) == 0
    assert outcome(ann.service.get("/auth/me", token=session))[0] == 401
    assert subjects(ann)[0] == REMOVED
    assert actions(ann) == ["factors.recovered", "factors.recovery_asked"]
    assert is_open_by_password(ann)


def test_after_the_delay_a_job_removes_the_factors_whoever_logs_in(ann: Person) -> None:
    asked(ann)
    ann.service.clock.advance(DELAY - 0.001)
    send(ann.service)
    assert has_factors(ann)

    ann.service.clock.advance(0.001)
    send(ann.service)

    assert not has_factors(ann)
    assert secrets_of(ann) == 0
    assert actions(ann) == ["factors.recovered", "factors.recovery_asked"]
    assert subjects(ann).count(REMOVED) == 1
    send(ann.service)
    assert subjects(ann).count(REMOVED) == 1


def test_it_is_asked_for_with_the_token_of_a_login_that_needs_a_factor(service: Service, ann: Person) -> None:
    for token in ("x", "A" * 43, "ä", ann.token):
        assert outcome(ask(ann, token)) == (401, "invalid_login_token")
    late = ann.first()
    service.clock.advance(600)
    assert outcome(ask(ann, late)) == (401, "invalid_login_token")
    used = ann.first()
    assert ann.second(used, ann.code()).status_code == 200
    assert outcome(ask(ann, used)) == (401, "invalid_login_token")
    former = ann.first()
    assert forgot(service, ann.account.email).status_code == 202
    assert reset(service, token=newest_to(service, ann.account.email).token).status_code == 200
    assert outcome(ask(ann, former)) == (401, "invalid_login_token")
    assert actions(ann) == []


@pytest.mark.parametrize("wrong", [{}, {"login_token": 7}, {"login_token": ""}, {"login_token": "x", "user_id": "y"}])
def test_a_wrong_body_is_told_by_field(service: Service, wrong: dict[str, Any]) -> None:
    assert outcome(service.post(RECOVER, wrong)) == (422, "validation_failed")


def test_the_token_still_finishes_the_login(ann: Person) -> None:
    token = ann.first()
    assert ask(ann, token).status_code == 202
    assert ann.second(token, ann.code()).status_code == 200


def test_asking_again_moves_no_time_and_mails_again(ann: Person) -> None:
    at = asked(ann)
    first = warning(ann)
    ann.service.clock.advance(3600)
    assert asked(ann) == at
    assert [mail.token for mail in mails_to(ann.service, ann.account.email) if mail.subject == WARNING] == [
        first.token, first.token,
    ]  # fmt: skip
    assert actions(ann) == ["factors.recovery_asked"]


def test_of_many_who_ask_at_once_all_get_one_time_and_the_owner_one_mail(ann: Person) -> None:
    tokens = [ann.first() for _ in range(16)]
    replies = ann.service.at_once(lambda number: ask(ann, tokens[number]))
    assert {reply.status_code for reply in replies} == {202}
    assert len({reply.json["data"]["recovery"]["effective_at"] for reply in replies}) == 1
    assert subjects(ann).count(WARNING) == 1
    assert actions(ann) == ["factors.recovery_asked"]


def test_the_mail_says_when_and_where_from_and_its_link_cancels(ann: Person) -> None:
    asked(ann)
    mail = warning(ann)
    assert "Takes effect: " in mail.text
    assert "IP address: 127.0.0.1" in mail.text
    assert f"{PAGE}#token=" in mail.text

    assert cancel(ann.service, mail.token).status_code == 200

    assert subjects(ann)[0] == STAY
    assert outcome(cancel(ann.service, mail.token)) == (422, "invalid_code")
    ann.service.clock.advance(DELAY)
    send(ann.service)
    assert not is_open_by_password(ann)
    assert actions(ann) == ["factors.recovery_cancelled", "factors.recovery_asked"]


def test_a_token_of_another_purpose_or_recovery_cancels_nothing(service: Service, ann: Person) -> None:
    asked(ann)
    old = warning(ann).token
    assert cancel(service, old).status_code == 200
    asked(ann)
    forgot(service, ann.account.email)
    for token in (old, newest_to(service, ann.account.email).token, "x", "A" * 88):
        assert outcome(cancel(service, token)) == (422, "invalid_code")
    assert outcome(reset(service, token=warning(ann).token)) == (422, "invalid_code")
    assert outcome(undo(service, warning(ann).token)) == (422, "invalid_code")
    assert cancel(service, warning(ann).token).status_code == 200


def test_once_its_time_has_come_nothing_cancels_it_but_a_factor(ann: Person) -> None:
    asked(ann)
    mail = warning(ann)
    ann.service.clock.advance(DELAY - 300)
    login = ann.first()
    ann.service.clock.advance(300)
    assert outcome(cancel(ann.service, mail.token)) == (422, "invalid_code")
    ann.token = ann.service.post("/auth/refresh", {"refresh_token": ann.account.refresh_token}).json["data"]["token"]
    assert ann.factors()["recovery"] is None
    assert outcome(ann.service.send("DELETE", RECOVER, token=ann.token)) == (404, "not_found")

    assert ann.second(login, ann.code()).status_code == 200

    assert not is_open_by_password(ann)
    assert actions(ann) == ["factors.recovery_cancelled", "factors.recovery_asked"]


def test_the_user_sees_it_in_every_session_and_cancels_it_there(ann: Person) -> None:
    assert ann.factors()["recovery"] is None
    assert outcome(ann.service.send("DELETE", RECOVER, token=ann.token)) == (404, "not_found")
    at = asked(ann)
    assert ann.factors()["recovery"] == {"effective_at": at}
    events = ann.service.get("/auth/events", token=ann.token).json["data"]["events"]
    assert "factors.recovery_asked" in [event["action"] for event in events]
    exported = ann.service.get("/auth/me/export", token=ann.token).json
    assert exported["data"]["factors"][0]["recovery"] == {"effective_at": at}

    assert ann.service.send("DELETE", RECOVER, token=ann.token).status_code == 200

    assert ann.factors()["recovery"] is None
    assert subjects(ann)[0] == STAY


@pytest.mark.parametrize("method", ["totp", "recovery_code"])
def test_a_login_with_a_factor_cancels_it_since_nothing_is_lost(ann: Person, method: str) -> None:
    asked(ann)
    code = ann.code() if method == "totp" else ann.codes[0]
    assert ann.second(ann.first(), code, method).status_code == 200
    assert subjects(ann).count(STAY) == 1
    assert actions(ann)[0] == "factors.recovery_cancelled"
    ann.service.clock.advance(DELAY)
    assert not is_open_by_password(ann)


def test_a_login_that_gets_no_further_than_the_password_cancels_nothing(ann: Person) -> None:
    asked(ann)
    assert outcome(ann.second(ann.first(), "000000")) == (422, "invalid_code")
    ann.service.clock.advance(DELAY)
    assert is_open_by_password(ann)


def new_password(person: Person) -> None:
    body = {"current_password": PASSWORD, "new_password": NEW}
    assert person.service.post("/auth/password", body, token=person.token).status_code == 200


def new_password_by_mail(person: Person) -> None:
    forgot(person.service, person.account.email)
    assert reset(person.service, token=newest_to(person.service, person.account.email).token).status_code == 200


def another_app(person: Person) -> None:
    person.enrol()


def removed_app(person: Person) -> None:
    assert person.service.send("DELETE", "/auth/factors/totp", token=person.token).status_code == 200
    person.enrol()


def logged_out_everywhere(person: Person) -> None:
    assert person.service.post("/auth/logout", {"scope": "all"}, token=person.token).status_code == 200


def administered(person: Person, act: str) -> Reply:
    boss = person.service.administrator()
    return person.service.post(f"/admin/users/{person.account.id}/{act}", {}, token=boss.token)


def disabled_for_a_while(person: Person) -> None:
    assert administered(person, "disable").status_code == 200
    assert administered(person, "enable").status_code == 200


@pytest.mark.parametrize(
    "what",
    [new_password, new_password_by_mail, another_app, removed_app, logged_out_everywhere, disabled_for_a_while],
)
def test_what_ends_the_sessions_voids_it_at_the_next_moment_and_for_good(ann: Person, what: Any) -> None:
    asked(ann)
    mail = warning(ann)

    what(ann)

    assert outcome(cancel(ann.service, mail.token)) == (422, "invalid_code")
    ann.service.clock.advance(DELAY)
    send(ann.service)
    assert not is_open_by_password(ann, NEW if what in {new_password, new_password_by_mail} else PASSWORD)
    assert has_factors(ann)
    assert "factors.recovered" not in actions(ann)


def test_after_a_void_one_another_begins_with_a_time_of_its_own(ann: Person) -> None:
    at = asked(ann)
    new_password(ann)
    ann.service.clock.advance(10)
    reply = ask(ann, ann.first(NEW))
    assert reply.json["data"]["recovery"]["effective_at"] > at
    send(ann.service)
    ann.service.clock.advance(DELAY)
    assert is_open_by_password(ann, NEW)


def test_an_administrator_who_removes_the_factors_ends_it(ann: Person) -> None:
    asked(ann)
    boss = ann.service.administrator()
    path = f"/admin/users/{ann.account.id}/reset-factors"
    assert ann.service.post(path, {"reason": "lost"}, token=boss.token).status_code == 200
    ann.token = ann.service.login(ann.account.email).json["data"]["access_token"]
    assert ann.factors()["recovery"] is None
    ann.enrol()
    ann.service.clock.advance(DELAY)
    send(ann.service)
    assert not is_open_by_password(ann)
    assert "factors.recovered" not in actions(ann)


def test_a_deletion_leaves_nothing_that_waits(ann: Person) -> None:
    asked(ann)
    assert ann.service.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=ann.token).status_code == 200
    send(ann.service)
    assert ann.service.store.users.account(ann.account.id) is None


def move(person: Person) -> str:
    """Change the address; the new one."""
    new, _ = new_names()
    assert ask_for_email(person.service, person.account, new, token=person.token).status_code == 202
    assert verify(person.service, new).status_code == 200
    return new


def test_a_change_of_address_voids_it_since_others_were_warned(ann: Person) -> None:
    asked(ann)
    new = move(ann)
    ann.service.clock.advance(DELAY)
    send(ann.service)
    assert outcome(ann.service.login(new)) == (403, "second_factor_required")


def test_an_address_that_waits_for_its_proof_is_told_nothing(ann: Person) -> None:
    new, _ = new_names()
    assert ask_for_email(ann.service, ann.account, new, token=ann.token).status_code == 202
    asked(ann)
    assert WARNING not in subjects(ann, new)
    assert subjects(ann).count(WARNING) == 1


def test_the_former_address_is_warned_and_both_links_cancel(ann: Person) -> None:
    former = ann.account.email
    new = move(ann)
    ann.account = Account(ann.account.data, new, ann.account.username)
    for address in (former, new):
        asked(ann)
        mail = warning(ann, address)
        assert mail.token == warning(ann, former).token == warning(ann, new).token
        assert cancel(ann.service, mail.token).status_code == 200
        assert subjects(ann, former)[0] == subjects(ann, new)[0] == STAY
    asked(ann)
    ann.service.clock.advance(DELAY)
    send(ann.service)
    assert subjects(ann, former)[0] == subjects(ann, new)[0] == REMOVED


def test_a_former_address_that_was_never_proven_reads_no_text_of_others(service: Service) -> None:
    person = Person(service, service.register())
    former = person.account.email
    new = move(person)
    person.account = Account(person.account.data, new, person.account.username)
    person.enrol()
    asked(person)
    mail = warning(person, former)
    assert "Device: " in warning(person, new).text
    assert "Device: " not in mail.text
    assert cancel(service, mail.token).status_code == 200
    assert "Device: " not in mails_to(service, former)[0].text


def test_who_takes_the_account_back_ends_it(ann: Person) -> None:
    former = ann.account.email
    new = move(ann)
    back = newest_to(ann.service, former).token
    ann.account = Account(ann.account.data, new, ann.account.username)
    asked(ann)
    assert undo(ann.service, back).status_code == 200
    assert reset(ann.service, token=newest_to(ann.service, former).token).status_code == 200
    ann.service.clock.advance(DELAY)
    send(ann.service)
    assert outcome(ann.service.login(former, NEW)) == (403, "second_factor_required")


def test_without_a_verified_address_nobody_could_be_warned_so_it_is_refused(service: Service) -> None:
    person = Person(service, service.register())
    person.enrol()
    reply = ask(person)
    assert outcome(reply) == (403, "forbidden")
    assert "administrator" in reply.json["message"]
    assert person.factors()["recovery"] is None
    assert actions(person) == []


def test_it_is_off_unless_a_delay_is_set(start: Start) -> None:
    service = start()
    person = Person(service, verified(service))
    person.enrol()
    reply = ask(person)
    assert outcome(reply) == (403, "forbidden")
    assert "FACTOR_RECOVERY_HOURS" in reply.json["message"]


def test_turned_off_meanwhile_it_does_not_take_effect(start: Start, service: Service) -> None:
    person = Person(service, verified(service))
    person.enrol()
    asked(person)
    person.service = start(on=service, FACTOR_RECOVERY_HOURS="0")
    service.clock.advance(DELAY)
    assert not is_open_by_password(person)
    send(person.service)
    assert not is_open_by_password(person)
    assert actions(person) == ["factors.recovery_cancelled", "factors.recovery_asked"]


class Down:
    """A mail server that takes no mail."""

    def __init__(self, failure: Exception) -> None:
        self.failure = failure

    def send(self, _mail: Mail) -> None:
        raise self.failure


@pytest.mark.parametrize("failure", [MailRefusedError("no such mailbox"), MailFailedError("down")])
def test_if_no_server_takes_the_warning_in_time_it_never_takes_effect(ann: Person, failure: Exception) -> None:
    assert ask(ann).status_code == 202
    outbox_of(ann.service.wired, mailer=Down(failure)).deliver_due()
    assert is_under_way(ann)
    ann.service.clock.advance(TOLD_WITHIN.total_seconds())
    send(ann.service)
    assert not is_under_way(ann)
    assert WARNING not in subjects(ann)
    ann.service.clock.advance(DELAY)
    send(ann.service)
    assert not is_open_by_password(ann)

    asked(ann)

    ann.service.clock.advance(DELAY)
    assert is_open_by_password(ann)


def test_a_warning_that_a_server_takes_later_but_in_time_counts(ann: Person) -> None:
    assert ask(ann).status_code == 202
    outbox_of(ann.service.wired, mailer=Down(MailFailedError("down"))).deliver_due()
    ann.service.clock.advance(TOLD_WITHIN.total_seconds() - 1)
    send(ann.service)
    assert subjects(ann).count(WARNING) == 1
    ann.service.clock.advance(DELAY)
    assert is_open_by_password(ann)


def test_a_flood_of_mails_keeps_the_warning_back_and_so_the_recovery(ann: Person) -> None:
    for _ in range(20):
        ann.service.clock.advance(60)
        at = asked(ann)
        cancel(ann.service, warning(ann).token)
    told = subjects(ann).count(WARNING)
    assert told < 20
    assert at
    ann.service.clock.advance(TOLD_WITHIN.total_seconds())
    ann.service.clock.advance(DELAY)
    assert not is_open_by_password(ann)


def test_of_a_cancellation_and_the_login_at_its_time_one_wins(ann: Person) -> None:
    for _ in range(6):
        asked(ann)
        mail = warning(ann)
        ann.service.clock.advance(DELAY - 1)

        def act(number: int, token: str = mail.token) -> int:
            if number % 2:
                return cancel(ann.service, token).status_code
            ann.service.clock.advance(0.4)
            return ann.service.login(ann.account.email).status_code

        replies = ann.service.at_once(act, 6)
        cancelled = replies[1::2].count(200)
        assert cancelled <= 1
        assert has_factors(ann) is bool(cancelled)
        happened = actions(ann)
        assert happened[0] == ("factors.recovery_cancelled" if cancelled else "factors.recovered")
        if not cancelled:
            ann.token = ann.service.login(ann.account.email).json["data"]["access_token"]
            ann.enrol()


def test_of_many_logins_at_its_time_all_are_let_in_and_it_happens_once(ann: Person) -> None:
    asked(ann)
    ann.service.clock.advance(DELAY)
    replies = ann.service.at_once(lambda _: ann.service.login(ann.account.email))
    assert {reply.status_code for reply in replies} == {200}
    assert actions(ann) == ["factors.recovered", "factors.recovery_asked"]
    assert subjects(ann).count(REMOVED) == 1


@pytest.mark.parametrize("by", ["token", "link"])
def test_the_page_cancels_by_the_token_or_the_copied_link(ann: Person, by: str) -> None:
    asked(ann)
    mail = warning(ann)
    sent = {"token": mail.token} if by == "token" else {"link": f" {ORIGIN}{PAGE}#token={mail.token}\n"}
    reply = submit(ann.service, PAGE, **sent)
    assert (reply.status_code, heading(reply)) == (200, STAY)
    assert actions(ann)[0] == "factors.recovery_cancelled"
    assert submit(ann.service, PAGE, **sent).status_code == 422


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_opening_the_page_changes_nothing_whatever_it_carries(ann: Person, method: str) -> None:
    asked(ann)
    mail = warning(ann)
    for query in (f"token={mail.token}", ""):
        reply = ann.service.send(method, PAGE, query=query, headers={"Origin": ORIGIN})
        assert reply.status_code == 200
        assert mail.token not in reply.text
    assert ann.factors()["recovery"] is not None


def test_an_api_key_cancels_nothing(ann: Person) -> None:
    asked(ann)
    body = {"name": "Mine", "permissions": []}
    made = ann.service.post("/auth/api-keys", body, token=ann.token)
    assert made.status_code == 201
    assert ann.service.send("DELETE", RECOVER, token=made.json["data"]["key"]).status_code == 403
    assert ann.factors()["recovery"] is not None


def open_for_a_client(person: Person, at: datetime) -> None:
    """What a browser does by itself, long after its user has proven both factors at this time."""
    found = person.service.store.users.account(person.account.id)
    assert found is not None
    proof = Proof(found.credentials, Authentication(at, ("pwd", "otp", "mfa")), "authorization_code")
    granted = Granted(new_id(), "a-client", first_party=False, scopes=("openid",))
    person.service.wired.get(LoginGate).open_for(proof, granted, Device("203.0.113.7", "Firefox"))


def test_a_client_that_gets_a_session_by_an_earlier_login_does_not_cancel_the_recovery(ann: Person) -> None:
    before = ann.service.clock() - timedelta(seconds=1)
    asked(ann)
    open_for_a_client(ann, before)
    assert is_under_way(ann)
    open_for_a_client(ann, ann.service.clock())
    assert not is_under_way(ann)


def test_a_client_gets_no_session_by_a_login_with_a_factor_that_is_lost_by_now(ann: Person) -> None:
    asked(ann)
    found = ann.service.store.users.account(ann.account.id)
    assert found is not None
    ann.service.clock.advance(DELAY)
    proof = Proof(found.credentials, Authentication(ann.service.clock()), "authorization_code")
    granted = Granted(new_id(), "a-client", first_party=False, scopes=("openid",))
    with pytest.raises(NotAdmittedError):
        ann.service.wired.get(LoginGate).open_for(proof, granted, Device("203.0.113.7", "Firefox"))
    assert not has_factors(ann)
