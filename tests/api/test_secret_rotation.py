"""SECRET_KEY is changed while people are logged in."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import jwt
import pytest

from app import config, create_app, wired_of
from app.keys.open_keys import RELOAD_AFTER
from app.keys.service import KeyService
from app.security.secret_keys import LeakedSecretError, RootKey
from app.sessions import refresh_tokens
from tests.api.mailbox import newest_to
from tests.api.service import PASSWORD, SETTINGS, new_names

if TYPE_CHECKING:
    from tests.api.service import Account, Reply, Service, Start

A, B = SETTINGS["SECRET_KEY"], "wP4nT8xK2mV6rB9sJ3hL7gD1fQ5zC0aE-yU_oI"
CHANGED = {"SECRET_KEY": B, "SECRET_KEY_FALLBACKS": A}


@pytest.fixture(params=["ES256", "HS256"])
def algorithm(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def refresh(service: Service, token: str) -> Reply:
    return service.post("/auth/refresh", {"refresh_token": token})


def refresh_token(account: Account) -> str:
    return str(account.data["refresh_token"])


def is_accepted(service: Service, token: str) -> bool:
    return service.get("/auth/me", token=token).status_code == 200


def commands(section: str) -> list[str]:
    """What docs/operations.md has an operator type in this section, outside of Compose."""
    text = Path("docs/operations.md").read_text(encoding="utf-8").partition(f"### {section}\n")[2].partition("\n##")[0]
    blocks = re.findall(r"^ *```sh\n(.*?)^ *```", text, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    found = [line for line in lines if line.startswith("flask ")]
    assert found, section
    return found


def with_new_secret(service: Service, settings: dict[str, str], lines: list[str], typed: str) -> None:
    """Run commands under the new SECRET_KEY, before any instance has it."""
    chosen = SETTINGS | service.database.settings | settings | {"SECRET_KEY": B}
    app = create_app(config.load(chosen, dotenv=None), clock=service.clock)
    try:
        for line in lines:
            result = app.test_cli_runner().invoke(args=line.split()[1:], input=typed)
            assert result.exit_code == 0, result.output
            assert A not in result.output
    finally:
        wired_of(app).close()


def test_a_change_logs_nobody_out_and_the_former_secret_can_be_dropped(start: Start, algorithm: str) -> None:
    first = start(JWT_ALGORITHM=algorithm)
    ann, bob = first.register(), first.register()

    changed = start(on=first, JWT_ALGORITHM=algorithm, **CHANGED)
    assert is_accepted(changed, ann.token)
    renewed = refresh(changed, refresh_token(ann))
    assert renewed.status_code == 200
    assert is_accepted(changed, renewed.json["data"]["access_token"])

    alone = start(on=first, JWT_ALGORITHM=algorithm, SECRET_KEY=B)
    assert is_accepted(alone, ann.token)
    assert is_accepted(alone, bob.token)
    assert refresh(alone, renewed.json["data"]["refresh_token"]).status_code == 200
    # Bob's session was not refreshed while both secrets were known.
    assert refresh(alone, refresh_token(bob)).json["code"] == "invalid_refresh_token"
    assert alone.login(bob.email).status_code == 200


def test_what_was_mailed_before_a_change_is_valid_after_it(start: Start) -> None:
    first = start()
    ann, bob, eve = first.register(), first.register(), first.register()
    verification = newest_to(first, ann.email)
    first.post("/auth/password/forgot", {"email": bob.email})
    reset = newest_to(first, bob.email)
    first.post("/auth/email/verify", {"token": newest_to(first, eve.email).token})
    new, _ = new_names()
    first.post("/auth/email", {"email": new, "password": PASSWORD}, token=eve.token)
    first.post("/auth/email/verify", {"token": newest_to(first, new).token})
    undo = newest_to(first, eve.email)

    changed = start(on=first, **CHANGED)
    redeemed = [
        ("/auth/email/verify", {"email": ann.email, "code": verification.code}),
        ("/auth/password/reset", {"token": reset.token, "new_password": "another good long password"}),
        ("/auth/email/undo", {"token": undo.token}),
    ]
    assert [changed.post(path, body).status_code for path, body in redeemed] == [200, 200, 200]


def test_in_two_steps_every_instance_accepts_what_any_other_issues(start: Start, algorithm: str) -> None:
    first = start(JWT_ALGORITHM=algorithm)
    account = first.register()
    token, renewal = account.token, refresh_token(account)
    knows_both = {"SECRET_KEY": A, "SECRET_KEY_FALLBACKS": B}
    for older, newer in (({"SECRET_KEY": A}, knows_both), (knows_both, CHANGED), (CHANGED, {"SECRET_KEY": B})):
        instances = [start(on=first, JWT_ALGORITHM=algorithm, **settings) for settings in (older, newer)]
        # Two rounds: a new key of HS256 signs when everybody has read the keyring again.
        for turn in range(4):
            taking = instances[turn % 2]
            assert is_accepted(taking, token)
            reply = refresh(taking, renewal)
            assert reply.status_code == 200, (older, newer, turn)
            token, renewal = reply.json["data"]["access_token"], reply.json["data"]["refresh_token"]
            assert all(is_accepted(instance, token) for instance in instances)
            first.clock.now += RELOAD_AFTER / 2


@pytest.mark.parametrize("mistaken", [False, True], ids=["", "for an ordinary change"])
def test_a_secret_that_leaked_ends_as_the_documentation_says(start: Start, algorithm: str, *, mistaken: bool) -> None:
    running = start(JWT_ALGORITHM=algorithm)
    ann, bob = running.register(), running.register()
    mailed = newest_to(running, ann.email)
    running.post("/auth/password/forgot", {"email": bob.email})
    reset = newest_to(running, bob.email)
    assert is_accepted(running, ann.token)
    instances, lines = [], commands("A secret leaked")
    if mistaken:
        instances.append(start(on=running, JWT_ALGORITHM=algorithm, **CHANGED))
        assert is_accepted(instances[0], ann.token)
        lines = [f"{line} --unknown" for line in lines]

    with_new_secret(running, {"JWT_ALGORITHM": algorithm}, lines, typed=f"{A}\n")
    running.clock.now += RELOAD_AFTER

    def forged(account: Account) -> str:
        """A refresh token made of the leaked secret and a copy of the database."""
        (session,) = running.store.sessions.of_user(account.id, running.clock.now)
        return refresh_tokens.make(RootKey(A), session.id, session.generation, session.seed)

    alone = start(on=running, JWT_ALGORITHM=algorithm, SECRET_KEY=B)
    for instance in (*instances, alone, start(on=running, JWT_ALGORITHM=algorithm, **CHANGED)):
        assert instance.get("/auth/me", token=ann.token).json["code"] == "invalid_token"
        assert refresh(instance, forged(ann)).json["code"] == "invalid_refresh_token"
        verified = instance.post("/auth/email/verify", {"token": mailed.token})
        assert verified.json["code"] == "invalid_code"
        code = instance.post("/auth/email/verify", {"email": ann.email, "code": mailed.code})
        assert code.json["code"] == "invalid_code"
        new_password = {"token": reset.token, "new_password": "another good long password"}
        assert instance.post("/auth/password/reset", new_password).json["code"] == "invalid_code"
        again = instance.login(ann.email).json["data"]
        assert is_accepted(alone, again["access_token"])
        renewed = refresh(alone, again["refresh_token"])
        assert renewed.status_code == 200
        alone.post("/auth/logout", {"scope": "this"}, token=renewed.json["data"]["access_token"])

    # The instance that has it as SECRET_KEY trusts no token, and does not start again.
    assert running.get("/auth/me", token=ann.token).status_code == 503
    assert refresh(running, forged(ann)).status_code == 503
    assert running.post("/auth/password/reset", new_password).status_code in {422, 503}
    with pytest.raises(LeakedSecretError):
        start(on=running, JWT_ALGORITHM=algorithm)


def test_signing_keys_that_leaked_end_as_the_documentation_says(start: Start) -> None:
    service = start()
    other = start(on=service)
    ann = service.register()
    kid = jwt.get_unverified_header(ann.token)["kid"]
    (command,) = commands("Signing keys leaked")
    result = service.app.test_cli_runner().invoke(args=command.replace("KID", kid).split()[1:])
    assert result.exit_code == 0, result.output
    service.clock.now += RELOAD_AFTER

    for instance in (service, other):
        assert instance.get("/auth/me", token=ann.token).json["code"] == "invalid_token"
        assert kid not in instance.get("/.well-known/jwks.json").text
    renewed = refresh(other, refresh_token(ann)).json["data"]["access_token"]
    assert is_accepted(service, renewed)
    assert jwt.get_unverified_header(renewed)["kid"] in service.get("/.well-known/jwks.json").text


def test_an_instance_still_on_the_former_secret_serves_users_with_a_token(start: Start) -> None:
    running = start()
    ann = running.register()
    changed = start(on=running, **CHANGED)
    running.clock.now += RELOAD_AFTER + timedelta(seconds=1)

    assert is_accepted(running, ann.token)
    token = running.login(ann.email).json["data"]["access_token"]
    assert is_accepted(changed, token)


def test_an_instance_that_cannot_open_the_keyring_says_unavailable_and_logs_why(start: Start, log_file: Path) -> None:
    service = start()  # the keyring is not read before the first request, as in a worker that was forked just now
    changed = start(on=service, **CHANGED)
    (key,) = changed.wired.get(KeyService).stored()

    reply = service.get("/auth/me", token=changed.register().token)

    assert (reply.status_code, reply.json["code"]) == (503, "unavailable")
    assert "SECRET_KEY" not in reply.text
    assert f"the signing key {key.kid} is sealed under another SECRET_KEY" in log_file.read_text()
