"""Service accounts and their API keys: /admin/service-accounts."""

from collections import Counter
from typing import Any

import pytest

from app.api_keys.service import ApiKeyService
from app.features import ENDPOINTS, PERMISSIONS
from app.roles.administrators import Administrators
from tests.api.mailbox import mails_to, send
from tests.api.service import Account, Reply, Service, Start
from tests.api.test_api_keys import NOBODY, id_of, me, report
from tests.api.test_roles import grant, holder, new_role, outcome, refused_fields

PATH = "/admin/service-accounts"
MANAGES = ("service_accounts:read", "service_accounts:write")


@pytest.fixture
def boss(service: Service) -> Account:
    return service.administrator()


def ask(service: Service, by: Account, *roles: str, name: str = "Reports") -> Reply:
    return service.post(PATH, {"name": name, "roles": list(roles)}, token=by.token)


def new_account(service: Service, by: Account, *roles: str, **more: Any) -> dict[str, Any]:
    reply = ask(service, by, *roles, **more)
    assert reply.status_code == 201, reply.text
    account: dict[str, Any] = reply.json["data"]["service_account"]
    return account


def ask_key(service: Service, by: Account, account_id: str, *permissions: str) -> Reply:
    body = {"name": "Server 1", "permissions": list(permissions)}
    return service.post(f"{PATH}/{account_id}/api-keys", body, token=by.token)


def new_key(service: Service, by: Account, account_id: str, *permissions: str) -> str:
    reply = ask_key(service, by, account_id, *permissions)
    assert reply.status_code == 201, reply.text
    return str(reply.json["data"]["key"])


def all_accounts(service: Service, token: str) -> list[dict[str, Any]]:
    found, cursor = [], ""
    while cursor is not None:
        page = service.get(PATH, query=f"limit=3{f'&cursor={cursor}' if cursor else ''}", token=token).json["data"]
        found += page["service_accounts"]
        cursor = page["next"]
    return found


def remove(service: Service, by: Account, account_id: str) -> Reply:
    return service.send("DELETE", f"{PATH}/{account_id}", token=by.token)


def happened(service: Service, user_id: str) -> list[tuple[str, str | None, dict[str, str]]]:
    page = service.store.events.page_of(user_id, before=None, limit=50)
    return [(event.action, event.actor_id, dict(event.details)) for event in page]


def newest(service: Service, user_id: str) -> str:
    """The identifier of the newest event of a user."""
    return service.store.events.page_of(user_id, before=None, limit=1)[0].id


def test_a_service_account_is_made_listed_and_deleted(service: Service, boss: Account) -> None:
    made = [new_account(service, boss, "member", name=f" Robot {number} ") for number in range(4)]
    assert made[0] == {
        "id": made[0]["id"],
        "name": "Robot 0",
        "roles": ["member"],
        "created_at": made[0]["created_at"],
    }
    assert [each for each in all_accounts(service, boss.token) if each in made] == made
    assert remove(service, boss, made[1]["id"]).status_code == 200
    assert made[1] not in all_accounts(service, boss.token)
    assert outcome(remove(service, boss, made[1]["id"])) == (404, "not_found")
    send(service)
    assert service.store.users.account(made[1]["id"]) is None


def test_what_is_done_to_a_service_account_is_an_event_with_both_identifiers(service: Service, boss: Account) -> None:
    robot = new_account(service, boss)["id"]
    key = new_key(service, boss, robot)
    service.send("DELETE", f"{PATH}/{robot}/api-keys/{id_of(key)}", token=boss.token)
    about = {"key": id_of(key)}
    assert happened(service, robot) == [
        ("api_key.deleted", boss.id, about),
        ("api_key.created", boss.id, about),
        ("service_account.created", boss.id, {}),
    ]
    assert remove(service, boss, robot).status_code == 200
    assert ("service_account.deleted", boss.id, {}) in happened(service, robot)


