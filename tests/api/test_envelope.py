"""What every reply looks like: envelope, problem details, headers, methods."""

import json
import re

import pytest

from app.platform import clock
from tests.api.service import PASSWORD, Reply, Service, Start

PROBLEM = "application/problem+json"
ENDPOINTS = [
    "/auth/register", "/auth/login", "/auth/me", "/auth/users", "/.well-known/jwks.json", "/health", "/auth/health",
    "/.well-known/passkey-endpoints", "/.well-known/webauthn", "/account/passkeys", "/health/live",
    "/health/ready", "/api/ping", "/", "/openapi.json", "/swagger/", "/errors/not_found", "/assets/pages.css",
]  # fmt: skip


def test_a_success_is_marked_and_has_its_data_under_their_name(service: Service) -> None:
    account = service.register()
    for path, name in (("/auth/me", "user"), ("/auth/users", "users")):
        response = service.get(path, token=account.token)
        assert response.headers["Content-Type"] == "application/json"
        assert response.json["status"] == "success"
        assert name in response.json["data"]


def test_a_failure_has_code_message_help_and_request_id(service: Service) -> None:
    response = service.get("/auth/me")
    request_id = response.headers["X-Request-ID"]
    assert response.headers["Content-Type"] == "application/json"
    assert response.json | {"message": ""} == {
        "status": "error",
        "code": "missing_token",
        "message": "",
        "help": "http://localhost:5000/errors/missing_token",
        "request_id": request_id,
    }


def test_the_help_of_a_failure_is_under_the_public_address(start: Start) -> None:
    service = start(PUBLIC_URL="https://example.com/accounts")
    assert service.get("/auth/me").json["help"] == "https://example.com/accounts/errors/missing_token"


def test_wrong_fields_are_listed_with_code_and_message(service: Service) -> None:
    response = service.post("/auth/register", {"email": "x", "password": "short"})
    assert [error.keys() for error in response.json["errors"]] == [{"field", "code", "message"}] * 2
    assert {"field": "password", "code": "too_short", "message": "A password has at least 10 characters."} in (
        response.json["errors"]
    )


@pytest.mark.parametrize(
    ("accept", "mimetype"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html", "application/json"),
        ("application/json, application/problem+json", "application/json"),
        ("application/problem+json", PROBLEM),
        ("APPLICATION/Problem+JSON", PROBLEM),
        ("application/problem+json, */*", PROBLEM),
        ("application/problem+json, application/json;q=0.9", PROBLEM),
        ("application/json;q=0.5, application/problem+json;q=0.8", PROBLEM),
        ("application/problem+json;q=0.5, application/json", "application/json"),
        ("application/problem+json;q=0", "application/json"),
        ("application/problem+json;q=0, */*", "application/json"),
        ("application/json;q=0, application/problem+json;q=0.1", PROBLEM),
        (";;q=x,,", "application/json"),
    ],
)
def test_a_client_that_prefers_problem_details_gets_them(service: Service, accept: str | None, mimetype: str) -> None:
    headers = {"Accept": accept} if accept is not None else {}
    response = service.get("/auth/me", headers=headers)
    assert (response.status_code, response.mimetype) == (401, mimetype)
    assert json.loads(response.data)["code"] == "missing_token"


def test_problem_details_hold_the_same_facts(service: Service) -> None:
    body = {"email": "x", "password": PASSWORD}
    plain = service.post("/auth/register", body).json
    response = service.post("/auth/register", body, headers={"Accept": PROBLEM})
    assert response.status_code == 422
    problem = json.loads(response.data)
    assert problem == {
        "type": plain["help"],
        "title": problem["title"],
        "status": 422,
        "detail": plain["message"],
        "code": "validation_failed",
        "request_id": response.headers["X-Request-ID"],
        "errors": plain["errors"],
    }


def test_a_success_is_never_problem_details(service: Service) -> None:
    response = service.get("/health", headers={"Accept": PROBLEM})
    assert (response.status_code, response.mimetype) == (200, "application/json")


