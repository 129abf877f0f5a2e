"""The signing keys as administrators see and rotate them: /admin/keys."""

import pytest

from app.keys.service import PUBLISHED_BEFORE
from tests.api.service import Account, Service, Start

HOURS = PUBLISHED_BEFORE.total_seconds()


@pytest.fixture
def own(start: Start) -> tuple[Service, Account]:
    service = start()
    return service, service.administrator()


def states(service: Service, by: Account) -> list[str]:
    reply = service.get("/admin/keys", token=by.token)
    assert reply.status_code == 200
    return [key["state"] for key in reply.json["data"]["keys"]]


def test_a_rotated_key_waits_then_signs_and_the_former_one_verifies(own: tuple[Service, Account]) -> None:
    service, boss = own
    assert states(service, boss) == ["signing"]
    reply = service.post("/admin/keys/rotate", token=boss.token)
    assert reply.status_code == 200
    key = reply.json["data"]["key"]
    assert key["state"] == "waiting"
    assert states(service, boss) == ["signing", "waiting"]
    service.clock.advance(HOURS)
    boss = Account(service.login(boss.email).json["data"], boss.email, boss.username)
    assert states(service, boss) == ["verifying", "signing"]
    newest = service.store.events.page_of(boss.id, before=None, limit=2)[1]
    assert (newest.action, newest.actor_id, dict(newest.details)) == ("keys.rotated", None, {"kid": key["kid"]})


def test_no_key_material_is_shown(own: tuple[Service, Account]) -> None:
    service, boss = own
    for key in service.get("/admin/keys", token=boss.token).json["data"]["keys"]:
        assert key.keys() == {"kid", "alg", "state", "created_at", "signs_from"}


def test_sixteen_rotations_at_once_add_one_key(own: tuple[Service, Account]) -> None:
    service, boss = own
    replies = service.at_once(lambda _: service.post("/admin/keys/rotate", token=boss.token))
    assert len({reply.json["data"]["key"]["kid"] for reply in replies if reply.status_code == 200}) == 1
    assert {reply.status_code for reply in replies} <= {200, 503}
    assert states(service, boss) == ["signing", "waiting"]


@pytest.mark.parametrize("method", ["GET /admin/keys", "POST /admin/keys/rotate"])
def test_it_needs_the_permission(own: tuple[Service, Account], method: str) -> None:
    service, _ = own
    verb, _, path = method.partition(" ")
    reply = service.send(verb, path, token=service.register().token)
    assert (reply.status_code, reply.json["code"]) == (403, "forbidden")
    assert "keys:write" in reply.json["message"]
