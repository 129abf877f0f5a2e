"""Roles, and who has them: /admin/roles and /admin/users/<id>/roles."""

from base64 import urlsafe_b64encode
from itertools import count
from typing import Any

import pytest

from app.features import PERMISSIONS
from app.platform.identifiers import new_id
from app.roles.model import Role
from app.sessions.authenticator import AccessTokenAuthenticator
from app.web.cursors import cursor_at
from tests.api.service import Account, Reply, Service, Start

_NUMBERS = count(1)


@pytest.fixture(scope="module")
def boss(service: Service) -> Account:
    return service.administrator()


def create(service: Service, by: Account, name: str, *permissions: str, **more: Any) -> Reply:
    return service.post("/admin/roles", {"name": name, "permissions": list(permissions), **more}, token=by.token)


def new_role(service: Service, boss: Account, *permissions: str) -> str:
    """A role of its own with these permissions."""
    name = f"role-{next(_NUMBERS)}"
    assert create(service, boss, name, *permissions).status_code == 201
    return name


def grant(service: Service, by: Account, to: str, *roles: str) -> Reply:
    return service.send("PUT", f"/admin/users/{to}/roles", json={"roles": list(roles)}, token=by.token)


def holder(service: Service, boss: Account, *permissions: str) -> Account:
    """A user with a role that holds exactly these permissions."""
    account = service.register()
    assert grant(service, boss, account.id, new_role(service, boss, *permissions)).status_code == 200
    return account


def me(service: Service, account: Account) -> dict[str, Any]:
    user: dict[str, Any] = service.get("/auth/me", token=account.token).json["data"]["user"]
    return user


def outcome(reply: Reply) -> tuple[int, str]:
    return reply.status_code, reply.json.get("code", "")


def refused_fields(reply: Reply) -> list[tuple[str, str]]:
    assert outcome(reply) == (422, "validation_failed")
    return [(error["field"], error["code"]) for error in reply.json["errors"]]


def events(service: Service, account: Account) -> list[tuple[str, dict[str, str]]]:
    page = service.store.events.page_of(account.id, before=None, limit=50)
    return [(event.action, dict(event.details)) for event in page]


def test_the_built_in_roles_are_listed_with_all_permissions(service: Service, boss: Account) -> None:
    data = service.get("/admin/roles", token=boss.token).json["data"]
    built_in = {role["name"]: role for role in data["roles"] if role["built_in"]}
    assert built_in.keys() == {"admin", "member"}
    assert built_in["admin"]["permissions"] == data["permissions"] == sorted(PERMISSIONS)
    assert built_in["member"]["permissions"] == []


def test_roles_and_keys_come_in_pages(service: Service, boss: Account) -> None:
    for path, kind, key in (("/admin/roles", "roles", "name"), ("/admin/keys", "keys", "kid")):
        whole = service.get(path, token=boss.token).json["data"]
        assert whole["next"] is None
        seen, cursor = [], ""
        while cursor is not None:
            page = service.get(f"{path}?limit=1{cursor and '&cursor=' + cursor}", token=boss.token).json["data"]
            seen += [each[key] for each in page[kind]]
            cursor = page["next"]
        assert seen == [each[key] for each in whole[kind]]
    other = service.get("/admin/roles?limit=1", token=boss.token).json["data"]["next"]
    places: list[list[Any]] = [[1], [None], ["\ud800"], ["a", "b"], []]
    forged = [cursor_at(place, ["keys"]) for place in places]
    deep = urlsafe_b64encode(b"123456789" + b"[" * 3000).decode()
    for cursor in (other, "x", "", "AAAA", deep, *forged):
        refused = service.get(f"/admin/keys?cursor={cursor}", token=boss.token)
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "cursor")


def test_a_role_is_created_changed_and_deleted(service: Service, boss: Account) -> None:
    name = f"editor_{next(_NUMBERS)}-a"
    made = create(service, boss, name, "users:write", "users:read", "users:read", description="Édits.")
    assert made.status_code == 201
    role = {"name": name, "permissions": ["users:read", "users:write"], "description": "Édits.", "built_in": False}
    role["require_second_factor"] = False
    assert made.json["data"]["role"] == role
    assert role in service.get("/admin/roles", token=boss.token).json["data"]["roles"]

    path = f"/admin/roles/{name}"
    changed = service.send("PATCH", path, json={"permissions": ["audit:read"]}, token=boss.token)
    assert changed.json["data"]["role"] == role | {"permissions": ["audit:read"]}
    changed = service.send("PATCH", path, json={"description": None}, token=boss.token)
    assert changed.json["data"]["role"] == role | {"permissions": ["audit:read"], "description": None}
    assert service.send("PATCH", path, json={}, token=boss.token).json == changed.json

    assert service.send("DELETE", path, token=boss.token).status_code == 200
    assert outcome(service.send("DELETE", path, token=boss.token)) == (404, "not_found")
    assert outcome(service.send("PATCH", path, json={}, token=boss.token)) == (404, "not_found")
    assert [event for event in events(service, boss) if event[1].get("role") == name] == [
        ("role.deleted", {"role": name}),
        ("role.changed", {"role": name, "added": "", "removed": ""}),
        ("role.changed", {"role": name, "added": "audit:read", "removed": "users:read,users:write"}),
        ("role.created", {"role": name, "permissions": "users:read,users:write"}),
    ]


