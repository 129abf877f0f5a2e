"""What administrators do to users: /admin/users/<id>."""

from itertools import count
from typing import Any

import pytest

from app.administration.users import UserAdministration
from tests.api.mailbox import mails_to, newest_to, send
from tests.api.service import PASSWORD, Account, Reply, Service, Start, new_names
from tests.contract.races import THREADS

_NUMBERS = count(1)
NOBODY = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"
ACTS = ["disable", "enable", "logout", "unlock", "reset-password"]


@pytest.fixture(scope="module")
def boss(service: Service) -> Account:
    return service.administrator()


def act(service: Service, by: Account, on: str, what: str) -> Reply:
    body: dict[str, object] | None = {} if what == "reset-password" else None
    return service.post(f"/admin/users/{on}/{what}", body, token=by.token)


def update(service: Service, by: Account, on: str, **changes: Any) -> Reply:
    return service.send("PATCH", f"/admin/users/{on}", json=changes, token=by.token)


def delete(service: Service, by: Account, on: str) -> Reply:
    return service.send("DELETE", f"/admin/users/{on}", token=by.token)


def user(service: Service, boss: Account, on: str) -> dict[str, Any]:
    reply = service.get(f"/admin/users/{on}", token=boss.token)
    assert reply.status_code == 200
    found: dict[str, Any] = reply.json["data"]["user"]
    return found


def outcome(reply: Reply) -> tuple[int, str]:
    return reply.status_code, reply.json.get("code", "")


def events(service: Service, user_id: str) -> list[tuple[str, str | None, dict[str, str]]]:
    page = service.store.events.page_of(user_id, before=None, limit=50)
    return [(event.action, event.actor_id, dict(event.details)) for event in page]


def holder(service: Service, boss: Account, *permissions: str) -> Account:
    """A user with a role that holds exactly these permissions."""
    account, role = service.register(), f"role-{next(_NUMBERS)}"
    body = {"name": role, "permissions": list(permissions)}
    assert service.post("/admin/roles", body, token=boss.token).status_code == 201
    grant(service, boss, account.id, role)
    return account


def grant(service: Service, boss: Account, to: str, *roles: str) -> None:
    reply = service.send("PUT", f"/admin/users/{to}/roles", json={"roles": list(roles)}, token=boss.token)
    assert reply.status_code == 200


def verified(service: Service) -> Account:
    """A user who has proven their address."""
    account = service.register()
    token = newest_to(service, account.email).token
    assert service.post("/auth/email/verify", {"token": token}).status_code == 200
    return account


def is_live(service: Service, account: Account) -> bool:
    return service.get("/auth/me", token=account.token).status_code == 200


def invite(service: Service) -> str:
    """A user who has not answered their invitation."""
    account = service.register()
    stored = service.store.users.account(account.id)
    assert stored is not None
    invited = stored.with_user(status="invited")
    assert service.store.users.save(invited)
    return account.id


# Disabling and enabling


def test_a_disabled_user_is_shut_out_at_once_and_enabled_again(service: Service, boss: Account) -> None:
    ann = service.register()
    reply = act(service, boss, ann.id, "disable")
    assert reply.status_code == 200
    assert reply.json["data"]["user"]["status"] == "disabled"
    assert outcome(service.get("/auth/me", token=ann.token)) == (401, "session_ended")
    assert outcome(service.post("/auth/refresh", {"refresh_token": ann.refresh_token})) == (
        401,
        "invalid_refresh_token",
    )
    assert outcome(service.login(ann.email)) == (403, "account_disabled")
    assert outcome(service.login(ann.email, "a wrong password")) == (401, "invalid_credentials")

    reply = act(service, boss, ann.id, "enable")
    assert reply.json["data"]["user"]["status"] == "active"
    assert not is_live(service, ann), "the sessions have ended for good"
    assert service.login(ann.email).status_code == 200
    assert events(service, ann.id)[1:3] == [("user.enabled", boss.id, {}), ("user.disabled", boss.id, {})]


