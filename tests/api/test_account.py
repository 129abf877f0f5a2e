"""Stories of one's own account: its password, its names, what is known of it, and its end."""

import json
from functools import partial
from typing import Any

import pyotp
import pytest

from app.accounts.imported import LinkedIdentity
from app.accounts.service import Accounts
from app.audit.service import Audit
from app.platform.devices import Device
from app.platform.errors import SessionEnded, Unavailable
from app.security.passwords import PasswordHasher
from app.transfer.importing import ImportRules, ImportService
from app.transfer.incoming import Incoming, Totp
from tests.api.mailbox import mails_to, newest_to, send
from tests.api.service import PASSWORD, Account, Reply, Service, new_names
from tests.api.test_recovery import NEW, outcome, verified
from tests.unit.instance import session_of


def change_password(service: Service, account: Account, current: str = PASSWORD, new: str = NEW) -> Reply:
    return service.post("/auth/password", {"current_password": current, "new_password": new}, token=account.token)


def repeat(service: Service, token: str, _: int) -> Reply:
    return service.post("/auth/refresh", {"refresh_token": token})


def actions(service: Service, token: str) -> list[str]:
    """The actions of the user's events, newest first."""
    return [event["action"] for event in service.get("/auth/events", token=token).json["data"]["events"]]


def test_a_change_of_the_password_ends_the_other_sessions_and_keeps_this_one(service: Service) -> None:
    ann = service.register()
    other = Account(service.login(ann.email).json["data"], ann.email, ann.username)
    assert change_password(service, ann).status_code == 200
    assert service.get("/auth/me", token=ann.token).status_code == 200
    assert service.post("/auth/refresh", {"refresh_token": ann.refresh_token}).status_code == 200
    assert outcome(service.get("/auth/me", token=other.token)) == (401, "session_ended")
    assert outcome(service.login(ann.email)) == (401, "invalid_credentials")
    assert service.login(ann.email, NEW).status_code == 200


def test_a_password_change_is_mailed_to_the_owner_and_recorded(service: Service) -> None:
    ann = verified(service)
    change_password(service, ann)
    assert "password" in newest_to(service, ann.email).subject.lower()
    assert actions(service, ann.token)[0] == "password.changed"


def test_a_wrong_current_password_changes_nothing_and_counts_as_a_failed_login(service: Service) -> None:
    ann = service.register()
    for _ in range(10):
        assert outcome(change_password(service, ann, "a wrong password")) == (403, "wrong_password")
    assert outcome(change_password(service, ann)) == (429, "too_many_requests")
    assert outcome(service.login(ann.email)) == (429, "too_many_requests")
    service.clock.advance(1)
    assert service.login(ann.email).status_code == 200


def test_failed_logins_do_not_stop_a_logged_in_user_from_changing_the_password(service: Service) -> None:
    """Mallory makes both names wait at the login: Ann changes her password, and can log in again."""
    ann = service.register()
    for name in (ann.email, ann.username):
        for _ in range(10):
            service.login(name, "a wrong password")
        assert outcome(service.login(name)) == (429, "too_many_requests")
    assert change_password(service, ann).status_code == 200
    for name in (ann.email, ann.username):
        assert service.login(name, NEW).status_code == 200


def test_a_new_password_must_not_be_one_of_the_users_names(service: Service) -> None:
    ann = service.register()
    for word in (ann.email, f"!!{ann.username}1234"):
        reply = change_password(service, ann, new=word)
        assert [(error["field"], error["code"]) for error in reply.json["errors"]] == [("new_password", "too_easy")]


def test_of_many_changes_at_once_the_last_password_is_one_of_them(service: Service) -> None:
    ann = service.register()
    replies = service.at_once(lambda number: change_password(service, ann, new=f"{NEW} {number}"))
    assert {reply.status_code for reply in replies} <= {200, 403, 429}
    assert [reply.status_code for reply in replies].count(200) == 1


