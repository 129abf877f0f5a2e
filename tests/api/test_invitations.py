"""Invitations: POST /admin/users, and POST /auth/invitation, which answers one."""

from dataclasses import replace
from typing import Any

import pytest

from app.accounts.model import Users
from app.accounts.under_way import CODE_LIVES
from app.features import PERMISSIONS
from app.invitations.service import InvitationService, Invitee
from app.platform.devices import Device
from app.platform.errors import CannotBeMailed, EmailTaken
from tests.api.mailbox import mails_to, newest_to, send
from tests.api.service import PASSWORD, Account, Reply, Service, Start, new_names
from tests.api.test_roles import holder, new_role, outcome, refused_fields
from tests.stores import events_of
from tests.unit.instance import session_of

WRONG_CODE = "0000-0000"


@pytest.fixture(scope="module")
def boss(service: Service) -> Account:
    return service.administrator()


def invite(service: Service, by: Account, email: str, **more: Any) -> Reply:
    return service.post("/admin/users", {"email": email, **more}, token=by.token)


def invited(service: Service, by: Account, **more: Any) -> tuple[str, str]:
    """Invite somebody; their identifier and their address."""
    email, _ = new_names()
    reply = invite(service, by, email, **more)
    assert reply.status_code == 201, reply.text
    return reply.json["data"]["user"]["id"], email


def answer(service: Service, password: str = PASSWORD, **by: str) -> Reply:
    return service.post("/auth/invitation", {**by, "password": password})


def me(service: Service, token: str) -> dict[str, Any]:
    user: dict[str, Any] = service.get("/auth/me", token=token).json["data"]["user"]
    return user


def of(service: Service, user_id: str) -> Any:
    account = service.store.users.account(user_id)
    assert account is not None
    return account


def verify(service: Service, account: Account) -> None:
    token = newest_to(service, account.email).token
    assert service.post("/auth/email/verify", {"token": token}).status_code == 200


def test_bob_is_invited_and_answers_by_the_link(service: Service, boss: Account) -> None:
    email, username = new_names()
    reply = invite(service, boss, email, username=username, name="Bob", roles=["admin"])
    assert reply.status_code == 201
    user = reply.json["data"]["user"]
    assert user["status"] == "invited"
    assert [user[field] for field in ("email", "username", "name", "roles")] == [email, username, "Bob", ["admin"]]
    assert user["permissions"] == sorted(PERMISSIONS)

    mail = newest_to(service, email)
    assert "/invitation#token=" in mail.text
    assert "Bob" not in mail.text
    data = answer(service, token=mail.token).json["data"]
    bob = me(service, data["access_token"])
    assert bob == data["user"]
    assert bob["id"] == user["id"]
    assert [bob[field] for field in ("email_verified", "username", "name", "roles")] == [
        True, username, "Bob", ["admin"],
    ]  # fmt: skip
    assert service.login(email).status_code == 200
    assert service.post("/auth/refresh", {"refresh_token": data["refresh_token"]}).status_code == 200
    assert user["id"] in service.administrators()


def test_bob_types_the_code_and_chooses_his_names(service: Service, boss: Account) -> None:
    user_id, email = invited(service, boss, username=new_names()[1])
    _, username = new_names()
    by = {"email": email.title(), "code": newest_to(service, email).code.lower(), "username": username, "name": "Bob"}
    user = answer(service, **by).json["data"]["user"]
    assert (user["id"], user["username"], user["name"], user["roles"]) == (user_id, username, "Bob", ["member"])


def test_an_invitation_works_once(service: Service, boss: Account) -> None:
    user_id, email = invited(service, boss)
    mail = newest_to(service, email)
    assert answer(service, token=mail.token).status_code == 200
    for by in ({"token": mail.token}, {"email": email, "code": mail.code}):
        assert outcome(answer(service, **by)) == (422, "invalid_code")
    assert of(service, user_id).codes == ()


def test_of_sixteen_answers_at_once_one_succeeds(service: Service, boss: Account) -> None:
    for _ in range(3):
        _, email = invited(service, boss)
        token = newest_to(service, email).token

        def act(number: int, token: str = token) -> Reply:
            return answer(service, f"{PASSWORD} {number}", token=token)

        replies = service.at_once(act)
        assert sorted(outcome(reply) for reply in replies) == [(200, ""), *[(422, "invalid_code")] * 15]
        (winner,) = [number for number, reply in enumerate(replies) if reply.status_code == 200]
        assert service.login(email, f"{PASSWORD} {winner}").status_code == 200