def test_the_api_keys_of_a_disabled_user_have_ended_for_good(service: Service, boss: Account) -> None:
    ann = service.register()
    made = service.post("/auth/api-keys", {"name": "Backup", "permissions": []}, token=ann.token)
    assert made.status_code == 201, made.text
    key = made.json["data"]["key"]
    assert service.get("/auth/me", token=key).status_code == 200
    for what in ("disable", "enable"):
        assert act(service, boss, ann.id, what).status_code == 200
        assert service.get("/auth/me", token=key).status_code == 401


def test_disabling_and_enabling_twice_changes_nothing(service: Service, boss: Account) -> None:
    ann = service.register()
    for what, status in (("disable", "disabled"), ("disable", "disabled"), ("enable", "active"), ("enable", "active")):
        reply = act(service, boss, ann.id, what)
        assert (reply.status_code, reply.json["data"]["user"]["status"]) == (200, status)
    assert [event[0] for event in events(service, ann.id)][:2] == ["user.enabled", "user.disabled"]
    subjects = [mail.subject for mail in mails_to(service, ann.email)]
    assert sorted(subjects) == ["Your account was disabled", "Your account was enabled"]


def test_users_are_told_by_mail_but_not_who_it_was(service: Service, boss: Account) -> None:
    ann = verified(service)
    act(service, boss, ann.id, "disable")
    mail = newest_to(service, ann.email)
    assert mail.subject == "Your account was disabled"
    assert "Done by: an administrator" in mail.text
    assert "IP address" not in mail.text
    assert "Device" not in mail.text


@pytest.mark.parametrize("between", [[], ["enable"]], ids=["while disabled", "enabled again"])
def test_what_was_mailed_before_a_user_was_disabled_is_void(
    service: Service, boss: Account, between: list[str]
) -> None:
    ann = verified(service)
    service.post("/auth/password/forgot", {"email": ann.email})
    reset = newest_to(service, ann.email).token
    email, _ = new_names()
    service.post("/auth/email", {"email": email, "password": PASSWORD}, token=ann.token)
    change = newest_to(service, email).token
    for what in ("disable", *between):
        assert act(service, boss, ann.id, what).status_code == 200
    body = {"token": reset, "new_password": "a whole new password"}
    assert outcome(service.post("/auth/password/reset", body)) == (422, "invalid_code")
    assert outcome(service.post("/auth/email/verify", {"token": change})) == (422, "invalid_code")


def test_a_disabled_user_who_forgot_the_password_gets_no_mail(service: Service, boss: Account) -> None:
    ann = verified(service)
    act(service, boss, ann.id, "disable")
    before = len(mails_to(service, ann.email))
    assert service.post("/auth/password/forgot", {"email": ann.email}).status_code == 202
    assert service.post("/auth/email/resend", {"email": ann.email}).status_code == 202
    assert len(mails_to(service, ann.email)) == before


def changed_address(service: Service) -> tuple[Account, str]:
    """A user who changed their address, and the token that undoes it."""
    ann = verified(service)
    email, _ = new_names()
    service.post("/auth/email", {"email": email, "password": PASSWORD}, token=ann.token)
    assert service.post("/auth/email/verify", {"token": newest_to(service, email).token}).status_code == 200
    return ann, newest_to(service, ann.email).token


def test_the_undo_of_a_change_gives_a_disabled_account_back_and_leaves_it_disabled(
    service: Service, boss: Account
) -> None:
    ann, undo = changed_address(service)
    act(service, boss, ann.id, "disable")
    assert service.post("/auth/email/undo", {"token": undo}).status_code == 200
    found = user(service, boss, ann.id)
    assert (found["email"], found["status"]) == (ann.email, "disabled")