@pytest.mark.parametrize("name", ["my", "leaked"])
def test_a_role_may_have_a_name_that_no_identifier_has(service: Service, boss: Account, name: str) -> None:
    assert create(service, boss, name).status_code == 201
    assert service.send("DELETE", f"/admin/roles/{name}", token=boss.token).status_code == 200


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"name": "x", "permissions": ["users:raed"]}, [("permissions", "unknown_permission")]),
        ({"name": "x", "permissions": ["a:b", "c:d"]}, [("permissions", "unknown_permission")] * 2),
        ({"name": "x", "permissions": ["<b>"]}, [("permissions", "invalid_permission")]),
        ({"name": "x", "permissions": "users:read"}, [("permissions", "invalid_type")]),
        ({"name": "x", "permissions": [1]}, [("permissions.0", "invalid_type")]),
        ({"name": "x"}, [("permissions", "required")]),
        ({"name": "x", "permissions": [], "built_in": True}, [("built_in", "unknown_field")]),
        ({"name": "x", "permissions": [], "description": "a\nb"}, [("description", "invalid_description")]),
        ({"name": "x", "permissions": [], "description": "a" * 201}, [("description", "too_long")]),
        *(
            ({"name": name, "permissions": []}, [("name", "invalid_role")])
            for name in ("", "Admin", "1a", "-a", "a b", "a,b", "a:b", "admin:leaving", "é", "a" * 65, "a\n")
        ),
    ],
)
def test_a_role_that_cannot_be_is_refused_by_name(
    service: Service, boss: Account, body: object, errors: list[tuple[str, str]]
) -> None:
    assert refused_fields(service.post("/admin/roles", body, token=boss.token)) == errors


def test_an_unknown_permission_is_named(service: Service, boss: Account) -> None:
    reply = create(service, boss, "x", "users:read", "users:raed")
    assert [error["message"] for error in reply.json["errors"]] == ["There is no permission users:raed."]
    name = new_role(service, boss)
    reply = service.send("PATCH", f"/admin/roles/{name}", json={"permissions": ["users:raed"]}, token=boss.token)
    assert refused_fields(reply) == [("permissions", "unknown_permission")]


def test_the_longest_name_is_a_name(service: Service, boss: Account) -> None:
    assert create(service, boss, "a" * 64).status_code == 201


@pytest.mark.parametrize("name", ["admin", "member"])
def test_a_name_is_given_once(service: Service, boss: Account, name: str) -> None:
    assert outcome(create(service, boss, name)) == (409, "role_exists")
    again = new_role(service, boss)
    assert outcome(create(service, boss, again)) == (409, "role_exists")


def test_the_built_in_roles_stay(service: Service, boss: Account) -> None:
    for name in ("admin", "member"):
        reply = service.send("DELETE", f"/admin/roles/{name}", token=boss.token)
        assert outcome(reply) == (403, "forbidden")
        assert "built in" in reply.json["message"]
    reply = service.send("PATCH", "/admin/roles/admin", json={"permissions": []}, token=boss.token)
    assert outcome(reply) == (403, "forbidden")
    assert me(service, boss)["permissions"] == sorted(PERMISSIONS)


def test_the_permissions_of_members_can_be_changed(service: Service, boss: Account) -> None:
    member = service.register()
    service.send("PATCH", "/admin/roles/member", json={"permissions": ["audit:read"]}, token=boss.token)
    assert me(service, member)["permissions"] == ["audit:read"]
    assert service.login(member.email).json["data"]["user"]["permissions"] == ["audit:read"]
    service.send("PATCH", "/admin/roles/member", json={"permissions": []}, token=boss.token)
    assert me(service, member)["permissions"] == []