def test_of_sixteen_invitations_of_one_address_at_once_one_is_made(service: Service, boss: Account) -> None:
    email, _ = new_names()
    replies = service.at_once(lambda _number: invite(service, boss, email))
    assert sorted(outcome(reply) for reply in replies) == [(201, ""), *[(409, "email_taken")] * 15]
    assert len(mails_to(service, email)) == 1


def test_an_invited_user_cannot_log_in_and_nobody_sees_them(service: Service, boss: Account) -> None:
    _, email = invited(service, boss)
    unknown, _ = new_names()
    replies = [service.login(name) for name in (email, unknown)]
    assert {(*outcome(reply), reply.json["message"]) for reply in replies} == {
        (401, "invalid_credentials", replies[0].json["message"])
    }
    member = service.register()
    listed = service.get("/auth/users", token=member.token, query="limit=100").json["data"]["users"]
    assert all(user["username"] is not None or "email" not in user for user in listed)


def test_an_invitation_expires_after_seven_days_and_can_be_mailed_anew(start: Start) -> None:
    service = start()
    boss = service.administrator()
    _, email = invited(service, boss)
    mail = newest_to(service, email)
    service.clock.advance(CODE_LIVES["invitation"].total_seconds())
    assert outcome(answer(service, token=mail.token)) == (422, "invalid_code")
    service.post("/auth/password/forgot", {"email": email})
    again = newest_to(service, email)
    assert again.token != mail.token
    assert outcome(answer(service, token=mail.token)) == (422, "invalid_code")
    assert answer(service, token=again.token).status_code == 200


@pytest.mark.parametrize("path", ["/auth/password/forgot", "/auth/email/resend"])
def test_who_lost_the_invitation_gets_it_again(service: Service, boss: Account, path: str) -> None:
    _, email = invited(service, boss)
    first = newest_to(service, email)
    assert service.post(path, {"email": email}).status_code == 202
    first_again, *_ = mails = mails_to(service, email)
    assert [mail.token for mail in mails] == [first.token] * 2
    assert answer(service, token=first_again.token).status_code == 200


def test_who_registers_an_invited_address_is_led_to_the_invitation(service: Service, boss: Account) -> None:
    user_id, email = invited(service, boss)
    reply = service.post("/auth/register", {"email": email, "password": PASSWORD})
    assert outcome(reply) == (409, "email_taken")
    service.post("/auth/password/forgot", {"email": email})
    assert answer(service, token=newest_to(service, email).token).json["data"]["user"]["id"] == user_id


@pytest.mark.parametrize("status", ["disabled", "deleted", "active"])
def test_who_is_not_invited_any_more_cannot_answer(service: Service, boss: Account, status: str) -> None:
    user_id, email = invited(service, boss)
    mail = newest_to(service, email)
    service.database.change_user(user_id, status=status)
    for by in ({"token": mail.token}, {"email": email, "code": mail.code}):
        assert outcome(answer(service, **by)) == (422, "invalid_code")
    assert of(service, user_id).password_hash is None


def test_other_codes_answer_no_invitation_and_an_invitation_is_nothing_else(service: Service, boss: Account) -> None:
    ann = service.register()
    _, email = invited(service, boss)
    mail = newest_to(service, email)
    assert outcome(answer(service, token=newest_to(service, ann.email).token)) == (422, "invalid_code")
    new = {"new_password": PASSWORD}
    for by in ({"token": mail.token}, {"email": email, "code": mail.code}):
        assert outcome(service.post("/auth/password/reset", by | new)) == (422, "invalid_code")
        assert outcome(service.post("/auth/email/verify", by)) == (422, "invalid_code")
    assert outcome(service.post("/auth/email/disown", {"token": mail.token})) == (422, "invalid_code")
    assert answer(service, token=mail.token).status_code == 200