def test_a_disabled_user_who_is_deleted_and_brought_back_is_disabled(service: Service, boss: Account) -> None:
    ann, _ = changed_address(service)
    act(service, boss, ann.id, "disable")
    assert delete(service, boss, ann.id).status_code == 200
    assert outcome(service.get(f"/admin/users/{ann.id}", token=boss.token)) == (404, "not_found")
    mail = newest_to(service, ann.email)
    assert mail.subject == "Your deleted account can be brought back"
    assert "IP address" not in mail.text
    assert service.post("/auth/email/undo", {"token": mail.token}).status_code == 200
    assert user(service, boss, ann.id)["status"] == "disabled"
    assert act(service, boss, ann.id, "enable").json["data"]["user"]["status"] == "active"


def test_one_who_was_invited_is_invited_again(service: Service, boss: Account) -> None:
    invited = invite(service)
    assert act(service, boss, invited, "enable").json["data"]["user"]["status"] == "invited"
    assert act(service, boss, invited, "disable").json["data"]["user"]["status"] == "disabled"
    assert act(service, boss, invited, "enable").json["data"]["user"]["status"] == "invited"


# Administrators


@pytest.fixture
def two(start: Start) -> tuple[Service, Account, Account]:
    """An instance with exactly two administrators."""
    own = start()
    return own, own.administrator(), own.administrator()


def test_administrators_may_disable_each_other_but_not_the_last_one(two: tuple[Service, Account, Account]) -> None:
    own, ann, bob = two
    assert act(own, ann, bob.id, "disable").status_code == 200
    for reply in (
        act(own, ann, ann.id, "disable"),
        own.send("PUT", f"/admin/users/{ann.id}/roles", json={"roles": []}, token=ann.token),
        delete(own, ann, ann.id),
    ):
        assert outcome(reply) == (409, "last_admin")
    assert act(own, ann, bob.id, "enable").status_code == 200
    assert act(own, ann, ann.id, "disable").status_code == 200
    assert not is_live(own, ann)


def test_of_two_administrators_who_disable_each_other_at_once_one_remains(
    two: tuple[Service, Account, Account],
) -> None:
    own, ann, bob = two
    pairs = ((ann, bob), (bob, ann))

    def disable(number: int) -> tuple[int, str]:
        by, other = pairs[number % 2]
        return outcome(act(own, by, other.id, "disable"))

    results = set(own.at_once(disable))
    assert results <= {(200, ""), (409, "last_admin"), (401, "session_ended"), (403, "forbidden")}
    assert len(own.administrators()) == 1


def test_one_administers_only_users_whose_permissions_one_holds(service: Service, boss: Account) -> None:
    support = holder(service, boss, "users:read", "users:write")
    for other in (boss.id, holder(service, boss, "audit:read").id):
        replies = [act(service, support, other, what) for what in ACTS]
        replies += [update(service, support, other, name="x"), delete(service, support, other)]
        for reply in replies:
            assert outcome(reply) == (403, "forbidden")
            assert "audit:read" in reply.json["message"]
        assert service.get(f"/admin/users/{other}", token=support.token).status_code == 200
        assert [event for event in events(service, other) if event[1] == support.id] == []
    for other in (service.register().id, holder(service, boss, "users:read").id):
        assert act(service, support, other, "disable").status_code == 200
        assert delete(service, support, other).status_code == 200


def test_also_a_disabled_administrator_is_left_to_administrators(service: Service, boss: Account) -> None:
    support = holder(service, boss, "users:write")
    other = service.administrator()
    act(service, boss, other.id, "disable")
    for reply in (act(service, support, other.id, "enable"), delete(service, support, other.id)):
        assert outcome(reply) == (403, "forbidden")


def test_one_deletes_oneself_with_the_password_only(service: Service) -> None:
    another = service.administrator()
    reply = delete(service, another, another.id)
    assert outcome(reply) == (403, "forbidden")
    assert "DELETE /auth/me" in reply.json["message"]


