"""Keys are rotated by the command line while clients ask without a pause: no valid token is refused."""

import http
import os
import subprocess
import sys

import pytest

from tests.e2e.clients import Request, bearer, clients, register, repeating
from tests.e2e.settings import PASSWORD, in_testing
from tests.servers.service import ROOT, service


def flask(settings: dict[str, str], *arguments: str) -> str:
    """What a command of the operator prints."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), "PYTHONPATH": str(ROOT), **settings}
    command = [sys.executable, "-m", "flask", "--app", "app", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


@pytest.mark.parametrize("store", ["sqlite", "mongodb"], indirect=True)
def test_a_rotation_under_load_refuses_no_valid_token(store: dict[str, str]) -> None:
    settings = in_testing(**store)
    with service(settings) as server:
        token = register(server.base_url, "ann")
        register(server.base_url, "bob")  # bob's many logins end bob's sessions, not ann's
        login = Request("/auth/login", content={"username": "bob", "password": PASSWORD})
        asking = repeating(Request("/auth/me", bearer(token)))
        with clients(server.port, [asking] * 8 + [repeating(login)] * 2) as load:
            for _ in range(3):
                load.wait_for_more(12)
                flask(settings, "keys", "rotate")
            load.wait_for_more(12)
        assert {status for _, status in load.answered} == {http.HTTPStatus.OK}
        assert len(flask(settings, "keys", "list").splitlines()) >= 4  # the first, and three new ones