def test_a_program_acts_by_a_key_of_its_service_account(service: Service, boss: Account) -> None:
    robot = new_account(service, boss, new_role(service, boss, "users:read", "roles:read"))["id"]
    key = new_key(service, boss, robot, "users:read")
    user = me(service, key).json["data"]["user"]
    assert (user["id"], user["email"], user["username"], user["permissions"]) == (robot, None, None, ["users:read"])
    assert service.get("/auth/users", token=key).status_code == 200
    assert outcome(service.get("/admin/roles", token=key)) == (403, "forbidden")
    checked = service.get("/auth/verify", query="permission=users:read", token=key)
    assert (checked.headers["X-Auth-User"], checked.headers["X-Auth-Username"], checked.headers["X-Auth-Email"]) == (
        robot,
        "",
        "",
    )
    keys = service.get(f"{PATH}/{robot}/api-keys", token=boss.token).json["data"]["api_keys"]
    assert [each["id"] for each in keys] == [id_of(key)]
    everyone = service.get("/admin/api-keys", query="limit=200", token=boss.token).json["data"]["api_keys"]
    assert [each["service_account"] for each in everyone if each["id"] == id_of(key)] == ["Reports"]
    assert service.send("DELETE", f"{PATH}/{robot}/api-keys/{id_of(key)}", token=boss.token).status_code == 200
    assert outcome(me(service, key)) == (401, "invalid_token")


def test_a_leaked_key_of_a_service_account_ends(service: Service, boss: Account) -> None:
    robot = new_account(service, boss)["id"]
    key = new_key(service, boss, robot)
    report(service, key)
    assert outcome(me(service, key)) == (401, "invalid_token")
    assert happened(service, robot)[0] == ("api_key.leaked", None, {"key": id_of(key)})


def with_address(service: Service, user: Account) -> str:
    """Give a user a verified address; returns it."""
    account = service.store.users.account(user.id)
    assert account is not None
    address = f"{user.id}@example.com"
    assert service.store.users.save(account.with_user(email=address, email_verified=True))
    return address


def test_who_made_a_leaked_key_of_a_service_account_is_told_and_nobody_else(service: Service, boss: Account) -> None:
    ann = holder(service, boss, *MANAGES)
    of_ann, of_boss = with_address(service, ann), with_address(service, boss)
    key = new_key(service, ann, new_account(service, ann, name="Robot 7")["id"])

    assert report(service, key).status_code == 200
    assert report(service, key).status_code == 200

    [letter] = mails_to(service, of_ann)
    assert "service account" in letter.subject
    assert "Robot 7" in letter.text
    assert "Server 1" in letter.text
    assert mails_to(service, of_boss) == []


@pytest.mark.parametrize("gone", ["demoted", "deleted", "without an address"])
def test_the_administrators_are_told_of_a_leaked_key_whose_maker_cannot_be(
    service: Service, boss: Account, gone: str
) -> None:
    ann = holder(service, boss, *MANAGES)
    of_boss = with_address(service, boss)
    of_ann = with_address(service, ann)
    key = new_key(service, ann, new_account(service, ann)["id"])
    if gone == "without an address":
        account = service.store.users.account(ann.id)
        assert account is not None
        assert service.store.users.save(account.with_user(email=None, email_verified=False))
    if gone == "demoted":
        assert grant(service, boss, ann.id, "member").status_code == 200
    if gone == "deleted":
        assert service.send("DELETE", f"/admin/users/{ann.id}", token=boss.token).status_code == 200

    assert report(service, key).status_code == 200

    assert ["service account" in letter.subject for letter in mails_to(service, of_boss)] == [True]
    assert [letter for letter in mails_to(service, of_ann) if "service account" in letter.subject] == []


def test_the_keys_of_a_service_account_go_with_it(service: Service, boss: Account) -> None:
    robot = new_account(service, boss)["id"]
    key = new_key(service, boss, robot)
    assert remove(service, boss, robot).status_code == 200
    assert outcome(me(service, key)) == (401, "invalid_token")
    assert service.wired.get(ApiKeyService).keys.remove_some_of(robot, 10) == 0


