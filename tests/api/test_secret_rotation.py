"""SECRET_KEY is changed while people are logged in."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from app.services.keys import RELOAD_AFTER
from tests.api.mailbox import newest_to
from tests.api.service import PASSWORD, SETTINGS, new_names

if TYPE_CHECKING:
    from pathlib import Path

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


def test_nobody_is_logged_out_by_a_change_and_the_former_secret_can_be_dropped(start: Start, algorithm: str) -> None:
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


def test_what_was_mailed_before_a_change_is_good_after_it(start: Start) -> None:
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


def test_in_two_steps_every_instance_takes_what_any_other_gives(start: Start, algorithm: str) -> None:
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


def test_an_instance_that_runs_on_with_the_former_secret_serves_who_has_a_token(start: Start) -> None:
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
    (key,) = changed.wired.services.keys.stored()

    reply = service.get("/auth/me", token=changed.register().token)

    assert (reply.status_code, reply.json["code"]) == (503, "unavailable")
    assert "SECRET_KEY" not in reply.text
    assert f"the signing key {key.kid} is sealed under another SECRET_KEY" in log_file.read_text()
