"""Keys are rotated by the command line while clients ask without a pause: no valid token is refused.

On SQLite only: what differs between the stores is the keyring's compare-and-set, which tests/contract tries.
"""

import http

import httpx

from app import config, create_app, wired_of
from tests.e2e.clients import PATIENCE, Request, bearer, clients, register, repeating
from tests.e2e.settings import PASSWORD, in_testing
from tests.servers.process import wait_until
from tests.servers.service import Service, service


def test_a_rotation_under_load_refuses_no_valid_token(store: dict[str, str]) -> None:
    settings = in_testing(WEB_CONCURRENCY="2", **store)
    with service(settings) as server:
        token = register(server.base_url, "ann")
        register(server.base_url, "bob")  # bob's many logins end bob's sessions, not ann's
        # The operator's process is this one: the clients would leave a new one no time to start.
        operator = create_app(config.load(settings, dotenv=None))
        flask = operator.test_cli_runner().invoke
        login = Request("/auth/login", content={"username": "bob", "password": PASSWORD})
        asking = repeating(Request("/auth/me", bearer(token)))
        try:
            with clients(server.port, [asking] * 3 + [repeating(login)]) as load:
                for _ in range(3):
                    load.wait_for_more(12)
                    assert flask(args=["keys", "rotate"]).exit_code == 0
                # Every worker follows within 10 seconds; which of the two answers is chance.
                wait_until(lambda: all(published(server) == 1 + 3 for _ in range(16)), 60)
                load.wait_for_more(12)
        finally:
            wired_of(operator).close()
    assert {status for _, status in load.answered} == {http.HTTPStatus.OK}


def published(server: Service) -> int:
    """How many keys the worker that answers publishes."""
    return len(httpx.get(f"{server.base_url}/.well-known/jwks.json", timeout=PATIENCE).json()["keys"])
