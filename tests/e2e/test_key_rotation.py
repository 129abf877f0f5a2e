"""Keys are rotated by the command line while clients ask without a pause: no valid token is refused.

On SQLite only: what differs between the stores is the keyring's compare-and-set, which tests/contract tries.
"""

import http
import itertools
from collections.abc import Callable, Iterator
from threading import Event
from time import monotonic

import httpx
import pytest

from app import config, create_app, wired_of
from tests.e2e.clients import PATIENCE, Request, bearer, clients, register
from tests.e2e.settings import PASSWORD, in_testing
from tests.servers.process import wait_until
from tests.servers.service import Service, service

RATE = 200
"""Requests a second: all that the machine can answer would leave the tests beside this one less."""
CLIENTS = 10


@pytest.mark.faults("key rotation")
def test_a_rotation_under_load_refuses_no_valid_token(store: dict[str, str]) -> None:
    settings = in_testing(WEB_CONCURRENCY="2", **store)
    with service(settings) as server:
        ask = Request("/auth/me", bearer(register(server.base_url, "ann")))
        register(server.base_url, "bob")  # bob's many logins end bob's sessions, not ann's
        login = Request("/auth/login", content={"username": "bob", "password": PASSWORD})
        # The operator's process is this one: the clients would leave a new one no time to start.
        operator = create_app(config.load(settings, dotenv=None))
        kinds = [paced(ask, RATE / CLIENTS)] * (CLIENTS - 1) + [paced(login, RATE / CLIENTS)]
        try:
            with clients(server.port, kinds) as load:
                for _ in range(3):
                    load.wait_for_more(RATE // CLIENTS)  # a second's
                    assert operator.test_cli_runner().invoke(args=["keys", "rotate"]).exit_code == 0
                # Every worker follows within 10 seconds; which of the two answers is chance.
                wait_until(lambda: all(published(server) == 1 + 3 for _ in range(16)), 60)
                load.wait_for_more(RATE // CLIENTS)
        finally:
            wired_of(operator).close()
    assert {status for _, status in load.answered} == {http.HTTPStatus.OK}
    assert load.lost == []


def paced(request: Request, rate: float) -> Callable[[], Iterator[Request]]:
    """The same request so often a second; a client that is late makes up for it."""

    def requests() -> Iterator[Request]:
        began = monotonic()
        for number in itertools.count():
            Event().wait(max(0.0, began + number / rate - monotonic()))
            yield request

    return requests


def published(server: Service) -> int:
    """How many keys the worker that answers publishes."""
    return len(httpx.get(f"{server.base_url}/.well-known/jwks.json", timeout=PATIENCE).json()["keys"])
