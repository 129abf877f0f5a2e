"""An instance of the former version serves beside one of this version, on one store, as during a rolling update."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from tests.e2e.clients import PATIENCE, bearer
from tests.e2e.commands import create_user
from tests.e2e.settings import PASSWORD, in_testing
from tests.servers import former
from tests.servers.process import wait_until
from tests.servers.service import Service, service

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.timeout(240),
    pytest.mark.parametrize("module_store", ["sqlite", "postgresql", "mariadb", "mongodb"], indirect=True),
]

OTHER_PASSWORD = "another good long passphrase"


class Instance:
    """One of the two, as a client sees it."""

    def __init__(self, server: Service) -> None:
        self._client = httpx.Client(base_url=server.base_url, timeout=PATIENCE)
        self.close = self._client.close

    def send(self, method: str, path: str, token: str = "", /, **body: Any) -> Any:
        """The `data` of a reply that succeeds."""
        reply = self._client.request(method, path, json=body or None, headers=bearer(token) if token else {})
        assert reply.is_success, f"{method} {path}: {reply.text}"
        return reply.json().get("data")

    def status(self, method: str, path: str, token: str = "", /, **body: Any) -> int:
        headers = bearer(token) if token else {}
        return self._client.request(method, path, json=body or None, headers=headers).status_code

    def mailed(self, address: str, page: str) -> str:
        """The token in the newest mail to this address with a link to this page, once there is one."""
        tokens: list[str] = []

        def arrived() -> bool:
            reply = self._client.get("/dev/mail", headers={"Accept": "application/json"}).json()
            texts = [mail["text"] for mail in reply["data"]["mails"] if mail["to"] == address]
            tokens[:] = re.findall(rf"/{page}#token=([\w-]+)", "\n".join(texts))
            return bool(tokens)

        wait_until(arrived, 60)
        return tokens[0]


@pytest.fixture(scope="module")
def former_code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The former version, unpacked once: its first start compiles it, which takes longer than all else here."""
    return former.unpack(tmp_path_factory.mktemp("former"))


@pytest.fixture(scope="module")
def pair(
    module_store: dict[str, str], former_code: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Instance, Instance]]:
    """The former version, which made the store, and this version, which has brought it up to date beside it."""
    settings = in_testing(
        WEB_CONCURRENCY="1",
        PUBLIC_URL="http://localhost",
        HASH_THREADS="1",
        MAIL_DIR=str(tmp_path_factory.mktemp("mail")),
        IMPERSONATION="on",
        **module_store,
    )
    with service(settings, code=former_code) as old, service(settings) as new:
        create_user(settings, "--role", "admin", "--username", "boss")
        instances = Instance(old), Instance(new)
        yield instances
        for each in instances:
            each.close()


@pytest.mark.parametrize("former_first", [True, False], ids=["former_first", "this_first"])
def test_an_account_lives_on_both_versions_at_once(pair: tuple[Instance, Instance], *, former_first: bool) -> None:
    one, other = pair if former_first else pair[::-1]
    name = "ann" if former_first else "bob"
    email, new_email = f"{name}@example.com", f"{name}@new.example"

    # Sessions: opened here, used, refreshed and listed there.
    opened = one.send("POST", "/auth/register", email=email, username=name, password=PASSWORD)
    assert other.send("GET", "/auth/me", opened["access_token"])["user"]["email"] == email
    refreshed = other.send("POST", "/auth/refresh", refresh_token=opened["refresh_token"])
    assert len(one.send("GET", "/auth/sessions", refreshed["access_token"])["sessions"]) == 1

    # An administrator acts for them: only where that is known, and a write of the former version leaves it alone.
    former_version, this = pair
    boss = this.send("POST", "/auth/login", login="boss", password=PASSWORD)["access_token"]
    user = opened["user"]["id"]
    acting = this.send("POST", f"/admin/users/{user}/impersonate", boss, reason="Ticket 4711")["access_token"]
    assert former_version.status("GET", "/auth/me", acting) == 401
    former_version.send("PATCH", "/auth/me", refreshed["access_token"], name="Example")
    assert this.send("GET", "/auth/me", acting)["user"]["name"] == "Example"

    # A mailed code: asked for here, redeemed there.
    other.send("POST", "/auth/email/verify", token=other.mailed(email, "verify-email"))
    assert one.send("GET", "/auth/me", refreshed["access_token"])["user"]["email_verified"] is True

    # A change of address under way here is completed there, and undone here.
    one.send("POST", "/auth/email", refreshed["access_token"], email=new_email, password=PASSWORD)
    other.send("POST", "/auth/email/verify", token=one.mailed(new_email, "verify-email"))
    assert one.send("GET", "/auth/me", refreshed["access_token"])["user"]["email"] == new_email
    one.send("POST", "/auth/email/undo", token=other.mailed(email, "undo-email"))

    # The password: changed there, and the former one refused here.
    other.send("POST", "/auth/password/forgot", email=email)
    one.send("POST", "/auth/password/reset", token=one.mailed(email, "reset-password"), new_password=OTHER_PASSWORD)
    assert other.status("POST", "/auth/login", login=email, password=PASSWORD) == 401
    last = other.send("POST", "/auth/login", login=email, password=OTHER_PASSWORD)

    # What is kept about them: written by both, exported by each.
    written = {event["action"] for event in one.send("GET", "/auth/events", last["access_token"])["events"]}
    assert written == {event["action"] for event in other.send("GET", "/auth/events", last["access_token"])["events"]}
    assert {"user.registered", "password.reset"} <= written

    one.send("DELETE", "/auth/me", last["access_token"], password=OTHER_PASSWORD)
    assert other.status("GET", "/auth/me", last["access_token"]) == 401
    assert other.status("POST", "/auth/login", login=email, password=OTHER_PASSWORD) == 401
