"""examples/webhooks/: receivers in four languages, with real deliveries of a real Latchkey, and with forged ones."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
import standardwebhooks

from tests.e2e.clients import PATIENCE, bearer, log_in, register
from tests.e2e.commands import create_user
from tests.e2e.examples import RECEIVERS, example
from tests.e2e.settings import in_testing, on_sqlite
from tests.servers.process import free_port, wait_until
from tests.servers.service import service

pytestmark = pytest.mark.timeout(180)  # the first run fetches packages


@dataclass
class Latchkey:
    """A Latchkey that may post to this machine, and what an administrator needs there."""

    base_url: str
    token: str

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        reply = httpx.request(
            method, f"{self.base_url}{path}", json=body, headers=bearer(self.token), timeout=PATIENCE
        ).raise_for_status()
        return reply.json()["data"]


@dataclass
class Receiver:
    """A receiver that runs, and the webhook that leads to it."""

    url: str
    webhook_id: str
    secret: str


@pytest.fixture(scope="module")
def latchkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Latchkey]:
    folder = tmp_path_factory.mktemp("store")
    settings = in_testing(WEB_CONCURRENCY="2", EGRESS_ALLOW="127.0.0.1", **on_sqlite(folder))
    with service(settings) as running:
        create_user(settings, "--role", "admin", "--username", "boss")
        yield Latchkey(running.base_url, log_in(running.base_url, "boss").json()["data"]["access_token"])


@pytest.fixture(scope="module", params=RECEIVERS)
def receiver(request: pytest.FixtureRequest, latchkey: Latchkey) -> Iterator[Receiver]:
    port = free_port()
    url = f"http://127.0.0.1:{port}/webhook"
    made = latchkey.ask("POST", "/admin/webhooks", {"url": url, "events": ["user.created"]})
    with example(request.param, latchkey=latchkey.base_url, port=port, WEBHOOK_SECRET=made["secret"]):
        yield Receiver(url, made["webhook"]["id"], made["secret"])
    latchkey.ask("DELETE", f"/admin/webhooks/{made['webhook']['id']}")


def test_it_accepts_what_latchkey_posts(latchkey: Latchkey, receiver: Receiver) -> None:
    register(latchkey.base_url, f"user{free_port()}")
    path = f"/admin/webhooks/{receiver.webhook_id}"
    latchkey.ask("POST", f"{path}/test")
    latchkey.ask("POST", f"{path}/rotate-secret")  # the receiver knows the former one only
    latchkey.ask("POST", f"{path}/test")

    def statuses() -> list[tuple[str, int | None]]:
        found = latchkey.ask("GET", f"{path}/deliveries")["deliveries"]
        return sorted(((delivery["event"], delivery["response_status"]) for delivery in found), key=str)

    expected = [("user.created", 204), ("webhook.test", 204), ("webhook.test", 204)]
    wait_until(lambda: None not in (status for _, status in statuses()) and len(statuses()) == 3, PATIENCE)
    assert statuses() == expected


def test_it_believes_nothing_else(receiver: Receiver) -> None:
    body = '{"type":"user.created","timestamp":"2026-01-31T12:00:00.000Z","data":{"user":{"id":"forged"}}}'
    genuine = headers(receiver.secret, body)
    assert post(receiver, body, genuine) == 204
    assert post(receiver, body, genuine) == 204  # a second time
    for forged in (
        {},
        {**genuine, "webhook-id": "other"},
        {**genuine, "webhook-timestamp": str(int(time.time()) + 1)},
        {**genuine, "webhook-signature": "v1,AAAA"},
        headers(receiver.secret, body, at=datetime.now(UTC) - timedelta(minutes=6)),
        headers("whsec_" + "A" * 43 + "=", body),
    ):
        assert post(receiver, body, forged) == 400
    assert post(receiver, f"{body} ", genuine) == 400


def headers(secret: str, body: str, at: datetime | None = None) -> dict[str, str]:
    """Those that Latchkey would send at this time, or now."""
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "msg",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": standardwebhooks.Webhook(secret).sign("msg", at, body),
    }


def post(receiver: Receiver, body: str, sent: dict[str, str]) -> int:
    sent = {"content-type": "application/json", **sent}
    return httpx.post(receiver.url, content=body, headers=sent, timeout=PATIENCE).status_code
