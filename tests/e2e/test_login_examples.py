"""examples/login/: logins with a second factor, and step-up, in four languages against a real Latchkey."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import jwt
import pyotp
import pytest

from tests.e2e.clients import PATIENCE, bearer, me, register
from tests.e2e.examples import CLIENTS, run
from tests.e2e.settings import PASSWORD, in_testing, on_sqlite
from tests.e2e.test_examples import Issuer, first_key
from tests.servers.service import service

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

pytestmark = pytest.mark.timeout(180)  # the first run fetches packages

_NUMBERS = count(1)
HOUR = 3600


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    settings = in_testing(WEB_CONCURRENCY="1", **on_sqlite(tmp_path_factory.mktemp("store")))
    with service(settings) as latchkey:
        yield Issuer(latchkey, settings, first_key(settings), {})


@pytest.fixture(scope="module")
def strict_issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """A Latchkey that requires a second factor of everybody."""
    store = on_sqlite(tmp_path_factory.mktemp("strict"))
    settings = in_testing(WEB_CONCURRENCY="1", REQUIRE_SECOND_FACTOR="all", **store)
    with service(settings) as latchkey:
        yield Issuer(latchkey, settings, first_key(settings), {})


@dataclass
class Client:
    """An example, and the Latchkey that it talks to."""

    name: str
    issuer: Issuer

    def login(self, name: str, *lines: str) -> subprocess.CompletedProcess[str]:
        return self._run("login", name, lines=lines)

    def export(self, token: str, *lines: str) -> subprocess.CompletedProcess[str]:
        return self._run("export", lines=lines, ACCESS_TOKEN=token)

    def _run(self, *arguments: str, lines: tuple[str, ...], **settings: str) -> subprocess.CompletedProcess[str]:
        typed = "".join(f"{line}\n" for line in lines)
        url = f"{self.issuer.latchkey.base_url}/"
        return run(self.name, *arguments, typed=typed, LATCHKEY_URL=url, **settings)


@dataclass
class User:
    """A user with an authenticator app."""

    name: str
    token: str
    codes: list[str]
    """Of the app, whose secret has spent the code that confirmed it: so the one of the next time step."""
    recovery_codes: list[str]
    wrong: str = "000000"


@pytest.fixture(scope="module", params=CLIENTS)
def client(request: pytest.FixtureRequest, issuer: Issuer) -> Client:
    return Client(request.param, issuer)


def a_name() -> str:
    return f"user{next(_NUMBERS)}"


def enrolled(issuer: Issuer) -> User:
    name = a_name()
    token = register(issuer.latchkey.base_url, name)
    secret = _posted(issuer, "/auth/factors/totp", token)["secret"]
    app, now = pyotp.TOTP(secret), int(time.time())
    codes = _posted(issuer, "/auth/factors/totp/confirm", token, code=app.at(now))["recovery_codes"]
    near = {app.at(now + 30 * steps) for steps in range(-5, 6)}
    wrong = next(code for code in (f"{number:06}" for number in range(100)) if code not in near)
    return User(name, token, [app.at(now + 30)], codes, wrong)


def _posted(issuer: Issuer, path: str, token: str, **body: str) -> Any:
    url = f"{issuer.latchkey.base_url}{path}"
    reply = httpx.post(url, json=body or None, headers=bearer(token), timeout=PATIENCE).raise_for_status()
    return reply.json()["data"]


def from_before(issuer: Issuer, token: str) -> str:
    """The access token of a session whose user authenticated an hour ago."""
    claims = jwt.decode(token, options={"verify_signature": False})
    return replace(issuer, claims=claims).sign(auth_time=claims["auth_time"] - HOUR)


def printed_token(issuer: Issuer, done: subprocess.CompletedProcess[str], name: str) -> str:
    """The access token that a login printed and nothing else; it is one of this user."""
    assert done.returncode == 0, done.stderr
    (token,) = done.stdout.splitlines()
    assert me(issuer.latchkey.base_url, token).json()["data"]["user"]["username"] == name
    return token


def test_it_logs_in_a_user_without_a_second_factor(client: Client, issuer: Issuer) -> None:
    name = a_name()
    register(issuer.latchkey.base_url, name)
    printed_token(issuer, client.login(name, PASSWORD), name)


def test_it_asks_for_a_code_until_one_is_right(client: Client, issuer: Issuer) -> None:
    user = enrolled(issuer)
    done = client.login(user.name, PASSWORD, user.wrong, *user.codes)
    token = printed_token(issuer, done, user.name)
    assert jwt.decode(token, options={"verify_signature": False})["acr"] == "urn:latchkey:aal2"
    assert done.stderr.count("Code of your authenticator app") == 2


def test_it_takes_a_recovery_code(client: Client, issuer: Issuer) -> None:
    user = enrolled(issuer)
    printed_token(issuer, client.login(user.name, PASSWORD, user.recovery_codes[3]), user.name)


def test_it_begins_again_with_the_password_when_the_login_token_is_used_up(client: Client, issuer: Issuer) -> None:
    user = enrolled(issuer)
    tries = [user.wrong] * 5
    done = client.login(user.name, PASSWORD, *tries, user.wrong, PASSWORD, *user.codes)
    printed_token(issuer, done, user.name)
    assert done.stderr.count("Password") == 2


def test_a_wrong_password_ends_it_with_what_latchkey_says(client: Client, issuer: Issuer) -> None:
    user = enrolled(issuer)
    done = client.login(user.name, "a wrong long password")
    assert (done.returncode, done.stdout) == (1, "")
    assert "invalid_credentials" in done.stderr
    assert "Code" not in done.stderr


def test_it_ends_when_nothing_more_is_typed(client: Client, issuer: Issuer) -> None:
    done = client.login(enrolled(issuer).name, PASSWORD)
    assert (done.returncode, done.stdout) == (1, "")
    assert "no more input" in done.stderr


def test_where_a_second_factor_is_required_it_ends_and_says_that_one_has_to_be_added(
    client: Client, strict_issuer: Issuer
) -> None:
    name = a_name()
    asked = httpx.post(
        f"{strict_issuer.latchkey.base_url}/auth/register",
        json={"username": name, "password": PASSWORD},
        timeout=PATIENCE,
    )
    assert asked.json()["login"]["next"] == "enrol_factor"
    done = replace(client, issuer=strict_issuer).login(name, PASSWORD)
    assert (done.returncode, done.stdout) == (1, "")
    assert "enrol_factor" in done.stderr
    assert "passkey" in done.stderr
    assert "totp" in done.stderr
    assert "Code" not in done.stderr


def test_an_export_soon_after_a_login_asks_for_nothing(client: Client, issuer: Issuer) -> None:
    user = enrolled(issuer)
    done = client.export(user.token)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["user"]["username"] == user.name


def test_a_later_export_asks_for_a_code_and_goes_on(client: Client, issuer: Issuer) -> None:
    user = enrolled(issuer)
    done = client.export(from_before(issuer, user.token), user.wrong, *user.codes)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["data"]["user"]["username"] == user.name


def test_without_a_second_factor_a_later_export_asks_for_the_password(client: Client, issuer: Issuer) -> None:
    token = register(issuer.latchkey.base_url, a_name())
    done = client.export(from_before(issuer, token), "a wrong long password", PASSWORD)
    assert done.returncode == 0, done.stderr
    assert "Code" not in done.stderr


def test_an_ended_session_ends_it_with_what_latchkey_says(client: Client, issuer: Issuer) -> None:
    token = register(issuer.latchkey.base_url, a_name())
    assert httpx.post(f"{issuer.latchkey.base_url}/auth/logout", headers=bearer(token), timeout=PATIENCE).is_success
    done = client.export(token)
    assert (done.returncode, done.stdout) == (1, "")
    assert "session_ended" in done.stderr