def test_after_a_hundred_wrong_codes_only_a_new_mail_helps(start: Start) -> None:
    service = start()
    _, email = invited(service, service.administrator())
    mail = newest_to(service, email)
    for _ in range(100):
        assert outcome(answer(service, email=email, code=WRONG_CODE)) == (422, "invalid_code")
    assert outcome(answer(service, email=email, code=mail.code)) == (422, "invalid_code")
    service.clock.advance(48 * 3600)  # longer than the guesses of other codes are remembered
    assert outcome(answer(service, email=email, code=mail.code)) == (422, "invalid_code")
    service.post("/auth/password/forgot", {"email": email})
    assert outcome(answer(service, email=email, code=mail.code)) == (422, "invalid_code")
    again = newest_to(service, email)
    assert (again.token == mail.token, again.code == mail.code) == (True, False)
    assert answer(service, email=email, code=again.code).status_code == 200


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({}, [("password", "required"), ("email", "required"), ("code", "required")]),
        ({"token": "x", "email": "a@b.example", "password": PASSWORD}, [("email", "ambiguous")]),
        ({"token": "x", "password": "short"}, [("password", "too_short")]),
        ({"token": "x", "password": PASSWORD, "username": "a b c"}, [("username", "invalid_username")]),
        ({"token": "x", "password": PASSWORD, "roles": ["admin"]}, [("roles", "unknown_field")]),
    ],
)
def test_a_wrong_answer_is_refused_by_field(service: Service, body: object, errors: list[tuple[str, str]]) -> None:
    assert sorted(refused_fields(service.post("/auth/invitation", body))) == sorted(errors)


def test_a_refused_password_or_name_leaves_the_invitation_valid(service: Service, boss: Account) -> None:
    ann = service.register()
    _, username = new_names()
    _, email = invited(service, boss, username=username, name="Roberto Benigni")
    token = newest_to(service, email).token
    for own in ("Roberto Benigni", f"{username}{username}"):
        assert refused_fields(answer(service, own, token=token)) == [("password", "too_easy")]
    for taken in (ann.username.upper(), "Admin"):
        assert outcome(answer(service, token=token, username=taken)) == (409, "username_taken")
    assert answer(service, token=token).json["data"]["user"]["username"] == username


def test_where_accounts_are_hidden_an_answer_tells_no_name_and_works_once(start: Start) -> None:
    service = start(HIDE_ACCOUNTS="on")
    boss, ann = service.administrator(), service.hidden_account()
    _, email = invited(service, boss)
    user = answer(service, token=newest_to(service, email).token, username=ann.username).json["data"]["user"]
    assert user["username"] is None
    assert service.login(email).status_code == 200


def test_where_user_names_are_required_an_answer_needs_one(start: Start) -> None:
    service = start(REGISTRATION_REQUIRES="both")
    _, email = invited(service, service.administrator())
    token, (_, username) = newest_to(service, email).token, new_names()
    assert refused_fields(answer(service, token=token)) == [("username", "required")]
    assert answer(service, token=token, username=username).status_code == 200


# Whose address it is.


def test_an_address_that_somebody_has_proven_is_not_invited(service: Service, boss: Account) -> None:
    ann = service.register()
    verify(service, ann)
    assert outcome(invite(service, boss, ann.email.upper())) == (409, "email_taken")
    _, email = invited(service, boss)
    reply = invite(service, boss, email)
    assert outcome(reply) == (409, "email_taken")
    assert "reset-password" in reply.json["message"]


def test_a_former_address_that_can_be_taken_back_is_not_invited(service: Service, boss: Account) -> None:
    ann, (new, _) = service.register(), new_names()
    verify(service, ann)
    assert service.post("/auth/email", {"email": new, "password": PASSWORD}, token=ann.token).status_code == 202
    assert service.post("/auth/email/verify", {"token": newest_to(service, new).token}).status_code == 200
    assert outcome(invite(service, boss, ann.email)) == (409, "email_taken")


