"""Stopping, reloading and replacing workers: no request is lost, and no client holds it up."""

import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import pytest

from tests.e2e.clients import PATIENCE, Clients, Request, bearer, clients, register, registering, repeating
from tests.e2e.raw import one, request
from tests.e2e.settings import in_testing
from tests.servers.process import wait_until
from tests.servers.service import Service, service

pytestmark = pytest.mark.timeout(120)

STOP_SECONDS = 20.0
"""A stop ends long before the 30 s after which gunicorn kills what is left."""


@pytest.mark.parametrize("store", ["sqlite", "mongodb"], indirect=True)
@pytest.mark.faults("SIGTERM")
def test_a_stop_under_load_loses_no_request(store: dict[str, str]) -> None:
    with service(in_testing(**store)) as server, clients(server.port, busy(server)) as load:
        load.wait_for_more()
        server.terminate()
        assert server.exit_status(STOP_SECONDS) == 0
        load.wait_for_end()

        assert_all_were_served(load)
        assert load.refused == 16  # all were asking up to the end


def test_an_idle_connection_delays_no_stop_and_harms_no_busy_client(store: dict[str, str]) -> None:
    with (
        service(in_testing(WEB_CONCURRENCY="1", **store)) as server,
        keeping(server, b"GET /health/live HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 200"),
        closing(socket.create_connection(("127.0.0.1", server.port))),  # sends nothing at all
        clients(server.port, busy(server)) as load,
    ):
        load.wait_for_more()
        server.terminate()
        assert server.exit_status(STOP_SECONDS) == 0
        load.wait_for_end()

        assert_all_were_served(load)
        assert load.refused == 16


def test_a_connection_that_never_sent_anything_delays_no_stop(store: dict[str, str]) -> None:
    with (
        service(in_testing(WEB_CONCURRENCY="1", **store)) as server,
        closing(socket.create_connection(("127.0.0.1", server.port))),
    ):
        # Connections are taken in their order: the silent one before this.
        assert one(server.port, request("GET /health/live")).status == 200
        server.terminate()

        assert server.exit_status(STOP_SECONDS) == 0


def test_clients_that_do_not_close_hold_up_nobody_else(store: dict[str, str]) -> None:
    with service(in_testing(WEB_CONCURRENCY="1", **store)) as server, ExitStack() as stubborn:
        for sent in [request("GET /health/live"), b"no request\r\n\r\n"] * 20:
            client = stubborn.enter_context(closing(socket.create_connection(("127.0.0.1", server.port))))
            client.sendall(sent)

        # gunicorn would wait 2 s for each of them, one after the other, and for as long take no request.
        assert one(server.port, request("GET /health/live")).status == 200


def test_a_reload_under_load_loses_no_request(store: dict[str, str]) -> None:
    with service(in_testing(**store)) as server, clients(server.port, busy(server)) as load:
        for _ in range(2):
            load.wait_for_more()
            old = workers(server)
            server.signal(signal.SIGHUP)
            wait_until(partial(replaced, server, old), 60)
        load.wait_for_more()
        load.stop()

        assert_all_were_served(load)
        assert load.refused == 0


def test_a_worker_that_is_replaced_after_its_share_of_requests_loses_none(store: dict[str, str]) -> None:
    recycling = in_testing(GUNICORN_CMD_ARGS="--max-requests 50 --max-requests-jitter 0", **store)
    with service(recycling) as server, clients(server.port, busy(server)) as load:
        for _ in range(3):
            wait_until(partial(replaced, server, workers(server)), 60)
        load.stop()

        assert_all_were_served(load)
        assert load.refused == 0


def busy(server: Service) -> list[Callable[[], Iterator[Request]]]:
    """Sixteen clients: most ask for the current user, some register."""
    token = register(server.base_url, "busy")
    asking = repeating(Request("/auth/me", bearer(token)))
    return [asking] * 12 + [registering(f"busy-{number}") for number in range(4)]


def assert_all_were_served(load: Clients) -> None:
    """No request was lost, and each was answered well."""
    assert load.lost == []
    assert load.statuses("/auth/me") == {200}
    # On a busy machine a writer may be told to retry: SQLite takes one at a time.
    assert load.statuses("/auth/register") - {503} == {201}


def replaced(server: Service, old: set[int]) -> bool:
    """Whether two workers are there, and none of these."""
    now = workers(server)
    return len(now) == 2 and not now & old


def workers(server: Service) -> set[int]:
    return set(server.worker_pids())


@contextmanager
def keeping(server: Service, sent: bytes, answer: bytes) -> Iterator[None]:
    """A connection that gets an answer which begins like this, and that its client then leaves open."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)) as connection:
        connection.sendall(sent)
        assert connection.recv(len(answer), socket.MSG_WAITALL) == answer
        yield
