"""The clients of a storm: they return when they were told to, or come whatever they are told, and leave at the end."""

from __future__ import annotations

from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING

import pytest

from bench.figures import GOALS
from bench.load import RefusedError
from bench.storms import STORMS, Logins
from tests.servers.process import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = 60.0


class Answers:
    """A server that gives the statuses one after the other, then the last again and again."""

    def __init__(self, *statuses: int, retry_after: int = 0) -> None:
        self.statuses = list(statuses)
        self.retry_after = retry_after
        self.asked = 0
        self.holds = False
        self.left = 0
        self.lock = Lock()

    @contextmanager
    def serve(self) -> Iterator[int]:
        answers = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                with answers.lock:
                    answers.asked += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                if answers.holds:
                    self.rfile.read(1)  # until the client leaves
                    with answers.lock:
                        answers.left += 1
                    return
                self.send_response(answers.statuses.pop(0) if len(answers.statuses) > 1 else answers.statuses[0])
                self.send_header("Retry-After", str(answers.retry_after))
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield server.server_port
            finally:
                server.shutdown()
                thread.join()


def test_clients_at_once_log_in_again_and_again() -> None:
    with Answers(200).serve() as port, Logins(port, at_once=3) as logins:
        wait_until(lambda: logins.succeeded >= 9, LONG)


def test_a_client_that_was_shed_returns_no_sooner_than_it_was_told() -> None:
    answers = Answers(200, 503, retry_after=1000)
    with answers.serve() as port, Logins(port, at_once=2) as logins:
        wait_until(lambda: logins.shed == 2, LONG)
    assert (logins.succeeded, answers.asked) == (1, 3)


def test_clients_of_a_rate_come_whatever_they_are_told() -> None:
    with Answers(503, retry_after=1000).serve() as port, Logins(port, a_second=100) as logins:
        wait_until(lambda: logins.shed >= 5, LONG)


def test_at_the_end_those_that_wait_leave() -> None:
    answers = Answers(200)
    answers.holds = True
    with answers.serve() as port:
        with Logins(port, at_once=4) as logins:
            wait_until(lambda: answers.asked == 4, LONG)
        wait_until(lambda: answers.left == 4, LONG)
    assert (logins.succeeded, logins.gave_up) == (0, 0)


def test_any_other_failure_spoils_the_measurement() -> None:
    answers = Answers(200, 401, 200)
    with answers.serve() as port, pytest.raises(RefusedError, match="401"), Logins(port, at_once=1) as logins:
        wait_until(lambda: logins.succeeded >= 2, LONG)


def test_each_storm_has_goals_for_the_logins_and_for_the_requests_beside_them() -> None:
    names = {goal.name for goal in GOALS}
    assert {f"{storm}-{figure}" for storm in STORMS for figure in ("goodput", "rate", "p99")} <= names