def test_ones_own_address_and_user_name_need_a_recent_login_and_no_api_key_changes_them(
    service: Service, boss: Account
) -> None:
    support = holder(service, boss, "users:read", "users:write")
    body = {"name": "Nightly", "permissions": ["users:read", "users:write"]}
    key = service.post("/auth/api-keys", body, token=support.token).json["data"]["key"]
    service.clock.advance(601)
    tokens = [service.post("/auth/refresh", {"refresh_token": support.refresh_token}).json["data"]["token"], key]
    path, (email, username) = f"/admin/users/{support.id}", new_names()
    for changes in ({"email": email}, {"email_verified": True}, {"username": username}):
        old, by_key = (outcome(service.send("PATCH", path, json=changes, token=token)) for token in tokens)
        assert (old, by_key) == ((403, "reauthentication_required"), (403, "forbidden"))
    assert service.send("PATCH", path, json={"name": "Sue"}, token=tokens[0]).status_code == 200
    again = service.login(support.email).json["data"]["token"]
    assert service.send("PATCH", path, json={"email": email, "username": username}, token=again).status_code == 200


@pytest.mark.parametrize("user_id", [NOBODY, "x", "%00", NOBODY.upper(), "../x"])
def test_nobody_is_found_by_an_odd_identifier(service: Service, boss: Account, user_id: str) -> None:
    replies = [act(service, boss, user_id, what) for what in ACTS]
    replies += [
        update(service, boss, user_id, name="x"),
        delete(service, boss, user_id),
        service.get(f"/admin/users/{user_id}", token=boss.token),
    ]
    assert {outcome(reply) for reply in replies} == {(404, "not_found")}


def test_a_deleted_user_is_not_there(service: Service, boss: Account) -> None:
    ann, undo = changed_address(service)  # so the record stays
    assert delete(service, boss, ann.id).status_code == 200
    assert undo
    replies = [act(service, boss, ann.id, what) for what in ACTS]
    replies += [update(service, boss, ann.id, name="x"), delete(service, boss, ann.id)]
    assert {outcome(reply) for reply in replies} == {(404, "not_found")}


# Deletion


def test_a_deleted_user_is_told_and_everything_is_gone(service: Service, boss: Account) -> None:
    ann = verified(service)
    assert delete(service, boss, ann.id).status_code == 200
    assert not is_live(service, ann)
    assert outcome(service.login(ann.email)) == (401, "invalid_credentials")
    mail = newest_to(service, ann.email)
    assert mail.subject == "Your account was deleted"
    assert "Done by: an administrator" in mail.text
    assert events(service, ann.id)[0] == ("user.deleted", boss.id, {})


# Sessions, passwords, locks


def test_all_sessions_of_a_user_end(service: Service, boss: Account) -> None:
    ann = service.register()
    again = service.login(ann.email).json["data"]["access_token"]
    assert act(service, boss, ann.id, "logout").status_code == 200
    assert not is_live(service, ann)
    assert service.get("/auth/me", token=again).status_code == 401
    assert service.login(ann.email).status_code == 200
    assert ("user.logged_out", boss.id, {}) in events(service, ann.id)


def test_a_reset_is_mailed_and_the_present_password_stays_until_then(service: Service, boss: Account) -> None:
    ann = service.register()
    assert act(service, boss, ann.id, "reset-password").status_code == 200
    assert is_live(service, ann)
    assert service.login(ann.email).status_code == 200
    body = {"token": newest_to(service, ann.email).token, "new_password": "a whole new password"}
    assert service.post("/auth/password/reset", body).status_code == 200
    assert service.login(ann.email, "a whole new password").status_code == 200
    assert ("user.reset_started", boss.id, {}) in events(service, ann.id)


def test_with_a_reset_the_sessions_can_end_at_once(service: Service, boss: Account) -> None:
    ann = service.register()
    body = {"end_sessions": True}
    assert service.post(f"/admin/users/{ann.id}/reset-password", body, token=boss.token).status_code == 200
    assert not is_live(service, ann)
    assert {event[0] for event in events(service, ann.id)[:2]} == {"user.reset_started", "user.logged_out"}


