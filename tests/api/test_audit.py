"""What happened to all accounts: GET /admin/audit, and failed logins among it."""

from datetime import timedelta
from typing import Any

import pytest

from app.audit.late_events import LateEvents
from app.audit.model import Search
from app.audit.service import Audit
from app.platform.devices import Device
from app.platform.identifiers import new_id
from app.web.cursors import cursor_at
from tests.api.service import PASSWORD, Account, Service, Start, new_names

NOBODY = "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"
BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"


@pytest.fixture(scope="module")
def administrator(service: Service) -> Account:
    return service.administrator()


def found(service: Service, administrator: Account, **query: Any) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = page(service, administrator, **query)["events"]
    return events


def page(service: Service, administrator: Account, **query: Any) -> dict[str, Any]:
    response = service.get("/admin/audit", token=administrator.token, query=written(query))
    assert response.status_code == 200, response.text
    data: dict[str, Any] = response.json["data"]
    return data


def written(query: dict[str, Any]) -> str:
    return "&".join(f"{name}={value}" for name, value in query.items())


def refused(service: Service, administrator: Account, **query: Any) -> list[tuple[str, str]]:
    response = service.get("/admin/audit", token=administrator.token, query=written(query))
    assert response.status_code == 422
    return [(error["field"], error["code"]) for error in response.json["errors"]]


def test_only_callers_with_the_permission_see_what_happened(service: Service, ann: Account) -> None:
    assert service.get("/admin/audit").json["code"] == "missing_token"
    reply = service.get("/admin/audit", token=ann.token)
    assert (reply.status_code, reply.json["message"]) == (403, "This needs the permission audit:read.")


def test_an_event_shows_who_did_what_from_where_and_in_which_request(
    service: Service, administrator: Account, ann: Account
) -> None:
    reply = service.login(ann.username, headers={"User-Agent": BROWSER})
    [event, _, registered] = found(service, administrator, user=ann.id)
    assert event.pop("id")
    assert event.pop("at")
    assert event.pop("details").keys() == {"session_id"}
    assert event == {
        "action": "session.opened",
        "outcome": "success",
        "user_id": ann.id,
        "actor_id": None,
        "ip": "127.0.0.1",
        "user_agent": BROWSER,
        "device": "Firefox on Linux",
        "request_id": reply.headers["X-Request-ID"],
    }
    assert registered["action"] == "user.registered"


def test_who_did_it_is_named_if_that_is_another_user(service: Service, administrator: Account, ann: Account) -> None:
    device = Device("192.0.2.1", "curl/8.5.0")
    service.wired.get(Audit).record(ann.id, "user.disabled", device, actor_id=administrator.id)
    [event] = found(service, administrator, user=ann.id, action="user.disabled")
    assert (event["user_id"], event["actor_id"], event["ip"]) == (ann.id, administrator.id, "192.0.2.1")
    assert event["request_id"] is None


def test_events_are_found_by_user_action_and_time(service: Service, administrator: Account, ann: Account) -> None:
    other = service.register()
    service.clock.advance(10)
    since = service.clock.now
    for account in (ann, other, ann):
        service.login(account.username)
        service.clock.advance(1)
    service.post("/auth/logout", {}, token=ann.token)
    actions = [
        (event["user_id"], event["action"])
        for event in found(service, administrator, since=since.isoformat()[:-6] + "Z")
    ]
    assert actions == [
        (ann.id, "session.ended"),
        (ann.id, "session.opened"),
        (other.id, "session.opened"),
        (ann.id, "session.opened"),
    ]
    assert len(found(service, administrator, user=ann.id, action="session.opened")) == 3
    assert (
        len(found(service, administrator, user=ann.id, since=(since + timedelta(seconds=2)).isoformat()[:-6] + "Z"))
        == 2
    )
    assert found(service, administrator, user=new_id()) == []
    assert found(service, administrator, action="user.abducted") == []
    assert found(service, administrator, since="2999-01-01T00:00:00Z") == []