def test_a_service_account_is_in_no_list_of_users(service: Service, boss: Account) -> None:
    robot = new_account(service, boss, "admin", "member")["id"]
    ann = service.register()
    for by in (boss, ann):
        cursor, found = "", []
        while cursor is not None:
            query = f"limit=200{f'&cursor={cursor}' if cursor else ''}"
            page = service.get("/auth/users", query=query, token=by.token).json["data"]
            found += [user["id"] for user in page["users"]]
            cursor = page["next"]
        assert ann.id in found
        assert robot not in found


TO_PEOPLE = sorted(f"{each.method} {each.path}" for each in ENDPOINTS if each.path.startswith("/admin/users/<user_id>"))
BODIES = {
    "PATCH /admin/users/<user_id>": {"name": "Other"},
    "PUT /admin/users/<user_id>/roles": {"roles": ["admin"]},
    "POST /admin/users/<user_id>/impersonate": {"reason": "They asked for help."},
    "POST /admin/users/<user_id>/reset-factors": {"reason": "They lost their phone."},
}


@pytest.fixture(scope="module")
def impersonating(start: Start) -> Service:
    return start(IMPERSONATION="on")


@pytest.mark.parametrize("rule", TO_PEOPLE)
def test_nothing_that_is_done_to_people_is_done_to_a_service_account(impersonating: Service, rule: str) -> None:
    service, (method, _, path) = impersonating, rule.partition(" ")
    boss = service.administrator()
    robot = new_account(service, boss, "member")["id"]
    before = service.store.users.account(robot)
    reply = service.send(method, path.replace("<user_id>", robot), json=BODIES.get(rule), token=boss.token)
    assert outcome(reply) == (404, "not_found")
    assert service.store.users.account(robot) == before


def test_a_search_of_users_finds_no_service_account(service: Service, boss: Account) -> None:
    robot = new_account(service, boss, "admin", name="Findable robot")["id"]
    for query in ("q=findable", "role=admin", "status=active&limit=200"):
        found = service.get("/admin/users", query=query, token=boss.token).json["data"]["users"]
        assert robot not in [user["id"] for user in found]


def test_a_person_is_no_service_account(service: Service, boss: Account) -> None:
    ann = service.register()
    for user_id in (ann.id, NOBODY, "nobody"):
        assert outcome(remove(service, boss, user_id)) == (404, "not_found")
        assert outcome(ask_key(service, boss, user_id)) == (404, "not_found")
        assert outcome(service.get(f"{PATH}/{user_id}/api-keys", token=boss.token)) == (404, "not_found")
        assert outcome(service.send("DELETE", f"{PATH}/{user_id}/api-keys/{NOBODY}", token=boss.token)) == (
            404,
            "not_found",
        )
    assert service.get("/auth/me", token=ann.token).status_code == 200
    assert service.wired.get(ApiKeyService).keys.remove_some_of(ann.id, 10) == 0


def test_a_service_account_is_never_the_last_administrator(service: Service, boss: Account) -> None:
    robot = new_account(service, boss, "admin")["id"]
    administrators = service.wired.get(Administrators)
    administrators.tend()
    for each in service.administrators():
        if each != boss.id:
            grant(service, boss, each, "member")
    assert service.administrators() == [boss.id]
    assert outcome(grant(service, boss, boss.id, "member")) == (409, "last_admin")
    assert not service.store.users.confirm_role(robot, "admin")
    assert robot not in service.store.users.some_with_role("admin", None)[0]
    # Nor does its deletion ask whether one remains: after a crash the guard may name too few.
    guard = service.store.guards.load("admins")
    assert guard is not None
    assert service.store.guards.save("admins", guard.replaced_by(()))
    assert remove(service, boss, robot).status_code == 200
    administrators.tend()


