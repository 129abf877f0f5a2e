"""Webhooks over HTTP: made, changed, tested, replayed and deleted by who may, and refused where they lead inside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import standardwebhooks

from app.outbox.service import Outbox
from app.platform.identifiers import new_id
from app.webhooks.deliveries import DeliveryService
from tests.api.mailbox import newest_to
from tests.api.service import PASSWORD, new_names
from tests.servers.receiving import Receiver, receiving
from tests.stores import events_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.api.service import Account, Reply, Service, Start

EVENTS = ["user.created", "session.revoked"]


@pytest.fixture(scope="module")
def service(start: Start) -> Service:
    return start(EGRESS_ALLOW="127.0.0.1")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def no_webhooks(service: Service, admin: Account) -> Iterator[None]:
    yield
    for webhook in service.get("/admin/webhooks", token=admin.token).json["data"]["webhooks"]:
        service.send("DELETE", f"/admin/webhooks/{webhook['id']}", token=admin.token)


pytestmark = pytest.mark.usefixtures("no_webhooks")


def create(service: Service, admin: Account, url: str, events: object = EVENTS, **more: Any) -> Reply:
    return service.post("/admin/webhooks", {"url": url, "events": events, **more}, token=admin.token)


def made(service: Service, admin: Account, receiver: Receiver, *events: str) -> dict[str, Any]:
    reply = create(service, admin, receiver.url, list(events or EVENTS))
    assert reply.status_code == 201
    return {**reply.json["data"]["webhook"], "secret": reply.json["data"]["secret"]}


def deliver(service: Service) -> None:
    service.wired.get(Outbox).deliver_due()
    service.wired.get(DeliveryService).deliver_due()


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(
    service: Service, admin: Account, receiver: Receiver
) -> None:
    reply = create(service, admin, receiver.url, description="The shop")
    assert reply.status_code == 201
    webhook, secret = reply.json["data"]["webhook"], reply.json["data"]["secret"]
    assert webhook == {
        "id": webhook["id"],
        "url": receiver.url,
        "events": EVENTS,
        "description": "The shop",
        "enabled": True,
        "disabled_for": None,
        "failing_since": None,
        "created_at": webhook["created_at"],
    }
    assert secret.startswith("whsec_")
    listed = service.get("/admin/webhooks", token=admin.token)
    assert listed.json["data"] == {"webhooks": [webhook], "next": None}
    assert secret.removeprefix("whsec_") not in listed.text
    events = [(event.action, event.details) for event in events_of(service.store, admin.id)]
    assert ("webhook.created", {"webhook": webhook["id"]}) in events


def test_webhooks_come_in_pages(service: Service, admin: Account, receiver: Receiver) -> None:
    ids = [made(service, admin, receiver)["id"] for _ in range(3)]
    first = service.get("/admin/webhooks?limit=2", token=admin.token).json["data"]
    second = service.get(f"/admin/webhooks?limit=2&cursor={first['next']}", token=admin.token).json["data"]
    assert [webhook["id"] for webhook in (*first["webhooks"], *second["webhooks"])] == ids
    assert second["next"] is None


@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1/hook",
        "https://[::1]/hook",
        "https://169.254.169.254/latest/meta-data",
        "http://8.8.8.8/hook",
        "https://user:password@example.com/hook",
        "https://8.8.8.8:25/hook",
        "https://example.com/#part",
        "ftp://example.com/",
        "example.com",
        "https://2130706433/",
        "",
        "https://example.com/" + "a" * 2048,
    ],
)
def test_a_url_that_nothing_may_be_sent_to_is_refused(service: Service, admin: Account, url: str) -> None:
    reply = create(service, admin, url)
    assert reply.status_code == 422
    assert [error["field"] for error in reply.json["errors"]] == ["url"]


def test_without_egress_allow_this_machine_is_refused(start: Start, receiver: Receiver) -> None:
    service = start()
    for url in (receiver.url, receiver.url.replace("http:", "https:"), "https://localhost/"):
        reply = create(service, service.administrator(), url)
        assert (reply.status_code, reply.json["errors"][0]["code"]) == (422, "refused_url")


@pytest.mark.parametrize(
    ("events", "code"),
    [
        ([], "too_short"),
        (["user.creatd"], "unknown_event"),
        (["*", "user.created"], "invalid_event"),
        (["<b>"], "invalid_event"),
        ("user.created", "invalid_type"),
        (["webhook.test"], "unknown_event"),
    ],
)
def test_events_that_do_not_exist_are_refused_by_name(
    service: Service, admin: Account, receiver: Receiver, events: object, code: str
) -> None:
    reply = create(service, admin, receiver.url, events)
    assert reply.status_code == 422
    assert [(error["field"].partition(".")[0], error["code"]) for error in reply.json["errors"]] == [("events", code)]
    if code == "unknown_event":
        assert isinstance(events, list)
        assert events[0] in reply.json["errors"][0]["message"]


def test_only_what_is_sent_changes(service: Service, admin: Account, receiver: Receiver) -> None:
    webhook = made(service, admin, receiver)
    path = f"/admin/webhooks/{webhook.pop('id')}"
    secret = webhook.pop("secret")
    assert secret
    for changes in ({"events": ["*"]}, {"description": "Another"}, {"enabled": False}, {"description": None}, {}):
        reply = service.send("PATCH", path, json=changes, token=admin.token)
        webhook |= changes
        assert reply.status_code == 200
        assert {**reply.json["data"]["webhook"], "id": None} == {**webhook, "id": None}
    refused = service.send("PATCH", path, json={"url": "https://10.0.0.1/"}, token=admin.token)
    assert refused.status_code == 422


def test_an_event_is_delivered_and_listed_and_replayed(service: Service, admin: Account, receiver: Receiver) -> None:
    webhook = made(service, admin, receiver)
    path = f"/admin/webhooks/{webhook['id']}/deliveries"
    receiver.answer = lambda _: 500
    user = service.register()
    deliver(service)
    (failed,) = service.get(path, token=admin.token).json["data"]["deliveries"]
    assert failed == {
        "id": receiver.posted[0].id,
        "event": "user.created",
        "status": "failed",
        "attempts": 1,
        "created_at": failed["created_at"],
        "next_attempt_at": failed["next_attempt_at"],
        "response_status": 500,
        "error": "The receiver did not answer with a status from 200 to 299.",
    }
    receiver.answer = lambda _: 200
    reply = service.post(f"{path}/{failed['id']}/replay", token=admin.token)
    assert (reply.status_code, reply.json["data"]["delivery"]["status"]) == (200, "pending")
    deliver(service)
    (delivered,) = service.get(path, token=admin.token).json["data"]["deliveries"]
    assert (delivered["status"], delivered["attempts"], delivered["next_attempt_at"]) == ("delivered", 1, None)
    posted = receiver.posted[-1]
    assert standardwebhooks.Webhook(webhook["secret"]).verify(posted.body, posted.headers) == posted.event
    assert posted.data["user"]["id"] == user.id


def test_a_receiver_that_fails_fails_no_request(service: Service, admin: Account, receiver: Receiver) -> None:
    made(service, admin, receiver, "*")
    receiver.answer = lambda _: 500
    user = service.register()
    assert service.post("/auth/logout", token=user.token).status_code == 200
    deliver(service)
    assert service.login(user.email).status_code == 200


def test_each_way_out_of_a_session_is_told(service: Service, admin: Account, receiver: Receiver) -> None:
    made(service, admin, receiver, "session.revoked")
    user = service.register()
    for scope in ("others", "all"):
        token = service.login(user.email).json["data"]["access_token"]
        assert service.post("/auth/logout", {"scope": scope}, token=token).status_code == 200
    service.login(user.email)
    token = service.login(user.email).json["data"]["access_token"]
    first, second = (session["id"] for session in service.get("/auth/sessions", token=token).json["data"]["sessions"])
    assert service.send("DELETE", f"/auth/sessions/{first}", token=token).status_code == 200
    assert service.send("DELETE", f"/auth/sessions/{first}", token=token).status_code == 404
    assert service.post("/auth/logout", token=token).status_code == 200
    deliver(service)
    told = [(posted.data["scope"], posted.data.get("session")) for posted in receiver.posted]
    assert {scope for scope, _ in told} == {"others", "all", "one"}
    assert {session for scope, session in told if scope == "one"} == {first, second}
    assert len(told) == 4


def test_a_rotated_secret_is_shown_once_and_both_sign(service: Service, admin: Account, receiver: Receiver) -> None:
    webhook = made(service, admin, receiver)
    reply = service.post(f"/admin/webhooks/{webhook['id']}/rotate-secret", token=admin.token)
    assert reply.status_code == 200
    tested = service.post(f"/admin/webhooks/{webhook['id']}/test", token=admin.token)
    assert (tested.status_code, tested.json["data"]["delivery"]["event"]) == (200, "webhook.test")
    deliver(service)
    (posted,) = receiver.posted
    for secret in (webhook["secret"], reply.json["data"]["secret"]):
        standardwebhooks.Webhook(secret).verify(posted.body, posted.headers)


def test_a_deleted_webhook_is_gone(service: Service, admin: Account, receiver: Receiver) -> None:
    webhook = made(service, admin, receiver)
    path = f"/admin/webhooks/{webhook['id']}"
    assert service.send("DELETE", path, token=admin.token).status_code == 200
    assert service.send("DELETE", path, token=admin.token).status_code == 404
    assert service.send("PATCH", path, json={}, token=admin.token).status_code == 404
    assert service.post(f"{path}/test", token=admin.token).status_code == 404
    assert service.post(f"{path}/rotate-secret", token=admin.token).status_code == 404
    assert service.get(f"{path}/deliveries", token=admin.token).status_code == 404
    assert service.post(f"{path}/deliveries/{new_id()}/replay", token=admin.token).status_code == 404


def test_a_member_gets_nowhere(service: Service) -> None:
    token = service.register().token
    assert service.get("/admin/webhooks", token=token).status_code == 403
    assert create(service, service.register(), "https://example.com/").status_code == 403


def test_the_description_of_the_events_is_served(service: Service) -> None:
    reply = service.get("/asyncapi.json")
    assert reply.status_code == 200
    assert reply.headers["Cache-Control"] == "public, max-age=3600"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"
    assert reply.json["asyncapi"] == "3.0.0"
    assert {"user.created", "session.revoked", "webhook.test"} <= reply.json["components"]["messages"].keys()


def test_an_invitation_is_told_of_once_and_its_answer_as_a_verification(
    service: Service, admin: Account, receiver: Receiver
) -> None:
    made(service, admin, receiver, "user.created", "user.verified")
    email, _ = new_names()
    assert service.post("/admin/users", {"email": email}, token=admin.token).status_code == 201
    deliver(service)
    answer = {"token": newest_to(service, email).token, "password": PASSWORD}
    assert service.post("/auth/invitation", answer).status_code == 200
    deliver(service)
    assert receiver.types == ["user.created", "user.verified"]
