"""API keys: /auth/api-keys, and what a key is good for."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.api_keys.key_format import make, parse
from app.api_keys.model import KEPT_EXPIRED, ApiKeys
from app.api_keys.service import ApiKeyService
from app.features import PERMISSIONS
from app.platform.identifiers import new_id
from tests.api.mailbox import mails_to, newest_to, send
from tests.api.service import PASSWORD, Account, Reply, Service, Start
from tests.api.test_account import delete as delete_account
from tests.api.test_email_change import moved, undo
from tests.api.test_recovery import NEW, reset, verified
from tests.api.test_roles import events, grant, holder, new_role, outcome, refused_fields

DAY = 86400
NOBODY = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"
OWN = "/auth/api-keys"


@pytest.fixture
def boss(service: Service) -> Account:
    return service.administrator()


def ask(service: Service, by: Account, *permissions: str, name: str = "Backup", **more: Any) -> Reply:
    return service.post(OWN, {"name": name, "permissions": list(permissions), **more}, token=by.token)


def new_key(service: Service, by: Account, *permissions: str, **more: Any) -> str:
    """A key with these permissions."""
    reply = ask(service, by, *permissions, **more)
    assert reply.status_code == 201, reply.text
    return str(reply.json["data"]["key"])


def id_of(key: str) -> str:
    sent = parse(key)
    assert sent is not None
    return sent.id


def me(service: Service, key: str) -> Reply:
    return service.get("/auth/me", token=key)


def listed(service: Service, by: Account) -> list[dict[str, Any]]:
    keys: list[dict[str, Any]] = service.get(OWN, token=by.token).json["data"]["api_keys"]
    return keys


def end(service: Service, by: Account, key: str) -> Reply:
    return service.send("DELETE", f"{OWN}/{id_of(key)}", token=by.token)


def report(service: Service, text: object) -> Reply:
    return service.post(f"{OWN}/leaked", {"key": text})


def set_user(service: Service, user_id: str, **fields: Any) -> None:
    """Change a user beside all rules."""
    account = service.store.users.account(user_id)
    assert account is not None
    assert service.store.users.save(account.with_user(**fields))


# Making, listing and deleting


def test_a_key_is_shown_once_and_then_only_listed(service: Service, boss: Account) -> None:
    ann = holder(service, boss, "users:read", "audit:read")
    reply = ask(service, ann, "users:read", name="  Nightly backup ", expires_in_days=7)
    assert reply.status_code == 201
    data = reply.json["data"]
    assert re.fullmatch(r"lk_[0-9A-Za-z]{22}_[0-9A-Za-z]{49}", data["key"])
    key = data["api_key"]
    assert key == {
        "id": id_of(data["key"]),
        "name": "Nightly backup",
        "prefix": data["key"][:11],
        "permissions": ["users:read"],
        "created_at": key["created_at"],
        "expires_at": key["expires_at"],
        "last_used_at": None,
    }
    created, expires = (datetime.fromisoformat(key[name]) for name in ("created_at", "expires_at"))
    assert expires - created == timedelta(days=7)
    assert service.get(OWN, token=ann.token).json["data"] == {"api_keys": [key], "next": None}
    assert end(service, ann, data["key"]).status_code == 200
    assert listed(service, ann) == []
    assert outcome(me(service, data["key"])) == (401, "invalid_token")
    assert outcome(end(service, ann, data["key"])) == (404, "not_found")


def test_without_a_wish_a_key_lives_for_ninety_days_and_at_most_a_year(service: Service) -> None:
    ann = service.register()
    key = ask(service, ann).json["data"]["api_key"]
    created, expires = (datetime.fromisoformat(key[name]) for name in ("created_at", "expires_at"))
    assert expires - created == timedelta(days=90)
    assert ask(service, ann, expires_in_days=365).status_code == 201
    assert refused_fields(ask(service, ann, expires_in_days=366)) == [("expires_in_days", "too_large")]
    for odd in (0, -1, 1.5, "7", True, 10**6):
        assert ask(service, ann, expires_in_days=odd).status_code == 422


def test_the_settings_say_how_long_keys_live_and_how_many_there_are(start: Start) -> None:
    service = start(API_KEY_DAYS="5", API_KEY_MAX_DAYS="6", API_KEYS_PER_USER="2")
    ann = service.register()
    key = ask(service, ann).json["data"]["api_key"]
    assert datetime.fromisoformat(key["expires_at"]) - datetime.fromisoformat(key["created_at"]) == timedelta(days=5)
    assert refused_fields(ask(service, ann, expires_in_days=7)) == [("expires_in_days", "too_large")]
    second = new_key(service, ann)
    assert outcome(ask(service, ann)) == (409, "too_many_api_keys")
    end(service, ann, second)
    assert ask(service, ann).status_code == 201
    service.clock.advance(6 * DAY)  # expired keys take no place
    again = Account(service.login(ann.email).json["data"], ann.email, ann.username)
    assert [ask(service, again).status_code for _ in range(3)] == [201, 201, 409]


def test_a_permission_that_does_not_exist_is_refused_by_name(service: Service, boss: Account) -> None:
    reply = ask(service, boss, "users:read", "cakes:eat", "beds:make", expires_in_days=1000)
    assert refused_fields(reply) == [
        ("permissions", "unknown_permission"),
        ("permissions", "unknown_permission"),
        ("expires_in_days", "too_large"),
    ]
    assert "cakes:eat" in reply.json["errors"][1]["message"]
    assert refused_fields(ask(service, boss, "*")) == [("permissions", "invalid_permission")]


def test_nobody_gives_a_key_more_than_they_hold(service: Service, boss: Account) -> None:
    ann = holder(service, boss, "users:read")
    reply = ask(service, ann, "users:read", "users:write")
    assert outcome(reply) == (403, "forbidden")
    assert "users:write" in reply.json["message"]
    assert listed(service, ann) == []
    assert service.wired.get(ApiKeyService).keys.remove_some_of(ann.id, 10) == 0
    assert ask(service, boss, *PERMISSIONS).status_code == 201


def test_a_key_needs_a_recent_login(service: Service) -> None:
    ann = service.register()
    service.clock.advance(601)
    assert outcome(ask(service, ann)) == (403, "reauthentication_required")
    assert service.get(OWN, token=ann.token).status_code == 200


def test_another_users_key_is_like_none(service: Service) -> None:
    ann, bob = service.register(), service.register()
    key = new_key(service, ann)
    theirs, none = end(service, bob, key), service.send("DELETE", f"{OWN}/{NOBODY}", token=bob.token)
    assert outcome(theirs) == outcome(none) == (404, "not_found")
    assert theirs.json["message"] == none.json["message"]
    assert me(service, key).status_code == 200


def test_the_owner_is_told_of_a_new_key_by_mail_and_in_the_events(service: Service) -> None:
    ann, bob = verified(service), service.register()
    key, other = new_key(service, ann, name="For <b>CI</b>"), new_key(service, bob, name="Buy pills")
    letter = newest_to(service, ann.email)
    assert "API key" in letter.subject
    assert "For <b>CI</b>" in letter.text
    assert "<b>CI</b>" not in letter.html
    unproven = newest_to(service, bob.email)
    assert "API key" in unproven.subject
    assert "pills" not in unproven.text
    assert ("api_key.created", {"key": id_of(key)}) in events(service, ann)
    end(service, ann, key)
    assert ("api_key.deleted", {"key": id_of(key)}) in events(service, ann)
    assert me(service, other).status_code == 200


def test_the_export_lists_keys_without_their_secrets(service: Service) -> None:
    ann = service.register()
    key = new_key(service, ann, name="Exported")
    exported = service.get("/auth/me/export", token=ann.token)
    assert [found["id"] for found in exported.json["data"]["api_keys"]] == [id_of(key)]
    assert key[26:] not in exported.text


# What a key is good for


def test_a_key_goes_wherever_an_access_token_goes(service: Service) -> None:
    ann = service.register()
    key = new_key(service, ann)
    assert me(service, key).json["data"]["user"]["id"] == ann.id
    assert service.get("/auth/me", headers={"x-access-token": key}).status_code == 200
    assert service.get("/auth/me", token=key, headers={"x-access-token": key}).status_code == 200
    assert outcome(service.get("/auth/me", token=key, headers={"x-access-token": ann.token})) == (
        400,
        "invalid_request",
    )
    assert outcome(service.get("/auth/me", query=f"access_token={key}")) == (401, "missing_token")
    made = service.post("/api/products", {"name": "Lamp", "price": 1}, token=key)
    assert made.status_code == 201
    assert [each["name"] for each in service.get("/api/products/my", token=ann.token).json["data"]["products"]] == [
        "Lamp"
    ]


def test_a_key_may_what_both_it_and_its_owner_may(service: Service, boss: Account) -> None:
    ann = holder(service, boss, "users:read", "roles:read")
    reads, nothing = new_key(service, ann, "roles:read"), new_key(service, ann)
    assert me(service, reads).json["data"]["user"]["permissions"] == ["roles:read"]
    assert service.get("/admin/roles", token=reads).status_code == 200
    assert outcome(service.get("/admin/roles", token=nothing)) == (403, "forbidden")
    # Demotion and promotion work on the next request.
    assert grant(service, boss, ann.id, "member").status_code == 200
    assert outcome(service.get("/admin/roles", token=reads)) == (403, "forbidden")
    assert grant(service, boss, ann.id, "admin").status_code == 200
    assert me(service, reads).json["data"]["user"]["permissions"] == ["roles:read"]


def test_a_key_of_an_administrator_edits_no_role_beyond_its_own_permissions(service: Service, boss: Account) -> None:
    key = new_key(service, boss, "roles:write", "users:read")
    bob = service.register()
    body = {"roles": ["admin"]}
    path = f"/admin/users/{bob.id}/roles"
    assert outcome(service.send("PUT", path, json=body, token=key)) == (403, "forbidden")
    reader = new_role(service, boss, "users:read")
    assert service.send("PUT", path, json={"roles": [reader]}, token=key).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", OWN, None),
        ("POST", OWN, {"name": "More", "permissions": []}),
        ("DELETE", f"{OWN}/{{key}}", None),
        ("GET", "/admin/api-keys", None),
        ("POST", "/admin/service-accounts", {"name": "More", "roles": []}),
        ("DELETE", f"/admin/service-accounts/{NOBODY}", None),
        ("GET", f"/admin/service-accounts/{NOBODY}/api-keys", None),
        ("POST", f"/admin/service-accounts/{NOBODY}/api-keys", {"name": "More", "permissions": []}),
        ("DELETE", f"/admin/service-accounts/{NOBODY}/api-keys/{{key}}", None),
        ("POST", "/auth/password", {"current_password": PASSWORD, "new_password": NEW}),
        ("POST", "/auth/email", {"email": "a@example.com", "password": PASSWORD}),
        ("GET", "/auth/sessions", None),
        ("DELETE", f"/auth/sessions/{NOBODY}", None),
        ("POST", "/auth/logout", {"scope": "all"}),
        ("PATCH", "/auth/me", {"name": "Other"}),
        ("DELETE", "/auth/me", {"password": PASSWORD}),
        ("GET", "/auth/me/export", None),
    ],
)
def test_a_key_manages_nothing_that_lets_anyone_in(
    service: Service, boss: Account, method: str, path: str, body: object
) -> None:
    key = new_key(service, boss, *PERMISSIONS)
    reply = service.send(method, path.format(key=id_of(key)), json=body, token=key)
    assert outcome(reply) == (403, "forbidden")
    assert "API key" in reply.json["message"]
    assert me(service, key).status_code == 200
    assert end(service, boss, key).status_code == 200


def test_the_proxy_is_told_the_owner_and_asks_for_the_keys_permissions(service: Service, boss: Account) -> None:
    ann = holder(service, boss, "users:read")
    with_it, without = new_key(service, ann, "users:read"), new_key(service, ann)
    reply = service.get("/auth/verify", query="permission=users:read", token=with_it)
    assert reply.status_code == 200
    assert (reply.headers["X-Auth-User"], reply.headers["X-Auth-Username"]) == (ann.id, ann.username)
    assert reply.headers["X-Auth-Roles"] == ""
    assert service.get("/auth/verify", query="permission=users:read", token=without).status_code == 403
    role = service.get("/auth/me", token=ann.token).json["data"]["user"]["roles"][0]
    assert service.get("/auth/verify", query=f"role={role}", token=ann.token).status_code == 200
    assert service.get("/auth/verify", query=f"role={role}", token=with_it).status_code == 403


def test_a_key_is_neither_a_refresh_token_nor_explained(service: Service) -> None:
    key = new_key(service, service.register())
    assert outcome(service.post("/auth/refresh", token=key)) == (401, "invalid_refresh_token")
    assert outcome(service.post("/auth/refresh", {"refresh_token": key})) == (401, "invalid_refresh_token")
    known, unknown = (
        service.post("/auth/explain", {"token": text}).json["data"] for text in (key, make(new_id(), bytes(32)))
    )
    assert known == unknown
    assert (known["kind"], known["accepted"], known["header"], known["claims"]) == ("opaque", None, None, None)


def test_the_last_use_is_noted_at_most_once_a_minute(service: Service) -> None:
    ann = service.register()
    key = new_key(service, ann)

    def noted() -> datetime | None:
        text = listed(service, ann)[0]["last_used_at"]
        return datetime.fromisoformat(text) if text else None

    assert noted() is None
    me(service, key)
    first = noted()
    assert first is not None
    service.clock.advance(59)
    me(service, key)
    assert noted() == first
    service.clock.advance(1)
    me(service, key)
    assert noted() == first + timedelta(minutes=1)


# What does not work


def test_odd_and_foreign_keys_are_refused_alike(service: Service) -> None:
    key = new_key(service, service.register())
    texts = [
        "lk_",
        key[:-1],
        f"{key}0",
        key[:-1] + ("0" if key[-1] != "0" else "1"),
        make(id_of(key), bytes(32)),
        make(new_id(), bytes(32)),
    ]
    replies = [me(service, text) for text in texts]
    assert {outcome(reply) for reply in replies} == {(401, "invalid_token")}
    assert len({reply.json["message"] for reply in replies}) == 1
    assert all('error="invalid_token"' in reply.headers["WWW-Authenticate"] for reply in replies)


def test_a_text_that_can_be_no_key_costs_no_look_at_the_store(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    kind = type(service.store.repository(ApiKeys))
    monkeypatch.setattr(kind, "find", lambda _, key_id: asked.append(key_id))
    key = make(new_id(), bytes(32))
    for odd in ("lk_", key[:-1], key[:-1] + ("0" if key[-1] != "0" else "1")):
        me(service, odd)
    assert asked == []
    me(service, key)
    assert asked == [id_of(key)]


def test_a_key_expires(service: Service) -> None:
    ann = service.register()
    key = new_key(service, ann, expires_in_days=1)
    service.clock.advance(DAY - 0.001)
    assert me(service, key).status_code == 200
    service.clock.advance(0.001)
    assert outcome(me(service, key)) == (401, "expired_token")
    again = Account(service.login(ann.email).json["data"], ann.email, ann.username)
    assert ask(service, again).status_code == 201
    assert id_of(key) not in [each["id"] for each in listed(service, again)]
    assert outcome(me(service, key)) == (401, "expired_token")
    keys = service.wired.get(ApiKeyService).keys
    assert keys.delete_expired(service.clock(), 100) == 0
    assert keys.delete_expired(service.clock() + KEPT_EXPIRED, 100) >= 1
    assert outcome(me(service, key)) == (401, "invalid_token")


def test_a_key_outlives_logouts_and_changes_of_the_password(service: Service) -> None:
    ann = verified(service)
    key = new_key(service, ann)
    changed = service.post("/auth/password", {"current_password": PASSWORD, "new_password": NEW}, token=ann.token)
    assert changed.status_code == 200
    assert me(service, key).status_code == 200
    service.post("/auth/password/forgot", {"email": ann.email})
    assert reset(service, PASSWORD, token=newest_to(service, ann.email).token).status_code == 200
    assert me(service, key).status_code == 200
    again = Account(service.login(ann.email).json["data"], ann.email, ann.username)
    assert service.post("/auth/logout", {"scope": "all"}, token=again.token).status_code == 200
    assert me(service, key).status_code == 200


def test_the_first_proof_of_an_address_ends_keys_that_somebody_else_may_have_made(service: Service) -> None:
    mallory = service.register()
    key = new_key(service, mallory)
    service.post("/auth/password/forgot", {"email": mallory.email})
    letter = next(each for each in mails_to(service, mallory.email) if "#token=" in each.text and "reset" in each.text)
    assert reset(service, token=letter.token).status_code == 200
    assert outcome(me(service, key)) == (401, "invalid_token")


def test_the_undo_of_a_change_of_address_ends_the_intruders_keys(service: Service) -> None:
    ann, _, token = moved(service)
    key = new_key(service, ann)
    assert undo(service, token).status_code == 200
    assert outcome(me(service, key)) == (401, "invalid_token")


def test_a_disabled_owner_is_refused_and_so_are_their_keys(service: Service) -> None:
    ann = service.register()
    key = new_key(service, ann)
    set_user(service, ann.id, status="disabled")
    assert outcome(me(service, key)) == (401, "session_ended")
    set_user(service, ann.id, status="active")
    assert me(service, key).status_code == 200


def test_keys_go_with_the_account_and_do_not_come_back_with_it(service: Service) -> None:
    ann, _, token = moved(service)
    key = new_key(service, ann)
    assert delete_account(service, ann).status_code == 200
    assert outcome(me(service, key)) == (401, "invalid_token")
    assert service.store.repository(ApiKeys).find(id_of(key)) is None
    assert undo(service, token).status_code == 200
    assert outcome(me(service, key)) == (401, "invalid_token")


# Leaks


def test_a_reported_key_ends_and_its_owner_is_told(service: Service) -> None:
    ann = verified(service)
    key, other = new_key(service, ann, name="In a repository"), new_key(service, ann)
    reply = report(service, key)
    assert reply.status_code == 200
    assert outcome(me(service, key)) == (401, "invalid_token")
    assert me(service, other).status_code == 200
    letter = newest_to(service, ann.email)
    assert "API key" in letter.subject
    assert "In a repository" in letter.text
    assert events(service, ann)[0] == ("api_key.leaked", {"key": id_of(key)})
    assert report(service, key).json["message"] == reply.json["message"]
    assert [action for action, _ in events(service, ann)].count("api_key.leaked") == 1


def test_the_path_of_a_report_is_not_read_as_an_identifier(service: Service) -> None:
    response = service.send("DELETE", f"{OWN}/leaked", token=service.register().token)
    assert (response.status_code, set(response.headers["Allow"].split(", "))) == (405, {"POST", "OPTIONS"})


@pytest.mark.parametrize("text", ["", "lk_", "a b\u0000c", "😀", "x" * 60_000])
def test_a_report_of_any_text_gets_the_same_reply(service: Service, text: str) -> None:
    right = report(service, new_key(service, service.register()))
    reply = report(service, text)
    assert (reply.status_code, reply.json) == (200, right.json)
    assert report(service, make(new_id(), bytes(32))).json == right.json


def test_a_report_needs_the_whole_key(service: Service) -> None:
    ann = service.register()
    key = new_key(service, ann)
    assert report(service, make(id_of(key), bytes(32))).status_code == 200
    assert me(service, key).status_code == 200
    assert refused_fields(report(service, {"$ne": ""})) == [("key", "invalid_type")]


def test_a_reported_key_of_a_disabled_user_ends_too(service: Service) -> None:
    ann = service.register()
    key = new_key(service, ann)
    set_user(service, ann.id, status="disabled")
    report(service, key)
    set_user(service, ann.id, status="active")
    assert outcome(me(service, key)) == (401, "invalid_token")


# Together and at once


def test_of_sixteen_keys_at_once_as_many_are_made_as_there_may_be(start: Start) -> None:
    service = start(API_KEYS_PER_USER="5")
    ann = service.register()
    new_key(service, ann)
    replies = service.at_once(lambda _: ask(service, ann))
    assert Counter(outcome(reply) for reply in replies) == {(201, ""): 4, (409, "too_many_api_keys"): 12}
    made = {reply.json["data"]["api_key"]["id"] for reply in replies if reply.status_code == 201}
    assert len(listed(service, ann)) == 5
    assert made < {each["id"] for each in listed(service, ann)}
    assert service.wired.get(ApiKeyService).keys.remove_some_of(ann.id, 100) == 5, "refused ones are not kept"


def test_a_key_that_is_made_while_the_account_is_deleted_never_works(service: Service) -> None:
    for _ in range(4):
        ann = service.register()

        def act(number: int, ann: Account = ann) -> Reply:
            return delete_account(service, ann) if number == 7 else ask(service, ann)

        replies = service.at_once(act)
        assert replies[7].status_code == 200
        keys = [reply.json["data"]["key"] for reply in replies if reply.status_code == 201]
        assert {outcome(me(service, key)) for key in keys} <= {(401, "invalid_token"), (401, "session_ended")}
        send(service)
        assert service.wired.get(ApiKeyService).keys.remove_some_of(ann.id, 100) == 0


def test_of_sixteen_reports_of_one_key_one_tells_the_owner(service: Service) -> None:
    ann = verified(service)
    key = new_key(service, ann)
    before = len(mails_to(service, ann.email))
    assert {reply.status_code for reply in service.at_once(lambda _: report(service, key))} == {200}
    assert [action for action, _ in events(service, ann)].count("api_key.leaked") == 1
    assert len(mails_to(service, ann.email)) == before + 1


def test_of_sixteen_deletions_of_one_key_one_succeeds(service: Service) -> None:
    ann = service.register()
    key = new_key(service, ann)
    replies = service.at_once(lambda _: end(service, ann, key))
    assert Counter(reply.status_code for reply in replies) == {200: 1, 404: 15}
    assert [action for action, _ in events(service, ann)].count("api_key.deleted") == 1


def at_each_moment(
    service: Service, act: Callable[[Account, str], Reply], meanwhile: Callable[[Account, str], Reply]
) -> list[tuple[Account, Reply]]:
    """The replies to `act`, with `meanwhile` during each of its readings of the clock in turn."""
    replies: list[tuple[Account, Reply]] = []
    for moment in range(100):
        ann, looks = service.register(), 0
        key = new_key(service, ann)

        def interrupt(ann: Account = ann, key: str = key, moment: int = moment) -> None:
            nonlocal looks
            looks += 1
            if looks == moment + 1:
                service.clock.at_each_call = lambda: None
                assert meanwhile(ann, key).status_code == 200

        service.clock.at_each_call = interrupt
        try:
            reply = act(ann, key)
        finally:
            service.clock.at_each_call = lambda: None
        if looks <= moment:
            return replies  # there is no later moment
        replies.append((ann, reply))
    raise AssertionError("too many")


def test_a_key_that_ends_while_its_request_is_done_leaves_no_product(service: Service) -> None:
    replies = at_each_moment(
        service,
        lambda _, key: service.post("/api/products", {"name": "Lamp", "price": 1}, token=key),
        lambda _, key: report(service, key),
    )
    statuses = [reply.status_code for _, reply in replies]
    assert statuses.count(401) >= 2
    for ann, reply in replies:
        products = service.get("/api/products/my", token=ann.token).json["data"]["products"]
        assert bool(products) == (reply.status_code == 201)


def test_a_key_that_is_reported_during_another_report_ends_once(service: Service) -> None:
    reports = at_each_moment(service, lambda _, key: report(service, key), lambda _, key: report(service, key))
    assert len(reports) >= 2
    for ann, reply in reports:
        assert reply.status_code == 200
        assert [action for action, _ in events(service, ann)].count("api_key.leaked") == 1


def test_a_session_that_ends_before_the_write_makes_no_key(service: Service) -> None:
    replies = at_each_moment(
        service,
        lambda ann, _: ask(service, ann, name="Late"),
        lambda ann, _: service.post("/auth/logout", {"scope": "all"}, token=ann.token),
    )
    assert [reply.status_code for _, reply in replies].count(401) >= 2
    for ann, reply in replies:
        happened = [action for action, _ in events(service, ann)]
        assert happened.count("api_key.created") == (2 if reply.status_code == 201 else 1)
        if reply.status_code == 201:
            assert happened.index("sessions.ended_all") < happened.index("api_key.created"), "newest first"
        assert service.wired.get(ApiKeyService).keys.remove_some_of(ann.id, 10) == happened.count("api_key.created")


# What is written down


def test_no_key_is_logged_wherever_it_is_sent(service: Service, log_file: Path) -> None:
    ann = service.register()
    key = new_key(service, ann)
    begin = log_file.stat().st_size
    me(service, key)
    me(service, make(id_of(key), bytes(range(32))))
    service.get("/auth/me", headers={"Authorization": key})
    service.get("/auth/me", headers={"X-Api-Key": key, "Authorization": f"Basic {key}"})
    service.get("/auth/me", query=f"key={key}")
    service.get(f"/{key}")
    service.send("DELETE", f"{OWN}/{key}", token=ann.token)
    service.post(OWN, {"name": key, "permissions": [key], key: key}, token=ann.token)
    service.login(key, key)
    service.post("/auth/refresh", {"refresh_token": key})
    report(service, key)
    assert len(log_file.read_bytes()) > begin
    assert key[26:].encode() not in log_file.read_bytes()[begin:]


def test_the_secret_is_not_stored(service: Service) -> None:
    key = new_key(service, service.register())
    found = service.store.repository(ApiKeys).find(id_of(key))
    sent = parse(key)
    assert found is not None
    assert sent is not None
    assert found.key.digest != sent.secret
    assert len(found.key.digest) == 32


# For administrators


def test_administrators_see_all_keys_page_by_page(start: Start) -> None:
    service = start()
    boss = service.administrator()
    ann = service.register()
    keys = [new_key(service, by) for by in (ann, boss, ann)]
    ended = new_key(service, ann)
    end(service, ann, ended)
    found, cursor = [], ""
    while cursor is not None:
        query = f"limit=2{f'&cursor={cursor}' if cursor else ''}"
        page = service.get("/admin/api-keys", query=query, token=boss.token).json["data"]
        found += page["api_keys"]
        cursor = page["next"]
    assert [each["id"] for each in found] == [id_of(key) for key in keys]
    assert [each["user_id"] for each in found] == [ann.id, boss.id, ann.id]
    assert {each["service_account"] for each in found} == {None}
    assert found[0]["username"] == ann.username
    assert outcome(service.get("/admin/api-keys", token=ann.token)) == (403, "forbidden")
