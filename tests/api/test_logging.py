"""The log: one JSON object per request, and never what was sent."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.outbox.service import Outbox
from tests.api.service import PASSWORD, SETTINGS, Service, Start

Logged = Callable[[], list[dict[str, Any]]]
"""What was logged since the test began."""
FIELDS = {"event", "level", "timestamp", "method", "route", "status", "ms", "request_id", "user_id", "ip"}
HOSTILE = '\r\n\u0085\u2028\x9b\x1b[31m\x00{"event": "forged"}"\\'


@pytest.fixture
def logged(log_file: Path) -> Logged:
    """What was logged since the test began; each line is one JSON object."""
    begin = log_file.stat().st_size

    def read() -> list[dict[str, Any]]:
        text = log_file.read_bytes()[begin:].decode()
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x80-\x9f\u2028\u2029]", text)
        return [json.loads(line) for line in text.splitlines()]

    return read


def test_a_request_is_one_line_that_says_what_happened(service: Service, logged: Logged) -> None:
    response = service.post("/auth/login", {"login": "nobody", "password": PASSWORD})
    (line,) = logged()
    assert line.keys() == FIELDS
    assert line["event"] == "request"
    assert (line["method"], line["route"], line["status"]) == ("POST", "/auth/login", 401)
    assert (line["request_id"], line["user_id"]) == (response.headers["X-Request-ID"], None)
    assert isinstance(line["ms"], int | float)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", line["timestamp"])


def test_every_line_of_a_request_has_its_id_and_background_work_has_none(service: Service, logged: Logged) -> None:
    account = service.register()
    response = service.login(account.email)
    service.wired.get(Outbox).deliver_due()

    lines = logged()
    of_login = [line for line in lines if line.get("request_id") == response.headers["X-Request-ID"]]
    assert [line["event"] for line in of_login] == ["event", "request"]
    assert of_login[0]["action"] == "session.opened"
    assert all(("request_id" in line) == (line["event"] in {"event", "request"}) for line in lines)
    assert lines[-1]["event"] == "mail sent"


def test_the_caller_is_observed_once_known(service: Service, logged: Logged) -> None:
    account = service.register()
    service.get("/auth/me", token=account.token)
    assert logged()[-1]["user_id"] == account.id


@pytest.mark.parametrize(
    ("asked", "route", "status"),
    [
        ("GET /nope?secret=1", None, 404),
        ("PUT /auth/me", None, 405),
        ("GET /errors/not_found", "/errors/<code>", 200),
        ("HEAD /api/ping", "/api/ping", 200),
        ("OPTIONS /auth/me", "/auth/me", 204),
    ],
)
def test_every_request_is_logged_by_its_route(
    service: Service, logged: Logged, asked: str, route: str | None, status: int
) -> None:
    method, _, path = asked.partition(" ")
    service.send(method, path)
    (line,) = logged()
    assert (line["method"], line["route"], line["status"]) == (method, route, status)


def test_no_input_breaks_a_line(service: Service, logged: Logged) -> None:
    token = service.register().token
    hostile = HOSTILE.encode().decode("latin-1")
    requests: list[dict[str, Any]] = [
        {"PATH_INFO": f"/{hostile}"},
        {"QUERY_STRING": hostile},
        {"HTTP_USER_AGENT": hostile},
        {"HTTP_HOST": hostile},
        {"HTTP_REFERER": hostile},
        {"HTTP_X_REQUEST_ID": hostile},
        {"HTTP_X_FORWARDED_FOR": hostile},
        {"HTTP_AUTHORIZATION": f"Bearer {hostile}"},
        {"HTTP_AUTHORIZATION": f"Bearer {token}", "HTTP_USER_AGENT": hostile},
        {"REMOTE_ADDR": hostile},
        {"CONTENT_TYPE": hostile},
    ]
    before = len(logged())
    for environ in requests:
        service.send("GET", "/auth/me", environ=environ)
    service.send(hostile[:16], "/auth/me")
    service.send(hostile * 10, "/auth/me")
    service.login(HOSTILE, HOSTILE)
    lines = logged()[before:]
    assert len(lines) == len(requests) + 3
    assert {line["event"] for line in lines} == {"request"}


def test_nothing_secret_is_logged(start: Start, log_file: Path) -> None:
    service = start()
    begin = log_file.stat().st_size
    account = service.register("PLANTED password of an account")
    planted = "PLANTED-0451"
    service.login(account.email, "PLANTED password that is wrong")
    service.login("PLANTED typed into the wrong field", PASSWORD)
    data = service.login(account.email, account.password).json["data"]
    secrets = [account.token, data["token"], data["refresh_token"], account.data["refresh_token"], "PLANTED", PASSWORD]
    for path in ("/auth/me", "/auth/users", f"/{planted}", f"/errors/{planted}", f"/assets/{planted}"):
        service.get(path, token=data["token"], query=f"token={data['token']}&cursor={planted}")
        service.get(path, headers={"x-access-token": data["refresh_token"], "Cookie": f"session={planted}"})
        service.get(path, headers={"Authorization": f"Basic {planted}", "User-Agent": planted, "Host": planted})
    service.send("POST", "/auth/login", body=f'{{"password": "{planted}'.encode(), content_type="application/json")
    service.post("/auth/register", {"email": planted, "password": planted, planted: planted})
    service.database.break_users()
    assert service.login(account.email, account.password).status_code == 500
    assert service.get("/auth/me", token=data["token"]).status_code == 500
    service.post("/auth/register", {"email": "new-planted@example.com", "password": "PLANTED password of nobody"})
    text = log_file.read_bytes()[begin:].decode()
    for secret in (*secrets, *(secret.split(".")[2] for secret in secrets if secret.count(".") == 2)):
        assert secret not in text
    for never in (SETTINGS["SECRET_KEY"], "$2b$", "BEGIN PRIVATE", account.email, "new-planted"):
        assert never not in text


def test_a_fault_is_logged_with_its_cause_under_the_request_id(start: Start, logged: Logged) -> None:
    service = start()
    account = service.register()
    service.database.break_users()
    response = service.get("/auth/me", token=account.token)
    assert response.status_code == 500
    fault, request = [line for line in logged() if line.get("request_id") == response.headers["X-Request-ID"]]
    assert (fault["level"], fault["event"]) == ("error", "fault")
    assert "Traceback" in fault["exception"]
    assert (request["event"], request["status"]) == ("request", 500)