def test_roles_and_their_changes_work_on_the_next_request_of_another_instance(
    service: Service, start: Start, boss: Account
) -> None:
    other, member = start(on=service), service.register()
    assert me(other, member)["permissions"] == []
    name = new_role(service, boss, "users:read")
    reply = grant(service, boss, member.id, "member", name)
    assert reply.json["data"]["user"]["permissions"] == ["users:read"]
    assert me(other, member) | {"status": "active"} == reply.json["data"]["user"]
    assert other.get("/auth/verify", token=member.token, query=f"role={name}&permission=users:read").status_code == 200
    service.send("PATCH", f"/admin/roles/{name}", json={"permissions": ["audit:read"]}, token=boss.token)
    assert me(other, member)["permissions"] == ["audit:read"]
    refreshed = other.post("/auth/refresh", {"refresh_token": member.refresh_token}).json["data"]
    assert refreshed["user"]["permissions"] == ["audit:read"]
    grant(service, boss, member.id, "member")
    assert me(other, member)["permissions"] == []
    assert other.get("/auth/verify", token=member.token, query=f"role={name}").status_code == 403


def test_a_change_of_roles_is_an_event_of_the_user(service: Service, boss: Account) -> None:
    member, name = service.register(), new_role(service, boss)
    grant(service, boss, member.id, name)
    grant(service, boss, member.id, name)
    assert [event for event in events(service, member) if event[0] == "roles.changed"] == [
        ("roles.changed", {"added": name, "removed": "member"})
    ]


def test_a_role_that_users_have_is_not_deleted(service: Service, boss: Account) -> None:
    member, name = service.register(), new_role(service, boss, "users:read")
    grant(service, boss, member.id, name)
    service.database.change_user(member.id, status="disabled")
    assert outcome(service.send("DELETE", f"/admin/roles/{name}", token=boss.token)) == (409, "role_in_use")
    service.database.change_user(member.id, status="active")
    assert me(service, member)["permissions"] == ["users:read"]
    grant(service, boss, member.id)
    assert me(service, member)["roles"] == []
    assert service.send("DELETE", f"/admin/roles/{name}", token=boss.token).status_code == 200


def test_a_role_of_new_users_is_not_deleted(service: Service, start: Start, boss: Account) -> None:
    name = new_role(service, boss)
    other = start(on=service, DEFAULT_ROLES=f"member,{name}")
    reply = other.send("DELETE", f"/admin/roles/{name}", token=boss.token)
    assert outcome(reply) == (409, "role_in_use")
    assert "DEFAULT_ROLES" in reply.json["message"]


@pytest.mark.parametrize("roles", [["wizard"], ["member", "Admin"], ["admin:leaving"], [""], "member", [None]])
def test_a_role_that_does_not_exist_is_not_given(service: Service, boss: Account, roles: object) -> None:
    member = service.register()
    reply = service.send("PUT", f"/admin/users/{member.id}/roles", json={"roles": roles}, token=boss.token)
    assert {field.partition(".")[0] for field, _ in refused_fields(reply)} == {"roles"}
    assert me(service, member)["roles"] == ["member"]


def test_who_is_not_there_gets_no_roles(service: Service, boss: Account) -> None:
    gone = service.register()
    service.database.change_user(gone.id, status="deleted")
    for user_id in (gone.id, new_id(), "x"):
        assert outcome(grant(service, boss, user_id, "member")) == (404, "not_found")


# Nobody gives, takes or changes more than they hold.


def test_nobody_gives_or_takes_a_permission_that_they_do_not_hold(service: Service, boss: Account) -> None:
    grantor = holder(service, boss, "roles:write", "users:read")
    held, beyond = new_role(service, boss, "users:read"), new_role(service, boss, "users:read", "audit:read")
    member = service.register()
    assert grant(service, grantor, member.id, "member", held).status_code == 200
    for roles in ([beyond], ["admin"], [held, beyond]):
        reply = grant(service, grantor, member.id, *roles)
        assert outcome(reply) == (403, "forbidden")
        assert "audit:read" in reply.json["message"]
        assert "users:read" not in reply.json["message"]
    grant(service, boss, member.id, "member", beyond)
    for roles in ([], ["member"], ["member", beyond]):  # not even what changes nothing
        assert outcome(grant(service, grantor, member.id, *roles)) == (403, "forbidden")
    assert me(service, member)["roles"] == ["member", beyond]
    assert outcome(grant(service, grantor, grantor.id, "admin")) == (403, "forbidden")
    assert outcome(grant(service, grantor, boss.id, "member")) == (403, "forbidden")