def test_names_are_changed_one_by_one(service: Service) -> None:
    ann, (_, username) = service.register(), new_names()
    renamed = service.send("PATCH", "/auth/me", json={"name": "  Ann Example "}, token=ann.token)
    assert (renamed.json["data"]["user"]["name"], renamed.json["data"]["user"]["username"]) == (
        "Ann Example",
        ann.username,
    )
    renamed = service.send("PATCH", "/auth/me", json={"username": username}, token=ann.token)
    assert (renamed.json["data"]["user"]["name"], renamed.json["data"]["user"]["username"]) == (
        "Ann Example",
        username,
    )
    assert service.send("PATCH", "/auth/me", json={"name": None}, token=ann.token).json["data"]["user"]["name"] is None
    assert service.send("PATCH", "/auth/me", json={}, token=ann.token).json["data"]["user"]["username"] == username
    assert service.login(username).status_code == 200
    assert outcome(service.login(ann.username)) == (401, "invalid_credentials")


def test_a_new_user_name_is_mailed_to_the_verified_address(service: Service) -> None:
    ann, (_, username) = verified(service), new_names()
    service.send("PATCH", "/auth/me", json={"username": username}, token=ann.token)
    assert "user name" in newest_to(service, ann.email).subject.lower()


def test_a_taken_or_reserved_user_name_is_refused(service: Service) -> None:
    ann, bob = service.register(), service.register()
    for name in (bob.username.upper(), "admin"):
        reply = service.send("PATCH", "/auth/me", json={"username": name}, token=ann.token)
        assert outcome(reply) == (409, "username_taken")


def test_of_many_concurrent_claims_of_a_user_name_one_succeeds(service: Service) -> None:
    _, wanted = new_names()
    accounts = [service.register() for _ in range(8)]
    replies = service.at_once(
        lambda number: service.send("PATCH", "/auth/me", json={"username": wanted}, token=accounts[number].token),
        many=8,
    )
    assert sorted(reply.status_code for reply in replies) == [200] + [409] * 7


@pytest.mark.parametrize(
    "field", ["email", "roles", "email_verified", "id", "_id", "password", "status", "permissions"]
)
def test_nothing_else_can_be_changed_that_way(service: Service, field: str) -> None:
    ann = service.register()
    reply = service.send("PATCH", "/auth/me", json={field: "admin"}, token=ann.token)
    assert [(error["field"], error["code"]) for error in reply.json["errors"]] == [(field, "unknown_field")]


@pytest.mark.parametrize(
    ("method", "path", "body"), [("PATCH", "/auth/me", {"username": "somebody"}), ("GET", "/auth/me/export", None)]
)
def test_sensitive_reads_and_changes_need_a_fresh_login(service: Service, method: str, path: str, body: object) -> None:
    ann = service.register()
    service.clock.advance(601)
    refreshed = service.post("/auth/refresh", {"refresh_token": ann.refresh_token}).json["data"]["access_token"]
    refused = service.send(method, path, json=body, token=refreshed)
    assert outcome(refused) == (403, "reauthentication_required")
    assert "log in again" in refused.json["message"]
    again = service.login(ann.email).json["data"]["access_token"]
    assert service.send(method, path, json=body, token=again).status_code == 200


def test_a_login_is_fresh_for_ten_minutes(service: Service) -> None:
    ann = service.register()
    service.clock.advance(600)
    assert service.get("/auth/me/export", token=ann.token).status_code == 200


def test_the_export_holds_everything_but_secrets(service: Service) -> None:
    ann, (new, _) = verified(service), new_names()
    service.post("/auth/email", {"email": new, "password": PASSWORD}, token=ann.token)
    reply = service.get("/auth/me/export", token=ann.token)
    export = reply.json["data"]
    lists = ["former_emails", "waiting_mails", "sessions", "events", "factors", "identities", "grants", "api_keys"]
    assert list(export) == ["user", "pending_email", *lists, "products", "imported"]
    assert export["user"]["email"] == ann.email
    assert export["pending_email"]["email"] == new
    assert [session["current"] for session in export["sessions"]] == [True]
    assert {"user.registered", "session.opened", "email.verified", "email.change_requested"} <= {
        event["action"] for event in export["events"]
    }
    for secret in ("password_hash", "$2b$", "seed", "auth_epoch", "generation"):
        assert secret not in reply.text