def test_nobody_makes_a_service_account_with_more_than_they_hold(service: Service, boss: Account) -> None:
    ann = holder(service, boss, *MANAGES, "users:read")
    less, more = new_role(service, boss, "users:read"), new_role(service, boss, "users:read", "users:write")
    reply = ask(service, ann, less, more)
    assert outcome(reply) == (403, "forbidden")
    assert "users:write" in reply.json["message"]
    assert outcome(ask(service, ann, "admin")) == (403, "forbidden")
    assert ask(service, ann, less).status_code == 201
    assert refused_fields(ask(service, ann, "nobody")) == [("roles", "unknown_role")]


def test_nobody_manages_a_service_account_that_may_do_more_than_they(service: Service, boss: Account) -> None:
    ann = holder(service, boss, *MANAGES, "users:read")
    strong = new_account(service, boss, new_role(service, boss, "users:read", "users:write"))["id"]
    key = new_key(service, boss, strong, "users:read")
    assert outcome(ask_key(service, ann, strong, "users:read")) == (403, "forbidden")
    assert outcome(service.send("DELETE", f"{PATH}/{strong}/api-keys/{id_of(key)}", token=ann.token)) == (
        403,
        "forbidden",
    )
    assert outcome(remove(service, ann, strong)) == (403, "forbidden")
    assert me(service, key).status_code == 200
    assert len(service.get(f"{PATH}/{strong}/api-keys", token=ann.token).json["data"]["api_keys"]) == 1


def change(service: Service, by: Account, account_id: str, *roles: str) -> Reply:
    return service.send("PATCH", f"{PATH}/{account_id}", json={"roles": list(roles)}, token=by.token)


def test_its_roles_change_at_once_with_an_event(service: Service, boss: Account) -> None:
    reader, writer = new_role(service, boss, "users:read"), new_role(service, boss, "users:write")
    robot = new_account(service, boss, reader)
    key = new_key(service, boss, robot["id"], "users:read")

    reply = change(service, boss, robot["id"], writer)

    assert (reply.status_code, reply.json["data"]["service_account"]) == (200, robot | {"roles": [writer]})
    assert me(service, key).json["data"]["user"]["permissions"] == []
    changed = ("roles.changed", boss.id, {"added": writer, "removed": reader})
    assert happened(service, robot["id"])[0] == changed
    assert change(service, boss, robot["id"], writer).status_code == 200  # nothing new, so no event
    assert [each[0] for each in happened(service, robot["id"])].count("roles.changed") == 1


def test_nobody_changes_the_roles_of_a_service_account_beyond_what_they_hold(service: Service, boss: Account) -> None:
    ann = holder(service, boss, *MANAGES, "users:read")
    less, more = new_role(service, boss, "users:read"), new_role(service, boss, "users:read", "users:write")
    weak, strong = (new_account(service, boss, role)["id"] for role in (less, more))
    assert outcome(change(service, ann, weak, more)) == (403, "forbidden")
    assert outcome(change(service, ann, strong, less)) == (403, "forbidden")
    assert refused_fields(change(service, ann, weak, "nobody")) == [("roles", "unknown_role")]
    roles = [service.store.users.account(each) for each in (weak, strong)]
    assert [account.user.roles for account in roles if account] == [(less,), (more,)]
    assert change(service, ann, weak).status_code == 200


def test_a_change_of_roles_is_for_service_accounts_that_are_there(service: Service, boss: Account) -> None:
    ann, gone = service.register(), new_account(service, boss)["id"]
    assert remove(service, boss, gone).status_code == 200
    for account_id in (ann.id, gone, NOBODY, "nobody"):
        assert outcome(change(service, boss, account_id, "member")) == (404, "not_found")


def test_whoever_manages_users_alone_changes_no_service_account(service: Service, boss: Account) -> None:
    ann, robot = holder(service, boss, "roles:write", "service_accounts:read"), new_account(service, boss)["id"]
    assert outcome(change(service, ann, robot, "member")) == (403, "forbidden")


