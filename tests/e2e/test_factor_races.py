"""One code of a second factor, sent many times at once to two workers, opens one session on every store."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pyotp
import pytest

from tests.contract.races import THREADS, in_threads
from tests.e2e.clients import PATIENCE, bearer, log_in, register
from tests.e2e.settings import in_testing
from tests.servers.service import service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [
    pytest.mark.timeout(180),
    pytest.mark.parametrize("store", ["sqlite", "postgresql", "mariadb", "mongodb"], indirect=True),
]


@dataclass
class Ann:
    """A user with an authenticator app and recovery codes."""

    url: str
    token: str
    code: str
    """Of the app, and not used yet."""
    recovery_codes: list[str]

    def begin(self) -> str:
        """The token of a login after the password."""
        return str(log_in(self.url, "ann").json()["login"]["token"])

    def finish(self, tokens: Sequence[str], method: str, code: str) -> Counter[str | None]:
        """What becomes of these logins, all finished at once with one code: None is a session."""

        def send(number: int) -> str | None:
            body = {"login_token": tokens[number], "method": method, "code": code}
            reply = httpx.post(f"{self.url}/auth/login/continue", json=body, timeout=PATIENCE)
            return None if reply.is_success else str(reply.json()["code"])

        return Counter(in_threads(send, len(tokens)))

    def get(self, path: str) -> Any:
        reply = httpx.get(f"{self.url}{path}", headers=bearer(self.token), timeout=PATIENCE).raise_for_status()
        return reply.json()["data"]

    def post(self, path: str, **body: str) -> Any:
        url = f"{self.url}{path}"
        reply = httpx.post(url, json=body or None, headers=bearer(self.token), timeout=PATIENCE).raise_for_status()
        return reply.json()["data"]


@pytest.fixture
def ann(store: dict[str, str]) -> Iterator[Ann]:
    with service(in_testing(WEB_CONCURRENCY="2", **store)) as server:
        user = Ann(server.base_url, register(server.base_url, "ann"), "", [])
        app, now = pyotp.TOTP(user.post("/auth/factors/totp")["secret"]), int(time.time())
        user.recovery_codes = user.post("/auth/factors/totp/confirm", code=app.at(now))["recovery_codes"]
        user.code = app.at(now + 30)
        yield user


def test_a_code_that_is_sent_many_times_at_once_opens_one_session(ann: Ann) -> None:
    tokens = [ann.begin() for _ in range(THREADS)]
    assert ann.finish(tokens, "totp", ann.code) == {None: 1, "invalid_code": THREADS - 1}
    assert len(ann.get("/auth/sessions")["sessions"]) == 2

    # Nobody is delayed by that, so the next race has an answer, too.
    tokens = [ann.begin() for _ in range(THREADS)]
    assert ann.finish(tokens, "recovery_code", ann.recovery_codes[7]) == {None: 1, "invalid_code": THREADS - 1}
    assert len(ann.get("/auth/sessions")["sessions"]) == 3
    assert ann.get("/auth/factors")["factors"]["recovery_codes"] == {"left": 9}

    # One login, finished many times at once: the others find the code or the login used up.
    outcomes = ann.finish([ann.begin()] * THREADS, "recovery_code", ann.recovery_codes[3])
    assert outcomes[None] == 1
    assert outcomes.keys() <= {None, "invalid_code", "invalid_login_token"}
    assert len(ann.get("/auth/sessions")["sessions"]) == 4