def test_an_address_that_is_given_up_while_it_is_invited_stays_with_who_may_take_it_back(
    service: Service, boss: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    ann, (email, _) = service.register(), new_names()
    users = service.wired.get(Users)
    add = users.add

    def move(new: str) -> None:
        assert service.post("/auth/email", {"email": new, "password": PASSWORD}, token=ann.token).status_code == 202
        assert service.post("/auth/email/verify", {"token": newest_to(service, new).token}).status_code == 200

    def added(account: Any, events: Any = ()) -> None:
        monkeypatch.setattr(users, "add", add)
        move(email)
        move(new_names()[0])
        add(account, events)

    monkeypatch.setattr(users, "add", added)
    assert outcome(invite(service, boss, email)) == (409, "email_taken")
    assert service.store.users.account_by_email(email) is None


def test_an_invitation_takes_its_address_from_who_never_proved_it_but_only_by_its_answer(
    service: Service, boss: Account
) -> None:
    squatter = service.register()
    reply = invite(service, boss, squatter.email, roles=["member"])
    assert reply.status_code == 201
    assert reply.json["data"]["user"]["email"] == squatter.email
    assert outcome(invite(service, boss, squatter.email)) == (409, "email_taken")
    assert service.login(squatter.email).status_code == 200  # nothing is proven yet
    mail = newest_to(service, squatter.email)
    assert answer(service, email=squatter.email, code=mail.code).json["data"]["user"]["email"] == squatter.email
    assert of(service, squatter.id).user.email is None
    assert of(service, squatter.id).user.username == squatter.username
    assert me(service, service.login(squatter.email).json["data"]["access_token"])["email_verified"] is True


def test_who_proves_the_address_first_keeps_it(service: Service, boss: Account) -> None:
    ann = service.register()
    verification = newest_to(service, ann.email).token
    assert invite(service, boss, ann.email).status_code == 201
    invitation = newest_to(service, ann.email).token
    assert service.post("/auth/email/verify", {"token": verification}).status_code == 200
    assert outcome(answer(service, token=invitation)) == (409, "email_taken")
    assert of(service, ann.id).user.email == ann.email


def test_with_hidden_accounts_who_proves_an_invited_address_takes_it(start: Start) -> None:
    service = start(HIDE_ACCOUNTS="on")
    user_id, email = invited(service, service.administrator(), roles=["admin"])
    invitation = newest_to(service, email).token
    service.post("/auth/register", {"email": email, "password": PASSWORD})
    assert service.post("/auth/email/verify", {"token": newest_to(service, email).token}).status_code == 200
    assert outcome(answer(service, token=invitation)) == (422, "invalid_code")
    data = service.login(email).json["data"]
    assert data["user"]["id"] != user_id
    assert data["user"]["roles"] == ["member"]


# Who may invite whom.


def test_nobody_invites_into_permissions_that_they_do_not_hold(service: Service, boss: Account) -> None:
    inviter = holder(service, boss, "users:write", "users:read")
    held, beyond = new_role(service, boss, "users:read"), new_role(service, boss, "users:read", "audit:read")
    assert invite(service, inviter, new_names()[0], roles=["member", held]).status_code == 201
    send(service)
    for roles in ([beyond], ["admin"], [held, "admin"]):
        email, _ = new_names()
        reply = invite(service, inviter, email, roles=roles)
        assert outcome(reply) == (403, "forbidden")
        assert "audit:read" in reply.json["message"]
        assert service.store.users.account_by_email(email) is None
    assert service.store.users.due(service.clock.now, 10) == []  # nor is there one to erase
    assert outcome(invite(service, service.register(), new_names()[0])) == (403, "forbidden")


def test_a_role_that_does_not_exist_is_refused(service: Service, boss: Account) -> None:
    reply = invite(service, boss, new_names()[0], roles=["member", "wizard"])
    assert refused_fields(reply) == [("roles", "unknown_role")]
    assert "wizard" in reply.text


@pytest.mark.parametrize("step", ["before", "after"])
@pytest.mark.parametrize("end", ["demoted", "logged out", "role retired"])
def test_an_invitation_of_who_lost_the_right_meanwhile_is_not_made_or_undone(
    service: Service, boss: Account, monkeypatch: pytest.MonkeyPatch, end: str, step: str
) -> None:
    inviter = holder(service, boss, "users:write", "users:read")
    role, (email, _) = new_role(service, boss, "users:read"), new_names()
    users = service.wired.get(Users)
    add = users.add

    def act() -> None:
        if end == "demoted":
            assert service.send("PUT", f"/admin/users/{inviter.id}/roles", json={"roles": []}, token=boss.token)
        elif end == "logged out":
            assert service.post("/auth/logout", {"scope": "all"}, token=inviter.token).status_code == 200
        else:
            book = service.store.role_books.load()
            assert service.store.role_books.save(book.with_retired(role, retired=True))

    def added(account: Any, events: Any = ()) -> None:
        monkeypatch.setattr(users, "add", add)
        if step == "before" and end != "role retired":
            act()
            raise EmailTaken  # as if another had claimed and given up the address: it is tried again
        add(account, events)
        act()

    monkeypatch.setattr(users, "add", added)
    reply = invite(service, inviter, email, roles=[role])
    assert outcome(reply) in {(403, "forbidden"), (401, "session_ended"), (422, "validation_failed")}
    left = service.store.users.account_by_email(email)
    assert left is None
    assert mails_to(service, email) == []


def test_what_an_administrator_and_the_user_did_is_told_by_events(service: Service, boss: Account) -> None:
    user_id, email = invited(service, boss)
    answer(service, token=newest_to(service, email).token)
    found = {event.action: event for event in events_of(service.store, user_id)}
    assert found.keys() == {"user.created", "user.invited", "user.accepted", "session.opened"}
    assert found["user.created"].details == {"by": "invitation"}
    assert (found["user.created"].actor_id, found["user.invited"].actor_id) == (boss.id, boss.id)
    assert found["user.accepted"].actor_id is None
    assert email not in str(found)


# What administrators do to invited users.


def administer(service: Service, by: Account, user_id: str, act: str) -> Reply:
    return service.post(f"/admin/users/{user_id}/{act}", {} if act == "reset-password" else None, token=by.token)


def test_an_administrator_mails_the_live_invitation_again_and_after_it_expired_a_new_one(start: Start) -> None:
    service = start()
    boss, squatter = service.administrator(), service.register()
    for email in (new_names()[0], squatter.email):
        user_id = invite(service, boss, email).json["data"]["user"]["id"]
        first = newest_to(service, email)
        assert administer(service, boss, user_id, "reset-password").status_code == 200
        assert (newest_to(service, email).token, newest_to(service, email).code) == (first.token, first.code)
        service.clock.advance(CODE_LIVES["invitation"].total_seconds())
        boss = Account(service.login(boss.email).json["data"], boss.email, boss.username)
        assert administer(service, boss, user_id, "reset-password").status_code == 200
        assert newest_to(service, email).token != first.token
        assert outcome(answer(service, token=first.token)) == (422, "invalid_code")
        assert answer(service, token=newest_to(service, email).token).status_code == 200


def test_an_invitation_ends_when_its_user_is_disabled_and_is_made_anew_when_they_are_enabled(
    service: Service, boss: Account
) -> None:
    user_id, email = invited(service, boss)
    first = newest_to(service, email)
    assert administer(service, boss, user_id, "disable").json["data"]["user"]["status"] == "disabled"
    service.post("/auth/password/forgot", {"email": email})
    assert len(mails_to(service, email)) == 1
    assert outcome(answer(service, token=first.token)) == (422, "invalid_code")
    assert administer(service, boss, user_id, "enable").json["data"]["user"]["status"] == "invited"
    assert outcome(answer(service, token=first.token)) == (422, "invalid_code")
    service.post("/auth/password/forgot", {"email": email})
    assert answer(service, token=newest_to(service, email).token).status_code == 200


def test_an_invitation_moves_with_the_address_and_ends_with_the_user(service: Service, boss: Account) -> None:
    user_id, email = invited(service, boss)
    first, (other, _) = newest_to(service, email), new_names()
    changed = service.send("PATCH", f"/admin/users/{user_id}", json={"email": other}, token=boss.token)
    assert changed.status_code == 200
    assert outcome(answer(service, token=first.token)) == (422, "invalid_code")
    second = newest_to(service, other)
    assert service.send("DELETE", f"/admin/users/{user_id}", token=boss.token).status_code == 200
    assert outcome(answer(service, token=second.token)) == (422, "invalid_code")
    assert invite(service, boss, other).status_code == 201
    assert answer(service, token=newest_to(service, other).token).json["data"]["user"]["email_verified"] is True


def test_an_administrator_gives_a_guessed_address_codes_again(start: Start) -> None:
    service = start()
    boss = service.administrator()
    user_id, email = invited(service, boss)
    for _ in range(100):
        answer(service, email=email, code=WRONG_CODE)
    assert outcome(answer(service, email=email, code=newest_to(service, email).code)) == (422, "invalid_code")
    assert administer(service, boss, user_id, "unlock").status_code == 200
    assert administer(service, boss, user_id, "reset-password").status_code == 200
    assert answer(service, email=email, code=newest_to(service, email).code).status_code == 200


def test_where_no_mail_can_be_sent_nobody_is_invited(service: Service, boss: Account) -> None:
    invitations = service.wired.get(InvitationService)
    silent = replace(invitations, accounts=replace(invitations.accounts, mailing=False))
    email, _ = new_names()
    with pytest.raises(CannotBeMailed):
        silent.invite(Invitee(email), session_of(service.wired, boss.id), Device("192.0.2.1", ""))
    assert service.store.users.account_by_email(email) is None


def test_an_invitation_is_answered_at_any_instance(service: Service, start: Start) -> None:
    other = start(on=service)
    _, email = invited(service, service.administrator())
    assert answer(other, token=newest_to(service, email).token).status_code == 200