def test_the_export_of_a_user_from_another_system_names_it_without_their_secrets(service: Service) -> None:
    totp = Totp("JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
    service.wired.get(ImportService).add(
        Incoming(
            id="7",
            email="import@example.org",
            hash=PasswordHasher("bcrypt", 4).hash(PASSWORD),
            identities=(LinkedIdentity("google", "117"),),
            totp=(totp,),
        ),
        ImportRules("django"),
    )
    login = service.post("/auth/login", {"email": "import@example.org", "password": PASSWORD})
    code = pyotp.TOTP(totp.secret).at(service.clock())
    body = {"login_token": login.json["login"]["token"], "method": "totp", "code": code}
    login = service.post("/auth/login/continue", body)

    reply = service.get("/auth/me/export", token=login.json["data"]["access_token"])

    assert reply.json["data"]["imported"] == [
        {
            "source": "django",
            "id": "7",
            "identities": [{"provider": "google", "subject": "117"}],
        }
    ]
    assert [factors["totp"]["confirmed"] for factors in reply.json["data"]["factors"]] == [True]
    assert totp.secret not in reply.text
    assert "sealed" not in reply.text


def test_the_export_holds_more_events_than_a_page_does(service: Service) -> None:
    ann = service.register()
    for number in range(210):
        service.wired.get(Audit).record(ann.id, "test.event", None, number=str(number))
    told = service.get("/auth/me/export", token=ann.token).json["data"]["events"]
    assert [event["details"]["number"] for event in told if event["action"] == "test.event"] == [
        str(number) for number in reversed(range(210))
    ]


def test_events_are_paged_the_newest_first(service: Service) -> None:
    ann = service.register()
    service.post("/auth/logout", {"scope": "others"}, token=ann.token)
    seen: list[str] = []
    cursor = ""
    while True:
        page = service.get("/auth/events", token=ann.token, query=f"limit=1{cursor}").json["data"]
        seen += [event["action"] for event in page["events"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert seen == ["sessions.ended_others", "session.opened", "user.registered"]


def test_events_show_time_and_origin(service: Service) -> None:
    browser = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
    ann = service.register()
    token = service.login(ann.email, headers={"User-Agent": browser}).json["data"]["access_token"]
    event = service.get("/auth/events", token=token).json["data"]["events"][0]
    assert (event["action"], event["ip"], event["device"]) == ("session.opened", "127.0.0.1", "Firefox on Linux")


def test_what_another_user_did_shows_that_without_saying_who_or_from_where(service: Service) -> None:
    ann, bob, root = service.register(), service.administrator(), service.administrator()
    accounts, at_work = service.wired.get(Accounts), Device("203.0.113.9", "curl/8.5.0")
    by = session_of(service.wired, root.id)
    for account in (ann, bob):
        accounts.change(account.id, lambda account: account, by=by, actions=["name.changed"], device=at_work)

    def newest(account: Account) -> dict[str, Any]:
        listed = service.get("/auth/events", token=account.token)
        exported = service.get("/auth/me/export", token=account.token).json["data"]["events"]
        event: dict[str, Any] = listed.json["data"]["events"][0]
        assert event in exported
        assert (root.id in listed.text) is (at_work.ip in listed.text) is (account is bob)
        assert listed.json["data"]["events"][1]["actor"] is None
        return {name: event[name] for name in ("action", "actor", "ip", "device")}

    hidden = {"action": "name.changed", "actor": "administrator", "ip": None, "device": None}
    assert newest(ann) == hidden
    assert newest(bob) == hidden | {"actor": root.id, "ip": at_work.ip, "device": "curl"}


def test_nobody_sees_the_events_of_another(service: Service) -> None:
    ann, bob = service.register(), service.register()
    ids = [
        {event["id"] for event in service.get("/auth/events", token=account.token).json["data"]["events"]}
        for account in (ann, bob)
    ]
    assert ids[0].isdisjoint(ids[1])


def delete(service: Service, account: Account, password: str = PASSWORD) -> Reply:
    return service.send("DELETE", "/auth/me", json={"password": password}, token=account.token)


def test_a_deleted_account_is_gone_at_once(service: Service) -> None:
    ann = verified(service)
    assert delete(service, ann).status_code == 200
    assert outcome(service.get("/auth/me", token=ann.token)) == (401, "session_ended")
    assert outcome(service.post("/auth/refresh", {"refresh_token": ann.refresh_token}))[0] == 401
    for name in (ann.email, ann.username):
        assert outcome(service.login(name)) == (401, "invalid_credentials")
    again = service.post("/auth/register", {"email": ann.email, "username": ann.username, "password": PASSWORD})
    assert again.status_code == 201


def test_the_last_mail_of_a_deleted_account_is_sent_and_then_nothing_is_left(service: Service) -> None:
    ann = verified(service)
    delete(service, ann)
    assert "deleted" in newest_to(service, ann.email).subject.lower()
    assert service.store.users.account(ann.id) is None
    events = service.store.events.page_of(ann.id, before=None, limit=50)
    assert events
    assert {(event.ip, event.user_agent, *event.details) for event in events} == {(None, None)}


def test_a_deleted_user_is_in_no_list(service: Service) -> None:
    ann, admin = service.register(), service.administrator()
    delete(service, ann)
    for viewer in (admin.token, service.register().token):
        users = service.get("/auth/users", token=viewer, query="limit=200").json["data"]["users"]
        assert ann.id not in {user["id"] for user in users}


def test_a_deletion_needs_the_password(service: Service) -> None:
    ann = service.register()
    assert outcome(delete(service, ann, "a wrong password")) == (403, "wrong_password")
    for body in (None, {}, {"password": None}):
        missing = service.send("DELETE", "/auth/me", json=body, token=ann.token)
        assert [(error["field"], error["code"]) for error in missing.json["errors"]] == [("password", "required")]
    assert service.get("/auth/me", token=ann.token).status_code == 200


def test_data_of_a_deleted_account_is_deleted_in_batches_mostly_after_the_reply(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.platform.pieces.AT_ONCE", 2)
    ann = service.register()
    for _ in range(80):
        service.wired.get(Audit).record(ann.id, "name.changed", Device("192.0.2.1", "curl"))
    assert delete(service, ann).status_code == 200
    events = service.store.events
    left = [event for event in events.page_of(ann.id, before=None, limit=100) if event.ip]
    assert 0 < len(left) < 80
    send(service)
    assert not [event for event in events.page_of(ann.id, before=None, limit=100) if event.ip or event.details]
    assert service.store.users.account(ann.id) is None


def test_links_mailed_to_a_deleted_account_are_dead(service: Service) -> None:
    ann = verified(service)
    service.post("/auth/password/forgot", {"email": ann.email})
    token = newest_to(service, ann.email).token
    delete(service, ann)
    body = {"token": token, "new_password": NEW}
    assert outcome(service.post("/auth/password/reset", body)) == (422, "invalid_code")
    send(service)
    assert outcome(service.post("/auth/password/reset", body)) == (422, "invalid_code")


def test_the_last_administrator_stays(service: Service) -> None:
    first, second = service.administrator(), service.administrator()
    assert delete(service, first).status_code == 200
    others = [user for user in service.administrators() if user != second.id]
    for other in others:
        service.database.change_user(other, status="disabled")
    assert outcome(delete(service, second)) == (409, "last_admin")
    me = service.get("/auth/me", token=second.token)
    assert me.json["data"]["user"]["roles"] == ["admin"]


def test_the_owner_is_warned_of_a_reused_refresh_token(service: Service) -> None:
    ann = verified(service)
    service.post("/auth/refresh", {"refresh_token": ann.refresh_token})
    service.clock.advance(31)
    reused = service.post("/auth/refresh", {"refresh_token": ann.refresh_token})
    assert outcome(reused) == (401, "reused_refresh_token")
    assert len(mails_to(service, ann.email)) == 2
    again = service.login(ann.email).json["data"]["access_token"]
    assert "session.reused" in actions(service, again)


def test_a_refresh_within_the_grace_time_is_recorded_with_its_address(service: Service) -> None:
    ann = service.register()
    first = service.post("/auth/refresh", {"refresh_token": ann.refresh_token}).json["data"]
    service.post("/auth/refresh", {"refresh_token": ann.refresh_token})
    (repeated,) = [
        event
        for event in service.get("/auth/events", token=first["access_token"]).json["data"]["events"]
        if event["action"] == "session.repeated"
    ]
    assert repeated["ip"] == "127.0.0.1"


def test_a_token_that_is_repeated_again_and_again_is_recorded_once_for_each_exchange(service: Service) -> None:
    ann = service.register()
    token = ann.refresh_token
    for _ in range(2):
        exchanged = service.post("/auth/refresh", {"refresh_token": token}).json["data"]
        replies = service.at_once(partial(repeat, service, token))
        assert {reply.status_code for reply in replies} == {200}
        token = exchanged["refresh_token"]
        service.clock.advance(1)
    assert actions(service, exchanged["access_token"]).count("session.repeated") == 2


def test_the_export_is_read_page_by_page_while_it_is_sent(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ann, pages = service.register(), 0
    for number in range(600):
        service.wired.get(Audit).record(ann.id, "name.changed", number=str(number))
    events = type(service.store.events)
    page = events.page_of

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal pages
        pages += 1
        return page(*arguments, **named)

    monkeypatch.setattr(events, "page_of", counted)
    reply = service.app.test_client().get("/auth/me/export", headers={"Authorization": f"Bearer {ann.token}"})
    whole, seen = b"", []
    for part in reply.iter_encoded():
        whole += part
        seen.append(pages)
    told = json.loads(whole)["data"]["events"]
    assert [event["details"].get("number") for event in told][1:601] == [str(number) for number in range(599, -1, -1)]
    assert sorted(set(seen)) == [0, 1, 2, 3, 4]


def test_an_export_that_breaks_off_does_not_look_whole(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    ann = service.register()
    for _ in range(300):
        service.wired.get(Audit).record(ann.id, "name.changed")
    events = type(service.store.events)
    page = events.page_of

    def once(self: Any, user_id: str, *, before: str | None, limit: int) -> Any:
        if before is not None:
            raise Unavailable
        return page(self, user_id, before=before, limit=limit)

    monkeypatch.setattr(events, "page_of", once)
    reply = service.app.test_client().get("/auth/me/export", headers={"Authorization": f"Bearer {ann.token}"})
    parts: list[bytes] = []
    with pytest.raises(Unavailable):
        parts.extend(reply.iter_encoded())
    assert len(parts) == 2
    with pytest.raises(json.JSONDecodeError):
        json.loads(b"".join(parts))
    assert "Content-Length" not in reply.headers


def test_a_slow_reader_of_an_export_gets_no_more_of_it_once_logged_out(service: Service) -> None:
    ann = service.register()
    for _ in range(300):
        service.wired.get(Audit).record(ann.id, "name.changed")
    reply = service.app.test_client().get("/auth/me/export", headers={"Authorization": f"Bearer {ann.token}"})
    coming = reply.iter_encoded()
    parts = [next(coming), next(coming)]
    another = service.login(ann.email).json["data"]["token"]
    assert service.post("/auth/logout", {"scope": "all"}, token=another).status_code == 200

    with pytest.raises(SessionEnded):
        parts.extend(coming)
    assert b"".join(parts).count(b'"action":"name.changed"') < 300


def test_warnings_to_an_unproven_address_hold_nothing_that_a_user_wrote(service: Service) -> None:
    mallory = service.register()
    service.send("PATCH", "/auth/me", json={"username": "visit-evil.example"}, token=mallory.token)
    for mail in mails_to(service, mallory.email):
        assert "evil.example" not in mail.subject + mail.text + mail.html