@pytest.mark.parametrize("path", ["/nope", "/auth", "/auth/me/x", "/AUTH/ME", "/errors/", "/errors/nope"])
def test_an_unknown_path_is_not_found(service: Service, path: str) -> None:
    response = service.send("GET", path)
    assert (response.status_code, response.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["//evil.example/auth/me", "/auth//me", "/auth/./me", "/x/../auth/me", "*", "/auth/me;x=1"]
)
def test_another_spelling_of_a_path_is_not_found(service: Service, path: str) -> None:
    response = service.send("GET", "/nope", environ={"PATH_INFO": path})
    assert (response.status_code, response.json["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    "path", ["/%ff", "/%00", "/a%0d%0ab", "/errors/%1b[31m", "/errors/%2e%2e", "/assets/..%2fpages.css"]
)
def test_a_path_of_any_bytes_is_answered(service: Service, path: str) -> None:
    response = service.send("GET", path)
    assert (response.status_code, response.json["code"]) == (404, "not_found")


def test_there_are_no_redirects(service: Service) -> None:
    for path in [*ENDPOINTS, "/swagger", "/auth/login/", "/nope/"]:
        for method in ("GET", "POST"):
            response = service.send(method, path, headers={"Host": "evil.example"})
            assert "Location" not in response.headers
            assert "evil.example" not in response.text


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", "/auth/login", {"POST", "OPTIONS"}),
        ("HEAD", "/auth/login", {"POST", "OPTIONS"}),
        ("PUT", "/auth/register", {"POST", "OPTIONS"}),
        ("DELETE", "/auth/users", {"GET", "HEAD", "OPTIONS"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
        ("TRACE", "/auth/me", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
        ("CONNECT", "/auth/me", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
        ("BREW", "/auth/me", {"GET", "HEAD", "PATCH", "DELETE", "OPTIONS"}),
    ],
)
def test_a_wrong_method_gets_the_list_of_allowed_ones(
    service: Service, method: str, path: str, allow: set[str]
) -> None:
    response = service.send(method, path)
    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == allow
    if method != "HEAD":
        assert response.json["code"] == "method_not_allowed"


@pytest.mark.parametrize("path", ENDPOINTS)
def test_options_are_answered_without_a_body(service: Service, path: str) -> None:
    response = service.send("OPTIONS", path)
    assert (response.status_code, response.data) == (204, b"")
    assert "OPTIONS" in response.headers["Allow"].split(", ")


@pytest.mark.parametrize("path", [path for path in ENDPOINTS if path not in {"/auth/register", "/auth/login"}])
def test_head_is_answered_as_get_is(service: Service, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    at = clock.now().replace(microsecond=1)  # a whole second would be shorter than another time
    monkeypatch.setattr(clock, "now", lambda: at)
    token = service.register().token
    got, headed = (service.send(method, path, token=token) for method in ("GET", "HEAD"))
    assert got.status_code == headed.status_code == 200
    varies = {"X-Request-ID", "Date"}
    assert {name: value for name, value in headed.headers if name not in varies} == {
        name: value for name, value in got.headers if name not in varies
    }


def test_a_failing_head_has_only_its_status(service: Service) -> None:
    response = service.send("HEAD", "/auth/me")
    assert (response.status_code, response.data) == (401, b"")
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_little_may_be_cached(service: Service) -> None:
    token = service.register().token
    kept = {path for path in ENDPOINTS if _cache(service.send("GET", path, token=token)) != "no-store"}
    assert kept == {
        "/.well-known/jwks.json", "/.well-known/passkey-endpoints", "/.well-known/webauthn", "/", "/openapi.json",
        "/swagger/", "/errors/not_found", "/assets/pages.css",
    }  # fmt: skip
    for response in (service.post("/auth/login", {}), service.send("OPTIONS", "/auth/me"), service.get("/errors/nope")):
        assert _cache(response) == "no-store"


def _cache(response: Reply) -> str:
    return response.headers["Cache-Control"]


def test_every_exchange_has_an_id_of_its_own(service: Service) -> None:
    assert len({service.get("/api/ping").headers["X-Request-ID"] for _ in range(20)}) == 20


def test_nobody_but_a_trusted_proxy_names_the_exchange(service: Service) -> None:
    sent = "abcdefgh12345678"
    assert service.get("/api/ping", headers={"X-Request-ID": sent}).headers["X-Request-ID"] != sent


@pytest.mark.parametrize("sent", ["abcdefgh", "A_b-" * 16, "0" * 64])
def test_a_trusted_proxy_names_the_exchange(service: Service, start: Start, sent: str) -> None:
    behind = start(on=service, TRUSTED_PROXIES="10.0.0.0/8")
    response = behind.get("/auth/me", headers={"X-Request-ID": sent}, environ={"REMOTE_ADDR": "10.1.2.3"})
    assert response.headers["X-Request-ID"] == response.json["request_id"] == sent
    other = behind.get("/auth/me", headers={"X-Request-ID": sent}, environ={"REMOTE_ADDR": "11.1.2.3"})
    assert other.headers["X-Request-ID"] != sent


@pytest.mark.parametrize(
    "sent", ["", "short", "x" * 65, "with spaces in it", "abcdefgh\n", "äbcdefgh", "abc;defgh", "abcdefgh,abcdefgh"]
)
def test_an_invalid_id_is_replaced(service: Service, start: Start, sent: str) -> None:
    behind = start(on=service, TRUSTED_PROXIES="10.0.0.0/8")
    response = behind.get("/auth/me", environ={"REMOTE_ADDR": "10.1.2.3", "HTTP_X_REQUEST_ID": sent})
    assert response.headers["X-Request-ID"] != sent


@pytest.mark.parametrize("path", [*ENDPOINTS, "/nope"])
def test_replies_carry_security_headers(service: Service, path: str) -> None:
    headers = service.get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "Set-Cookie" not in headers
    assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize("path", [*ENDPOINTS, "/nope"])
def test_public_documents_may_be_read_by_any_origin_and_nothing_else_by_another(service: Service, path: str) -> None:
    read = service.get(path, headers={"Origin": "https://app.example.org"})
    allowed = {name: value for name, value in read.headers if name.lower().startswith("access-control-")}
    public = path == "/openapi.json" or path.startswith("/.well-known/")
    assert allowed == ({"Access-Control-Allow-Origin": "*"} if public else {})


def test_a_client_that_has_a_public_document_may_get_304(service: Service) -> None:
    tag = service.get("/.well-known/jwks.json").headers["ETag"]
    again = service.get("/.well-known/jwks.json", headers={"If-None-Match": tag})
    assert (again.status_code, again.headers["Access-Control-Allow-Origin"]) == (304, "*")


def test_an_origin_is_never_reflected(service: Service) -> None:
    for method in ("GET", "OPTIONS"):
        sent = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
        response = service.send(method, "/auth/me", headers=sent)
        assert not [name for name, _ in response.headers if name.startswith("Access-Control")]


def test_behind_tls_replies_carry_hsts(service: Service, start: Start) -> None:
    secure = start(on=service, PUBLIC_URL="https://auth.example.com")
    assert re.fullmatch(r"max-age=\d{8,}", secure.get("/health").headers["Strict-Transport-Security"])


@pytest.mark.parametrize("path", ["/health", "/auth/health", "/health/live", "/health/ready"])
def test_health_tells_the_time(service: Service, path: str) -> None:
    response = service.get(path)
    assert response.json.keys() == {"status", "message", "timestamp"}
    assert response.json["status"] == "success"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", response.json["timestamp"])


def test_health_is_ok(service: Service) -> None:
    assert service.get("/health").json["message"] == service.get("/auth/health").json["message"] == "OK"


def test_a_ping_is_answered(service: Service) -> None:
    assert service.get("/api/ping").json == {"status": "ok"}


def test_a_fault_reveals_nothing_but_the_request_id(start: Start) -> None:
    service = start()
    account = service.register()
    service.database.break_users()
    for response in (service.get("/auth/me", token=account.token), service.login(account.email)):
        assert response.status_code == 500
        assert response.json == {
            "status": "error",
            "code": "internal_error",
            "message": "Something went wrong on our side.",
            "help": "http://localhost:5000/errors/internal_error",
            "request_id": response.headers["X-Request-ID"],
        }
    problem = service.get("/auth/me", token=account.token, headers={"Accept": PROBLEM})
    assert (problem.status_code, problem.mimetype) == (500, PROBLEM)
