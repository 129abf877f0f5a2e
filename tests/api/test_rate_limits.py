"""How many requests a client may send, and what the replies tell of it."""

import json
from pathlib import Path

import pytest

from app.features import ENDPOINTS, PAGES, PROTOCOLS
from app.web.limits import LIMITS
from tests.api.service import PASSWORD, Reply, Service, Start


def login(service: Service, name: str = "nobody", ip: str = "192.0.2.1", **more: str) -> Reply:
    environ = {"REMOTE_ADDR": ip, **more}
    return service.post("/auth/login", {"login": name, "password": PASSWORD}, environ=environ)


def told(reply: Reply) -> tuple[str | None, str | None]:
    return reply.headers.get("RateLimit-Policy"), reply.headers.get("RateLimit")


def test_every_change_without_a_session_has_a_limit() -> None:
    for declared in (*ENDPOINTS, *PAGES, *PROTOCOLS):
        if not declared.access.authenticated and declared.method != "GET" and not declared.development_only:
            assert declared.limit is not None, f"{declared.method} {declared.path}"


def test_a_client_is_refused_beyond_the_limit_whoever_it_names_and_others_are_not(start: Start) -> None:
    service = start(RATE_LIMIT_LOGIN="3/minute")
    replies = [login(service, f"user{number}") for number in range(5)]
    assert [reply.status_code for reply in replies] == [401, 401, 401, 429, 429]
    assert [told(reply)[0] for reply in replies] == ['"login";q=3;w=60'] * 5
    assert [(told(reply)[1] or "").rpartition(";")[0] for reply in replies] == [
        f'"login";r={left}' for left in (2, 1, 0, 0, 0)
    ]
    assert replies[3].json["code"] == "too_many_requests"
    assert 1 <= int(replies[3].headers["Retry-After"]) <= 60
    assert login(service, ip="192.0.2.2").status_code == 401


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"{}", "application/json", 422),
        (b"{", "application/json", 400),
        (b"x", "text/plain", 415),
        (b"x" * 70_000, "application/json", 413),
    ],
)
def test_every_failure_tells_the_limit_and_counts(start: Start, body: bytes, content_type: str, status: int) -> None:
    service = start(RATE_LIMIT_LOGIN="9/hour")
    reply = service.send("POST", "/auth/login", body=body, content_type=content_type)
    assert reply.status_code == status
    assert told(reply)[0] == '"login";q=9;w=3600'
    assert (told(reply)[1] or "").startswith('"login";r=8;t=')


def test_a_success_tells_it_too_and_what_has_no_limit_does_not(start: Start) -> None:
    service = start()
    account = service.register()
    reply = service.post("/auth/refresh", {"refresh_token": account.data["refresh_token"]})
    assert reply.status_code == 200
    assert told(reply)[0] == '"refresh";q=1000000;w=60'
    assert told(service.get("/auth/me", token=account.token)) == (None, None)


def test_a_session_is_counted_from_whatever_address(start: Start) -> None:
    service = start(RATE_LIMIT_IMPERSONATE="2/hour")
    boss = service.administrator()
    statuses = [
        service.post(
            "/admin/users/nobody/impersonate",
            {"reason": "x"},
            token=boss.token,
            environ={"REMOTE_ADDR": f"192.0.2.{n}"},
        ).status_code
        for n in range(3)
    ]
    assert statuses[2] == 429
    assert 429 not in statuses[:2]


def test_an_address_is_counted_by_what_a_trusted_proxy_says_and_by_64_bits_of_ipv6(start: Start) -> None:
    service = start(RATE_LIMIT_LOGIN="1/hour", TRUSTED_PROXIES="10.0.0.1")
    assert login(service, ip="10.0.0.1", HTTP_X_FORWARDED_FOR="2001:db8:0:1::1").status_code == 401
    assert login(service, ip="10.0.0.1", HTTP_X_FORWARDED_FOR="2001:db8:0:1:ffff::2").status_code == 429
    assert login(service, ip="10.0.0.1", HTTP_X_FORWARDED_FOR="2001:db8:0:2::1").status_code == 401
    assert login(service, ip="192.0.2.1", HTTP_X_FORWARDED_FOR="198.51.100.1").status_code == 401
    assert login(service, ip="192.0.2.1", HTTP_X_FORWARDED_FOR="198.51.100.2").status_code == 429


def test_a_proxy_that_is_not_trusted_is_noticed_once_with_the_line_to_set(log_file: Path, start: Start) -> None:
    service = start()
    for number in range(12):
        service.get("/health", environ={"REMOTE_ADDR": "10.0.0.9", "HTTP_X_FORWARDED_FOR": f"203.0.113.{number}"})
    lines = [json.loads(line) for line in log_file.read_text().splitlines() if "unknown proxy" in line]
    assert [line["remedy"] for line in lines] == ["if it is your proxy, set TRUSTED_PROXIES=10.0.0.9"]


def test_without_limits_nothing_is_told(start: Start) -> None:
    service = start(RATE_LIMITS="off", RATE_LIMIT_LOGIN="1/hour")
    replies = [login(service) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [401] * 3
    assert told(replies[0]) == (None, None)


def test_head_and_options_are_not_counted(start: Start) -> None:
    service = start(RATE_LIMIT_LOGIN="1/hour")
    assert service.send("OPTIONS", "/auth/login").status_code == 204
    assert service.send("HEAD", "/auth/login").status_code == 405
    assert login(service, ip="127.0.0.1").status_code == 401


def test_the_default_limits_are_those_of_the_documents() -> None:
    assert {name: f"{limit.requests}/{limit.seconds}" for name, limit in LIMITS.items()}["login"] == "100/60"