def test_a_reset_that_cannot_be_mailed_is_refused(service: Service, boss: Account) -> None:
    _, username = new_names()
    ann = service.post("/auth/register", {"username": username, "password": PASSWORD}).json["data"]["user"]["id"]
    reply = act(service, boss, ann, "reset-password")
    assert outcome(reply) == (409, "cannot_be_mailed")
    assert "no e-mail address" in reply.json["message"]
    bob = service.register()
    act(service, boss, bob.id, "disable")
    reply = act(service, boss, bob.id, "reset-password")
    assert outcome(reply) == (409, "cannot_be_mailed")
    assert "disabled" in reply.json["message"]


def test_an_unlocked_user_need_not_wait(service: Service, boss: Account) -> None:
    ann = service.register()
    while service.login(ann.email, "a wrong password").status_code != 429:
        pass
    while service.login(ann.username, "a wrong password").status_code != 429:
        pass
    while (
        service.post("/auth/password", {"current_password": "x", "new_password": PASSWORD}, token=ann.token).status_code
        != 429
    ):
        pass
    assert service.login(ann.email).status_code == 429
    assert act(service, boss, ann.id, "unlock").status_code == 200
    assert service.login(ann.email).status_code == 200
    assert service.login(ann.username).status_code == 200
    assert events(service, ann.id)[2] == ("user.unlocked", boss.id, {})


def test_an_unlocked_address_has_codes_again_however_often_they_were_guessed(service: Service, boss: Account) -> None:
    ann = verified(service)
    body = {"email": ann.email, "code": "AAAA-AAAA", "new_password": "a whole new password"}
    for _ in range(25):  # more than an address gets by itself
        for _ in range(100):
            service.wired.get(UserAdministration).guesses.admit(ann.email, "reset")
        assert outcome(service.post("/auth/password/reset", body)) == (422, "invalid_code")
        assert act(service, boss, ann.id, "unlock").status_code == 200
    act(service, boss, ann.id, "reset-password")
    code = newest_to(service, ann.email).code
    assert service.post("/auth/password/reset", body | {"code": code}).status_code == 200


# Address and names


def test_names_are_changed_and_no_session_ends(service: Service, boss: Account) -> None:
    ann = verified(service)
    _, username = new_names()
    reply = update(service, boss, ann.id, username=username, name="Ann Example")
    assert reply.status_code == 200
    assert (reply.json["data"]["user"]["username"], reply.json["data"]["user"]["name"]) == (username, "Ann Example")
    assert is_live(service, ann)
    assert service.login(username).status_code == 200
    assert events(service, ann.id)[1] == ("user.updated", boss.id, {"fields": "username,name"})
    mail = newest_to(service, ann.email)
    assert mail.subject == "Your user name was changed"
    assert f"User name: {username}" in mail.text
    assert update(service, boss, ann.id, name=None).json["data"]["user"]["name"] is None


def test_a_change_of_nothing_is_no_event(service: Service, boss: Account) -> None:
    ann = service.register()
    before = events(service, ann.id)
    for changes in ({}, {"email": ann.email}, {"username": ann.username}, {"email_verified": False}):
        assert update(service, boss, ann.id, **changes).status_code == 200
    assert events(service, ann.id) == before


def test_names_that_are_taken_or_reserved_are_refused(service: Service, boss: Account) -> None:
    ann, bob = service.register(), service.register()
    for username in (bob.username.upper(), "admin"):
        assert outcome(update(service, boss, ann.id, username=username)) == (409, "username_taken")
    assert outcome(update(service, boss, ann.id, email=bob.email)) == (409, "email_taken")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"email": "x"}, "email"),
        ({"email": None}, "email"),
        ({"username": None}, "username"),
        ({"username": ""}, "username"),
        ({"name": ""}, "name"),
        ({"email_verified": None}, "email_verified"),
        ({"email_verified": "true"}, "email_verified"),
        ({"roles": ["admin"]}, "roles"),
        ({"status": "active"}, "status"),
        ({"password": PASSWORD}, "password"),
    ],
)
def test_wrong_changes_are_refused_by_name(
    service: Service, boss: Account, changes: dict[str, Any], field: str
) -> None:
    reply = update(service, boss, service.register().id, **changes)
    assert outcome(reply) == (422, "validation_failed")
    assert [error["field"] for error in reply.json["errors"]] == [field]


