"""POST /admin/users/<user_id>/impersonate: an administrator acts for a user, and everybody concerned sees it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from app.sessions.impersonation import MOST
from tests.contract.races import THREADS, in_threads

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service, Start

REASON = "Ticket 4711"


@pytest.fixture(scope="module")
def on(start: Start) -> Service:
    return start(IMPERSONATION="on")


@pytest.fixture
def boss(on: Service) -> Account:
    return on.administrator()


@pytest.fixture
def ann(on: Service) -> Account:
    return on.register()


def begin(service: Service, user_id: str, token: str | None, **body: object) -> Reply:
    return service.post(f"/admin/users/{user_id}/impersonate", body or {"reason": REASON}, token=token)


def acting(service: Service, boss: Account, ann: Account) -> str:
    """The access token of an administrator who acts for a user."""
    reply = begin(service, ann.id, boss.token)
    assert reply.status_code == 200, reply.text
    return str(reply.json["data"]["access_token"])


def demote(service: Service, boss: Account) -> None:
    reply = service.send("PUT", f"/admin/users/{boss.id}/roles", json={"roles": ["member"]}, token=boss.token)
    assert reply.status_code == 200, reply.text


def test_it_answers_like_a_login_without_a_refresh_token(on: Service, boss: Account, ann: Account) -> None:
    reply = begin(on, ann.id, boss.token)
    data = reply.json["data"]
    assert data.keys() == {"access_token", "token", "token_type", "expires_in", "user", "impersonation"}
    assert (data["access_token"], data["token_type"], data["expires_in"]) == (data["token"], "Bearer", 900)
    assert data["user"] == ann.data["user"]
    assert (data["impersonation"]["by"], data["impersonation"]["reason"]) == (boss.id, REASON)


def test_me_says_who_acts_and_why_and_says_nothing_of_it_otherwise(on: Service, boss: Account, ann: Account) -> None:
    token = acting(on, boss, ann)
    data = on.get("/auth/me", token=token).json["data"]
    assert data["user"]["id"] == ann.id
    assert (data["impersonation"]["by"], data["impersonation"]["reason"]) == (boss.id, REASON)
    for account in (ann, boss):
        assert on.get("/auth/me", token=account.token).json["data"].keys() == {"user"}


def test_the_user_sees_it_among_their_sessions_and_events_but_not_who_it_is(
    on: Service, boss: Account, ann: Account
) -> None:
    token = acting(on, boss, ann)
    replies = {who: on.get("/auth/sessions", token=each) for who, each in (("ann", ann.token), ("boss", token))}
    own, theirs = replies["ann"].json["data"]["sessions"]
    assert "impersonated_by" not in own
    assert (theirs["impersonated_by"], theirs["device"], theirs["ip"]) == ("administrator", "An administrator", "")
    assert [each["current"] for each in replies["boss"].json["data"]["sessions"]] == [False, True]
    listed = on.get("/auth/events", token=ann.token)
    event = listed.json["data"]["events"][0]
    assert (event["action"], event["actor"]) == ("user.impersonated", "administrator")
    assert event["details"] == {"reason": REASON, "session": theirs["id"]}
    export = on.get("/auth/me/export", token=ann.token)
    for reply in (replies["ann"], listed, export):
        assert boss.id not in reply.text
    assert theirs["id"] in export.text


def test_the_user_ends_it_like_a_session(on: Service, boss: Account, ann: Account) -> None:
    token = acting(on, boss, ann)
    _, theirs = on.get("/auth/sessions", token=ann.token).json["data"]["sessions"]
    assert on.send("DELETE", f"/auth/sessions/{theirs['id']}", token=ann.token).status_code == 200
    assert on.get("/auth/me", token=token).json["code"] == "session_ended"
    assert on.send("DELETE", f"/auth/sessions/{theirs['id']}", token=ann.token).status_code == 404


def test_it_changes_the_name_and_nothing_that_lets_anyone_in(on: Service, boss: Account, ann: Account) -> None:
    token = acting(on, boss, ann)
    renamed = on.send("PATCH", "/auth/me", json={"name": "Ann"}, token=token)
    assert renamed.json["data"]["user"]["name"] == "Ann"
    event = on.get("/auth/events", token=ann.token).json["data"]["events"][0]
    assert (event["action"], event["actor"]) == ("name.changed", "administrator")
    refused = [
        on.send("PATCH", "/auth/me", json={"username": "another"}, token=token),
        on.post("/auth/password", {"current_password": ann.password, "new_password": "a" * 20}, token=token),
        on.post("/auth/email", {"email": "eve@example.com", "password": ann.password}, token=token),
        on.send("DELETE", "/auth/me", json={"password": ann.password}, token=token),
        on.get("/auth/me/export", token=token),
        on.post("/auth/logout", {"scope": "all"}, token=token),
    ]
    assert {(reply.status_code, reply.json["code"]) for reply in refused} == {(403, "forbidden")}
    assert on.login(ann.username).status_code == 200


def test_nobody_impersonates_from_an_impersonation(on: Service, boss: Account, ann: Account) -> None:
    chief = on.administrator()
    token = acting(on, boss, chief)
    reply = begin(on, ann.id, token)
    assert (reply.status_code, reply.json["code"]) == (403, "forbidden")
    assert "not an administrator who acts for them" in reply.json["message"]


def test_there_is_no_refresh_and_the_token_refreshes_nothing(on: Service, boss: Account, ann: Account) -> None:
    token = acting(on, boss, ann)
    for reply in (on.post("/auth/refresh", {"refresh_token": token}), on.post("/auth/refresh", {}, token=token)):
        assert (reply.status_code, reply.json["code"]) == (401, "invalid_refresh_token")


def test_it_needs_a_recent_login(on: Service, ann: Account) -> None:
    boss = on.administrator()
    on.clock.advance(601)
    reply = begin(on, ann.id, boss.token)
    assert (reply.status_code, reply.json["code"]) == (403, "reauthentication_required")


def test_where_it_is_off_the_answer_names_the_setting(service: Service) -> None:
    """Whoever gets this far may know it: they hold the permission. A 404 would say that there is no such user."""
    reply = begin(service, service.register().id, service.administrator().token)
    assert (reply.status_code, reply.json["code"]) == (403, "forbidden")
    assert "IMPERSONATION=on" in reply.json["message"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"reason": " "}, "too_short"),
        ({"reason": "x" * 201}, "too_long"),
        ({"reason": "a\nb"}, "invalid_reason"),
        ({"reason": {"$ne": ""}}, "invalid_type"),
        ({"why": REASON}, "required"),
    ],
)
def test_a_reason_is_one_line_of_text(
    on: Service, boss: Account, ann: Account, body: dict[str, Any], code: str
) -> None:
    reply = begin(on, ann.id, boss.token, **body)
    assert reply.status_code == 422
    assert code in {error["code"] for error in reply.json["errors"]}


@pytest.mark.parametrize("unknown", ["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a", "x", "$ne"])
def test_nobody_acts_for_a_user_who_does_not_exist(on: Service, boss: Account, unknown: str) -> None:
    reply = begin(on, unknown, boss.token)
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


def test_nobody_acts_for_a_service_account(on: Service, boss: Account) -> None:
    made = on.post("/admin/service-accounts", {"name": "robot", "roles": ["member"]}, token=boss.token)
    assert made.status_code == 201, made.text
    reply = begin(on, made.json["data"]["service_account"]["id"], boss.token)
    assert (reply.status_code, reply.json["code"]) == (404, "not_found")


@pytest.mark.parametrize("of", ["the administrator", "the user"])
def test_it_ends_when_an_administrator_disables_either(on: Service, boss: Account, ann: Account, of: str) -> None:
    token, chief = acting(on, boss, ann), on.administrator()
    disabled = boss.id if of == "the administrator" else ann.id
    assert on.post(f"/admin/users/{disabled}/disable", token=chief.token).status_code == 200
    assert on.post(f"/admin/users/{disabled}/enable", token=chief.token).status_code == 200
    assert on.get("/auth/me", token=token).json["code"] == "session_ended"


def test_proxies_learn_who_acts_and_get_an_empty_header_otherwise(on: Service, boss: Account, ann: Account) -> None:
    reply = on.get("/auth/verify", token=acting(on, boss, ann))
    assert (reply.headers["X-Auth-User"], reply.headers["X-Auth-Actor"]) == (ann.id, boss.id)
    assert on.get("/auth/verify", token=ann.token).headers["X-Auth-Actor"] == ""


def test_explain_shows_the_actor_and_says_when_it_has_ended(on: Service, boss: Account, ann: Account) -> None:
    token = acting(on, boss, ann)
    told = on.post("/auth/explain", {"token": token}).json["data"]
    assert (told["accepted"], told["claims"]["act"]) == (True, {"sub": boss.id})
    on.post("/auth/logout", token=boss.token)
    told = on.post("/auth/explain", {"token": token}).json["data"]
    assert (told["accepted"], told["reason"]) == (False, "session_ended")


def test_the_reason_is_not_in_the_log(on: Service, boss: Account, ann: Account, log_file: Any) -> None:
    begin(on, ann.id, boss.token, reason="Her cat is called Schrödinger")
    assert "user.impersonated" in log_file.read_text()
    assert "Her cat" not in log_file.read_text()


def test_of_sixteen_at_once_only_so_many_begin(on: Service, boss: Account, ann: Account) -> None:
    replies = in_threads(lambda _: begin(on, ann.id, boss.token))
    assert Counter(reply.status_code for reply in replies) == {200: MOST, 429: THREADS - MOST}
    listed = on.get("/auth/sessions", token=ann.token).json["data"]["sessions"]
    assert len([each for each in listed if "impersonated_by" in each]) == MOST
    begun = [each for each in on.get("/auth/events", token=ann.token).json["data"]["events"] if each["actor"]]
    assert len(begun) == MOST


@pytest.mark.parametrize("end", ["demotion", "logout", "the user's logout"])
def test_once_it_has_ended_none_of_sixteen_gets_anything_more(
    on: Service, boss: Account, ann: Account, end: str
) -> None:
    on.administrator()  # another one, or the demotion is refused
    token, ended = acting(on, boss, ann), []

    def use(number: int) -> tuple[bool, int]:
        """Whether it had ended before the request began, and the answer; the first one ends it."""
        if number == 0:
            if end == "demotion":
                demote(on, boss)
            else:
                account = boss if end == "logout" else ann
                assert on.post("/auth/logout", {"scope": "all"}, token=account.token).status_code == 200
            ended.append(True)
            return True, 401
        over = bool(ended)
        return over, on.send("PATCH", "/auth/me", json={"name": f"Ann {number}"}, token=token).status_code

    outcomes = in_threads(use)
    assert {status for over, status in outcomes if over} == {401}
    assert {status for _, status in outcomes} <= {200, 401}
    assert on.get("/auth/me", token=token).json["code"] == "session_ended"


def test_sixteen_that_begin_while_the_administrator_is_demoted_leave_none_that_works(
    on: Service, boss: Account, ann: Account
) -> None:
    on.administrator()

    def act(number: int) -> str | None:
        if number == 0:
            demote(on, boss)
            return None
        reply = begin(on, ann.id, boss.token)
        assert reply.status_code in {200, 403, 429}
        return reply.json["data"]["access_token"] if reply.status_code == 200 else None

    tokens = [token for token in in_threads(act) if token]
    assert {on.get("/auth/me", token=token).status_code for token in tokens} <= {401}


def test_an_instance_of_the_former_version_finds_no_session_of_it(on: Service, boss: Account, ann: Account) -> None:
    """It looks among the sessions, so the token opens nothing there, and is never refreshed, counted or trimmed."""
    reply = begin(on, ann.id, boss.token)
    account = on.store.users.account(ann.id)
    assert account is not None
    [begun] = account.impersonations
    sessions, now = on.store.sessions, on.clock()
    assert reply.status_code == 200
    assert sessions.principal(begun.id, ann.id, now) is None
    assert sessions.find_live(begun.id, now) is None
    assert begun.id not in [each.id for each in sessions.of_user(ann.id, now)]