def test_nobody_edits_a_role_beyond_their_own_permissions(service: Service, boss: Account) -> None:
    editor = holder(service, boss, "roles:read", "roles:write", "users:read")
    assert create(service, editor, f"own-{next(_NUMBERS)}", "users:read").status_code == 201
    assert outcome(create(service, editor, "x", "users:read", "audit:read")) == (403, "forbidden")
    own, beyond = new_role(service, boss, "users:read"), new_role(service, boss, "audit:read")
    attempts: tuple[tuple[str, dict[str, Any]], ...] = (
        (own, {"permissions": ["audit:read"]}),  # the new ones
        (beyond, {"permissions": []}),  # the old ones
        (beyond, {"description": "Mine."}),
    )
    for name, body in attempts:
        reply = service.send("PATCH", f"/admin/roles/{name}", json=body, token=editor.token)
        assert outcome(reply) == (403, "forbidden")
        assert "audit:read" in reply.json["message"]
    assert outcome(service.send("DELETE", f"/admin/roles/{beyond}", token=editor.token)) == (403, "forbidden")
    assert service.store.role_books.load().role(beyond) == Role(beyond, ("audit:read",))
    assert service.send("DELETE", f"/admin/roles/{own}", token=editor.token).status_code == 200


# The last administrator.


def test_the_last_administrator_is_not_demoted(start: Start) -> None:
    service = start()
    first, second = service.administrator(), service.administrator()
    assert grant(service, first, second.id, "member").status_code == 200
    assert outcome(grant(service, first, first.id, "member")) == (409, "last_admin")
    assert me(service, first)["roles"] == ["admin"]
    assert outcome(grant(service, second, first.id, "member")) == (403, "forbidden")
    assert grant(service, first, second.id, "admin").status_code == 200
    assert grant(service, first, first.id, "member").status_code == 200
    assert service.administrators() == [second.id]


def test_of_two_administrators_who_demote_each_other_at_once_one_remains(start: Start) -> None:
    service = start()
    for _ in range(6):
        pair = [service.administrator(), service.administrator()]
        for user_id in set(service.administrators()) - {account.id for account in pair}:
            assert grant(service, pair[0], user_id, "member").status_code == 200

        def demote(number: int, pair: list[Account] = pair) -> tuple[int, str]:
            return outcome(grant(service, pair[number], pair[1 - number].id, "member"))

        results = service.at_once(demote, 2)
        assert min(status for status, _ in results) == 200, results
        assert set(results) <= {(200, ""), (409, "last_admin"), (403, "forbidden")}
        assert len(service.administrators()) == 1


# Who was demoted, or logged out, while their request was on its way changes nothing.


def act_once_admitted(monkeypatch: pytest.MonkeyPatch, act: Any) -> None:
    """Do something right after the next request is admitted."""
    authenticate = AccessTokenAuthenticator.authenticate

    def then_act(self: AccessTokenAuthenticator, token: str) -> Any:
        principal = authenticate(self, token)
        monkeypatch.setattr(AccessTokenAuthenticator, "authenticate", authenticate)
        act()
        return principal

    monkeypatch.setattr(AccessTokenAuthenticator, "authenticate", then_act)


@pytest.mark.parametrize("end", ["demoted", "logged out", "disabled", "role changed"])
def test_what_is_asked_before_the_actor_lost_the_right_is_not_done_after(
    service: Service, boss: Account, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    name = new_role(service, boss, "roles:write", "users:read")
    target = new_role(service, boss, "users:read")
    for method, path, body in (
        ("PUT", "/admin/users/{member}/roles", {"roles": [target]}),
        ("POST", "/admin/roles", {"name": "too-late", "permissions": []}),
        ("PATCH", f"/admin/roles/{target}", {"permissions": []}),
        ("DELETE", f"/admin/roles/{target}", None),
    ):
        actor, member = service.register(), service.register()
        assert grant(service, boss, actor.id, name).status_code == 200
        before = service.store.role_books.load()

        def act(actor: Account = actor) -> None:
            if end == "demoted":
                assert grant(service, boss, actor.id, "member").status_code == 200
            elif end == "logged out":
                assert service.post("/auth/logout", {"scope": "all"}, token=actor.token).status_code == 200
            elif end == "disabled":
                service.database.change_user(actor.id, status="disabled")
            else:
                changed = service.send("PATCH", f"/admin/roles/{name}", json={"permissions": []}, token=boss.token)
                assert changed.status_code == 200

        act_once_admitted(monkeypatch, act)
        reply = service.send(method, path.format(member=member.id), json=body, token=actor.token)
        expected = {(403, "forbidden")} if end in {"demoted", "role changed"} else {(401, "session_ended")}
        assert outcome(reply) in expected
        assert me(service, member)["roles"] == ["member"]
        if end == "role changed":
            restored = {"permissions": ["roles:write", "users:read"]}
            service.send("PATCH", f"/admin/roles/{name}", json=restored, token=boss.token)
        left = service.store.role_books.load().roles
        assert {each: role.permissions for each, role in left.items()} == {
            each: role.permissions for each, role in before.roles.items()
        }