def test_a_proof_of_no_address_is_refused(service: Service, boss: Account) -> None:
    _, username = new_names()
    ann = service.post("/auth/register", {"username": username, "password": PASSWORD}).json["data"]["user"]["id"]
    assert outcome(update(service, boss, ann, email_verified=True)) == (422, "validation_failed")
    assert update(service, boss, ann, email_verified=False).status_code == 200


def test_a_new_address_waits_for_proof_and_its_former_owner_can_undo_the_change(
    service: Service, boss: Account
) -> None:
    ann = verified(service)
    email, _ = new_names()
    found = update(service, boss, ann.id, email=email).json["data"]["user"]
    assert (found["email"], found["email_verified"]) == (email, False)
    assert is_live(service, ann)
    assert service.login(email).status_code == 200
    former = newest_to(service, ann.email)
    assert former.subject == "Your e-mail address was changed"
    assert f"New e-mail address: {email}" in former.text
    assert "Done by: an administrator" in former.text
    assert service.post("/auth/email/verify", {"token": newest_to(service, email).token}).status_code == 200
    assert user(service, boss, ann.id)["email_verified"]
    assert service.post("/auth/email/undo", {"token": former.token}).status_code == 200
    found = user(service, boss, ann.id)
    assert (found["email"], found["email_verified"]) == (ann.email, True)


def test_a_former_address_is_held_for_its_owner(service: Service, boss: Account) -> None:
    ann, bob = verified(service), service.register()
    email, _ = new_names()
    update(service, boss, ann.id, email=email, email_verified=True)
    for changes in ({"email": ann.email}, {"email": ann.email, "email_verified": True}):
        assert outcome(update(service, boss, bob.id, **changes)) == (409, "email_taken")


def test_a_misspelt_address_does_not_lead_into_the_account(service: Service, boss: Account) -> None:
    ann = verified(service)
    misspelt, _ = new_names()
    update(service, boss, ann.id, email=misspelt)
    mail = newest_to(service, misspelt)
    assert "An administrator" in mail.text
    service.post("/auth/password/forgot", {"email": misspelt})
    again = newest_to(service, misspelt)
    assert again.subject == "Confirm your e-mail address", "no mail for a new password"

    assert service.post("/auth/email/disown", {"token": mail.token}).status_code == 200
    found = user(service, boss, ann.id)
    assert (found["email"], found["status"]) == (None, "active"), "the account lost the address only"
    assert is_live(service, ann)
    assert service.post("/auth/email/undo", {"token": newest_to(service, ann.email).token}).status_code == 200


def test_a_misspelt_address_that_is_corrected_cannot_take_the_account_back(service: Service, boss: Account) -> None:
    ann = verified(service)
    misspelt, _ = new_names()
    right, _ = new_names()
    update(service, boss, ann.id, email=misspelt)
    update(service, boss, ann.id, email=right, email_verified=True)
    assert [mail.subject for mail in mails_to(service, misspelt)] in ([], ["Confirm your e-mail address"])
    assert newest_to(service, ann.email).subject == "Your e-mail address was changed"


def test_the_word_of_an_administrator_is_a_proof(service: Service, boss: Account) -> None:
    squatter, ann = service.register(), service.register()
    assert outcome(update(service, boss, ann.id, email=squatter.email)) == (409, "email_taken")
    reply = update(service, boss, ann.id, email=squatter.email, email_verified=True)
    assert reply.status_code == 200
    assert reply.json["data"]["user"]["email_verified"]
    assert user(service, boss, squatter.id)["email"] is None
    assert outcome(update(service, boss, squatter.id, email=squatter.email, email_verified=True)) == (
        409,
        "email_taken",
    )


