"""If the operator asks for it, new passwords are looked up among the breached ones, and a refusal says so."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from app.security.breach_file import entry_of
from app.security.breach_file_maker import write
from tests.api.mailbox import mails_to, newest_to
from tests.api.service import PASSWORD, Reply, Service, Start, new_names

BREACHED = "a password that others had"


@contextmanager
def range_service() -> Iterator[str]:
    """The URL of a service that knows one breached password."""
    digest = hashlib.sha1(BREACHED.encode(), usedforsecurity=False).hexdigest().upper()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            listed = f"{digest[5:]}:42\r\n" if self.path.endswith(f"/{digest[:5]}") else ""
            body = f"{listed}{'0' * 35}:0\r\n".encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/range"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def service(start: Start) -> Iterator[Service]:
    with range_service() as url:
        yield start(PASSWORD_BREACH_CHECK=url)


def wrong(reply: Reply) -> list[tuple[str, str]]:
    assert reply.status_code == 422
    return [(error["field"], error["code"]) for error in reply.json["errors"]]


def test_a_breached_password_is_refused_at_the_registration(service: Service) -> None:
    email, _ = new_names()
    reply = service.post("/auth/register", {"email": email, "password": BREACHED})
    assert wrong(reply) == [("password", "breached")]
    assert "breach" in reply.json["errors"][0]["message"]
    assert service.post("/auth/register", {"email": email, "password": PASSWORD}).status_code == 201


def test_a_breached_password_is_refused_at_a_change(service: Service) -> None:
    ann = service.register()
    body = {"current_password": PASSWORD, "new_password": BREACHED}
    assert wrong(service.post("/auth/password", body, token=ann.token)) == [("new_password", "breached")]


def test_a_breached_password_is_refused_at_a_reset_and_spends_nothing(service: Service) -> None:
    ann = service.register()
    service.post("/auth/password/forgot", {"email": ann.email})
    token = newest_to(service, ann.email).token
    reply = service.post("/auth/password/reset", {"token": token, "new_password": BREACHED})
    assert wrong(reply) == [("new_password", "breached")]
    good = {"token": token, "new_password": "another good long password"}
    assert service.post("/auth/password/reset", good).status_code == 200


def test_a_password_that_became_known_later_still_logs_in(service: Service, start: Start) -> None:
    unchecked = start(on=service)
    ann = unchecked.register(BREACHED)
    assert service.login(ann.email, BREACHED).status_code == 200


def test_a_service_that_does_not_answer_refuses_nobody(start: Start) -> None:
    with range_service() as url:
        pass
    service = start(PASSWORD_BREACH_CHECK=url)
    assert service.register(BREACHED).token


def test_with_a_file_the_user_of_a_breached_password_is_let_in_and_told_once(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "breached"
    write([entry_of("of nobody here")], file)
    service = start(BREACHED_PASSWORDS_FILE=str(file))
    ann = service.register(BREACHED)
    write([entry_of(BREACHED)], file)

    logins = [service.login(ann.email, BREACHED) for _ in range(2)]

    assert [login.status_code for login in logins] == [200, 200]
    events = service.get("/auth/events", token=ann.token).json["data"]["events"]
    assert [event["action"] for event in events].count("password.breached") == 1
    assert [mail.subject for mail in mails_to(service, ann.email)].count("Please choose a new password") == 1
    body = {"current_password": BREACHED, "new_password": BREACHED}
    assert wrong(service.post("/auth/password", body, token=ann.token)) == [("new_password", "breached")]


def test_while_the_file_cannot_be_read_new_passwords_wait_and_logins_go_on(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "breached"
    write([entry_of(BREACHED)], file)
    service = start(BREACHED_PASSWORDS_FILE=str(file))
    ann = service.register()
    with file.open("r+b") as same:
        same.truncate(0)

    email, _ = new_names()
    refused = service.post("/auth/register", {"email": email, "password": PASSWORD})

    assert (refused.status_code, refused.json["code"]) == (503, "unavailable")
    assert service.login(ann.email).status_code == 200
