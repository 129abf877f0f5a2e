"""One code of a second factor, or one login, many times at once on two workers: one session on every store."""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pyotp
import pytest

from tests.contract.races import THREADS, in_threads
from tests.e2e.clients import PATIENCE, Connection, Request, bearer, log_in, register
from tests.e2e.settings import in_testing
from tests.servers.process import free_port
from tests.servers.service import Service, service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.parametrize("module_store", ["sqlite", "postgresql", "mariadb", "mongodb"], indirect=True),
]


@dataclass
class Ann:
    """A user with an authenticator app and recovery codes."""

    server: Service
    name: str
    token: str
    code: str
    """Of the app, and not used yet."""
    recovery_codes: list[str]

    def begin(self) -> str:
        """The token of a login after the password."""
        return str(log_in(self.server.base_url, self.name).json()["login"]["token"])

    def finish(self, method: str, logins: Sequence[tuple[str, str]]) -> Counter[str | None]:
        """What becomes of these logins, each with a token and a code, all finished at once: None is a session."""
        connections = [Connection(self.server.port) for _ in logins]
        for connection in connections:  # so that no time is lost between the barrier and the request
            assert connection.send(Request("/health"))[0].status == 200

        def send(number: int) -> str | None:
            token, code = logins[number]
            body = {"login_token": token, "method": method, "code": code}
            reply = connections[number].send(Request("/auth/login/continue", content=body))[1]
            return json.loads(reply).get("code")  # type: ignore[no-any-return]

        outcomes = Counter(in_threads(send, len(logins)))
        for connection in connections:
            connection.close()
        return outcomes

    def get(self, path: str) -> Any:
        reply = httpx.get(
            f"{self.server.base_url}{path}", headers=bearer(self.token), timeout=PATIENCE
        ).raise_for_status()
        return reply.json()["data"]

    def post(self, path: str, **body: str) -> Any:
        url = f"{self.server.base_url}{path}"
        reply = httpx.post(url, json=body or None, headers=bearer(self.token), timeout=PATIENCE).raise_for_status()
        return reply.json()["data"]


@pytest.fixture(scope="module")
def server(module_store: dict[str, str]) -> Iterator[Service]:
    with service(in_testing(WEB_CONCURRENCY="2", **module_store)) as started:
        yield started


@pytest.fixture
def ann(server: Service) -> Ann:
    name = f"ann-{free_port()}"
    user = Ann(server, name, register(server.base_url, name), "", [])
    app, now = pyotp.TOTP(user.post("/auth/factors/totp")["secret"]), int(time.time())
    user.recovery_codes = user.post("/auth/factors/totp/confirm", code=app.at(now))["recovery_codes"]
    user.code = app.at(now + 30)
    return user


def test_a_code_that_is_sent_many_times_at_once_opens_one_session(ann: Ann) -> None:
    logins = [(ann.begin(), ann.code) for _ in range(THREADS)]
    assert ann.finish("totp", logins) == {None: 1, "invalid_code": THREADS - 1}
    assert len(ann.get("/auth/sessions")["sessions"]) == 2

    # Nobody is delayed by that, so the next races have an answer, too.
    for number in range(3):
        logins = [(ann.begin(), ann.recovery_codes[number]) for _ in range(THREADS)]
        assert ann.finish("recovery_code", logins) == {None: 1, "invalid_code": THREADS - 1}
        assert len(ann.get("/auth/sessions")["sessions"]) == 3 + number
        assert ann.get("/auth/factors")["factors"]["recovery_codes"] == {"left": 9 - number}


def test_a_login_that_is_finished_many_times_at_once_opens_one_session(ann: Ann) -> None:
    for codes in (ann.recovery_codes[:5], ann.recovery_codes[5:]):
        before, token = len(ann.get("/auth/sessions")["sessions"]), ann.begin()
        outcomes = ann.finish("recovery_code", [(token, code) for code in codes])
        assert outcomes == {None: 1, "invalid_login_token": 4}
        assert len(ann.get("/auth/sessions")["sessions"]) == before + 1