def test_nobody_gives_a_key_what_the_service_account_or_they_lack(service: Service, boss: Account) -> None:
    robot = new_account(service, boss, new_role(service, boss, "users:read"))["id"]
    reply = ask_key(service, boss, robot, "users:read", "users:write")
    assert outcome(reply) == (403, "forbidden")
    assert "users:write" in reply.json["message"]
    assert service.wired.get(ApiKeyService).keys.remove_some_of(robot, 10) == 0


def test_a_key_for_a_service_account_needs_a_recent_login(service: Service, boss: Account) -> None:
    robot = new_account(service, boss)["id"]
    service.clock.advance(601)
    assert outcome(ask_key(service, boss, robot)) == (403, "reauthentication_required")


def test_its_permissions_follow_its_roles(service: Service, boss: Account) -> None:
    role = new_role(service, boss, "users:read")
    robot = new_account(service, boss, role)["id"]
    key = new_key(service, boss, robot, "users:read")
    body: dict[str, list[str]] = {"permissions": []}
    assert service.send("PATCH", f"/admin/roles/{role}", json=body, token=boss.token).status_code == 200
    assert me(service, key).json["data"]["user"]["permissions"] == []
    assert outcome(service.send("DELETE", f"/admin/roles/{role}", token=boss.token)) == (409, "role_in_use")
    assert remove(service, boss, robot).status_code == 200
    assert service.send("DELETE", f"/admin/roles/{role}", token=boss.token).status_code == 200


def test_a_key_of_the_administrator_role_is_not_one_of_an_administrators_session(
    service: Service, boss: Account
) -> None:
    robot = new_account(service, boss, "admin")["id"]
    key = new_key(service, boss, robot, *PERMISSIONS)
    assert outcome(service.post(PATH, {"name": "Child", "roles": []}, token=key)) == (403, "forbidden")
    assert service.get(PATH, token=key).status_code == 200


def test_a_key_that_is_made_while_the_service_account_is_deleted_never_works(service: Service, boss: Account) -> None:
    for _ in range(3):
        robot = new_account(service, boss)["id"]

        def act(number: int, robot: str = robot) -> Reply:
            return remove(service, boss, robot) if number == 7 else ask_key(service, boss, robot)

        replies = service.at_once(act)
        assert replies[7].status_code == 200
        assert set(Counter(reply.status_code for reply in replies)) <= {200, 201, 404}
        keys = [reply.json["data"]["key"] for reply in replies if reply.status_code == 201]
        assert {me(service, key).status_code for key in keys} <= {401}
        send(service)
        assert service.wired.get(ApiKeyService).keys.remove_some_of(robot, 100) == 0


def test_whoever_is_demoted_while_they_make_a_service_account_makes_none(service: Service, boss: Account) -> None:
    role = new_role(service, boss, *MANAGES)
    refused = 0
    for moment in range(100):
        ann = service.register()
        assert grant(service, boss, ann.id, role).status_code == 200
        looks = 0

        def demote(ann: Account = ann, moment: int = moment) -> None:
            nonlocal looks
            looks += 1
            if looks == moment + 1:
                service.clock.at_each_call = lambda: None
                assert grant(service, boss, ann.id, "member").status_code == 200

        name = f"Of moment {moment}"
        service.clock.at_each_call = demote
        try:
            reply = ask(service, ann, role, name=name)
        finally:
            service.clock.at_each_call = lambda: None
        if looks <= moment:
            break
        there = [each["id"] for each in all_accounts(service, boss.token) if each["name"] == name]
        assert len(there) == (reply.status_code == 201)
        if there:  # the identifiers of events sort by their time
            made, demoted = (newest(service, user_id) for user_id in (*there, ann.id))
            assert made < demoted
        refused += reply.status_code == 403
    assert refused >= 2