def test_an_address_is_not_taken_from_a_user_whose_permissions_one_lacks(service: Service, boss: Account) -> None:
    support, other, ann = holder(service, boss, "users:write"), service.administrator(), service.register()
    reply = update(service, support, ann.id, email=other.email, email_verified=True)
    assert outcome(reply) == (403, "forbidden")
    assert user(service, boss, other.id)["email"] == other.email


def test_a_proof_that_is_taken_away_is_asked_for_again(service: Service, boss: Account) -> None:
    ann = verified(service)
    assert not update(service, boss, ann.id, email_verified=False).json["data"]["user"]["email_verified"]
    mail = newest_to(service, ann.email)
    assert mail.subject == "Confirm your e-mail address"
    assert service.post("/auth/email/verify", {"token": mail.token}).status_code == 200
    assert user(service, boss, ann.id)["email_verified"]


def test_the_address_of_an_invitation_is_nobodys_way_back(service: Service, boss: Account) -> None:
    invited = invite(service)
    before = user(service, boss, invited)["email"]
    send(service)
    email, _ = new_names()
    assert update(service, boss, invited, email=email, name="Ann").status_code == 200
    assert all("changed" not in mail.subject for mail in mails_to(service, before))


# Pairs


def test_whoever_was_demoted_meanwhile_does_nothing(service: Service, boss: Account) -> None:
    support, ann = holder(service, boss, "users:write"), service.register()
    grant(service, boss, support.id, "member")
    assert outcome(act(service, support, ann.id, "disable")) == (403, "forbidden")
    assert user(service, boss, ann.id)["status"] == "active"


@pytest.mark.parametrize("turn", range(3))
def test_of_an_act_and_the_demotion_of_who_acts_each_is_whole(service: Service, boss: Account, turn: int) -> None:
    support, ann = holder(service, boss, "users:write"), service.register()

    def run(number: int) -> tuple[int, str]:
        if number == turn:
            grant(service, boss, support.id, "member")
            return (0, "")
        return outcome(act(service, support, ann.id, "disable" if number % 2 else "enable"))

    results = service.at_once(run)
    assert set(results) <= {(0, ""), (200, ""), (403, "forbidden")}
    assert outcome(act(service, support, ann.id, "enable")) == (403, "forbidden")


@pytest.mark.parametrize("what", ["disable", "logout", "delete"])
def test_no_login_beside_an_act_that_ends_sessions_outlives_it(service: Service, boss: Account, what: str) -> None:
    ann = service.register()
    tokens: list[str] = []

    def run(number: int) -> int:
        if number == 0:
            reply = delete(service, boss, ann.id) if what == "delete" else act(service, boss, ann.id, what)
            return reply.status_code
        reply = service.login(ann.email)
        if reply.status_code == 200 and what != "logout":
            tokens.append(reply.json["data"]["access_token"])
        return reply.status_code

    results = service.at_once(run)
    assert results[0] == 200
    assert all(service.get("/auth/me", token=token).status_code == 401 for token in tokens)


def test_of_sixteen_who_give_one_address_to_different_users_one_does(service: Service, boss: Account) -> None:
    users = [service.register() for _ in range(THREADS)]
    email, _ = new_names()
    results = service.at_once(lambda number: outcome(update(service, boss, users[number].id, email=email)))
    assert results.count((200, "")) == 1
    assert set(results) == {(200, ""), (409, "email_taken")}


# The operator


@pytest.mark.parametrize("what", ["disable", "enable", "log_out", "start_reset", "unlock", "delete"])
def test_the_operator_needs_no_permission_and_is_not_named(service: Service, what: str) -> None:
    ann = service.register()
    administration = service.wired.get(UserAdministration)
    if what == "enable":
        administration.disable(ann.id, None, None)
    getattr(administration, what)(ann.id, None, None)
    action, actor, _ = events(service, ann.id)[0]
    assert action.startswith("user.")
    assert actor is None