def test_pages_follow_each_other_also_where_events_have_one_time(
    service: Service, administrator: Account, ann: Account
) -> None:
    for _ in range(5):
        service.login(ann.username)  # the clock stands still
    whole = [event["id"] for event in found(service, administrator, user=ann.id)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        part = page(service, administrator, user=ann.id, limit=2, **cursor)
        seen += [event["id"] for event in part["events"]]
        if part["next"] is None:
            break
        cursor = {"cursor": part["next"]}
        service.login(ann.username)
    assert seen == whole
    assert len(seen) == 7


def test_a_cursor_of_another_query_is_refused(service: Service, administrator: Account, ann: Account) -> None:
    service.login(ann.username)
    cursor = page(service, administrator, user=ann.id, limit=1)["next"]
    assert found(service, administrator, user=ann.id, limit=2, cursor=cursor)
    wrong = [("cursor", "invalid_cursor")]
    assert refused(service, administrator, user=administrator.id, cursor=cursor) == wrong
    assert refused(service, administrator, cursor=cursor) == wrong
    assert refused(service, administrator, user=ann.id, action="session.opened", cursor=cursor) == wrong
    assert refused(service, administrator, user=ann.id, since="2026-01-01T00:00:00Z", cursor=cursor) == wrong
    for text in ("x", "AAAA", cursor[:-1], cursor + "A", "%C3%A4", ann.id):
        assert refused(service, administrator, user=ann.id, cursor=text) == wrong, text


@pytest.mark.parametrize(
    "place",
    [
        [1, 2],
        ["2026-01-31T12:00:00.000+00:00", "\0"],
        ["2026-01-31T12:00:00.000+00:00", "x"],
        ["2026-01-31", NOBODY],
        ["2026-01-31T12:00:00.000", NOBODY],
        ["0001-01-01T00:00:00.000+23:59", NOBODY],
        ["2026-01-31T12:00:00.000+00:00"],
    ],
    ids=str,
)
def test_a_cursor_that_nobody_got_is_refused(service: Service, administrator: Account, place: list[Any]) -> None:
    cursor = cursor_at(place, [None, None, None])
    assert refused(service, administrator, cursor=cursor) == [("cursor", "invalid_cursor")]


@pytest.mark.parametrize(
    "since",
    [
        "2026-01-31",
        "2026-01-31T12:00:00",
        "2026-01-31 12:00:00Z",
        "2026-02-30T12:00:00Z",
        "2026-01-31T12:00:00+02:00",  # the + is a space in a query
        "1769860800",
        "0001-01-01T00:00:00%2B23:59",
        "yesterday",
        "",
    ],
)
def test_a_time_that_is_not_rfc_3339_is_refused(service: Service, administrator: Account, since: str) -> None:
    assert refused(service, administrator, since=since) == [("since", "invalid_time")]


def test_a_time_may_have_an_offset(service: Service, administrator: Account) -> None:
    assert found(service, administrator, since="2026-01-31T12:00:00.5%2B02:00")
    assert found(service, administrator, since="2026-01-31t12:00:00z")


def test_what_no_user_and_no_action_can_be_is_refused(service: Service, administrator: Account) -> None:
    assert refused(service, administrator, user="ann") == [("user", "invalid_id")]
    assert refused(service, administrator, action="Session") == [("action", "invalid_action")]
    assert refused(service, administrator, actor="ann") == [("actor", "unknown_field")]


def failures(service: Service, administrator: Account, account: Account) -> list[tuple[str, str, str]]:
    service.wired.get(LateEvents).store()
    events = found(service, administrator, user=account.id, action="login.failed")
    return [(event["outcome"], event["details"]["reason"], event["ip"]) for event in events]


def test_a_failed_login_is_an_event_of_the_account(service: Service, administrator: Account, ann: Account) -> None:
    reply = service.login(ann.email, "wrong horse battery staple", headers={"User-Agent": BROWSER})
    assert reply.status_code == 401
    assert failures(service, administrator, ann) == [("failure", "password", "127.0.0.1")]
    [event] = found(service, administrator, user=ann.id, action="login.failed")
    assert (event["request_id"], event["device"]) == (reply.headers["X-Request-ID"], "Firefox on Linux")
    own = service.get("/auth/events", token=ann.token).json["data"]["events"]
    assert ("login.failed", "failure") in {(each["action"], each["outcome"]) for each in own}


def test_users_find_a_failed_login_among_their_events_by_its_time(service: Service) -> None:
    service.clock.advance(60 - service.clock.now.second)
    account = service.register()
    service.clock.advance(1)
    service.login(account.username, "wrong horse battery staple")
    service.wired.get(LateEvents).store()
    service.clock.advance(1)
    service.login(account.username)
    events = service.get("/auth/events", token=account.token).json["data"]["events"]
    assert [event["action"] for event in events] == [
        "session.opened",
        "login.failed",
        "session.opened",
        "user.registered",
    ]


def test_failed_logins_leave_one_event_a_minute_and_reason(
    service: Service, administrator: Account, ann: Account
) -> None:
    service.clock.advance(60 - service.clock.now.second)
    for _ in range(3):
        service.login(ann.email, "wrong horse battery staple")
        service.wired.get(LateEvents).store()
    assert len(failures(service, administrator, ann)) == 1
    service.clock.advance(60)
    service.login(ann.username, "wrong horse battery staple")
    assert len(failures(service, administrator, ann)) == 2
    service.database.change_user(ann.id, status="disabled")
    assert service.login(ann.username).json["code"] == "account_disabled"
    assert ("failure", "disabled", "127.0.0.1") in failures(service, administrator, ann)


def test_a_login_to_an_address_without_an_account_leaves_no_event(service: Service, administrator: Account) -> None:
    service.clock.advance(1)
    since = service.clock.now.isoformat()[:-6] + "Z"
    assert service.login("nobody@example.com").status_code == 401
    assert service.wired.get(LateEvents).store() == 0
    assert found(service, administrator, since=since) == []


def test_a_login_before_the_address_is_verified_is_an_event(start: Start) -> None:
    service = start(REQUIRE_VERIFIED_EMAIL="on")
    email, username = new_names()
    service.post("/auth/register", {"email": email, "username": username, "password": PASSWORD})
    assert service.login(username).json["code"] == "email_not_verified"
    assert service.wired.get(LateEvents).store() == 1
    user = service.store.users.account_by_email(email)
    assert user is not None
    [event] = service.store.events.search(Search(user.user.id, "login.failed"), before=None, limit=2)
    assert (event.outcome, event.details) == ("failure", {"reason": "unverified"})
