"""Browsers: the cookie that keeps them logged in, who may use it, and what pages of other origins may read."""

from __future__ import annotations

import re
from http.cookies import SimpleCookie
from typing import TYPE_CHECKING, Any

import pytest

from app.features import ENDPOINTS, PAGES, PROTOCOLS
from tests.api.service import PASSWORD, new_names, occupied

if TYPE_CHECKING:
    from tests.api.service import Reply, Service, Start

PUBLIC = "https://auth.example.com"
APP = "https://app.example.com"
OTHER = "https://evil.example"
NAME = "__Host-latchkey"
OWN = {"Sec-Fetch-Site": "same-origin", "Origin": PUBLIC}
LISTED = {"Sec-Fetch-Site": "same-site", "Origin": APP}
IN_COOKIE = {"X-Auth-Cookies": "1"}
LIFE = 30 * 24 * 3600


@pytest.fixture(scope="module")
def browsers(start: Start) -> Service:
    return start(AUTH_COOKIES="on", CORS_ORIGINS=f"{APP},http://localhost:3000", PUBLIC_URL=PUBLIC)


def cookies_of(reply: Reply) -> list[str]:
    return reply.headers.getlist("Set-Cookie")


def value_of(reply: Reply, name: str = NAME) -> str:
    (set_cookie,) = cookies_of(reply)
    return SimpleCookie(set_cookie)[name].value


def is_cleared(reply: Reply) -> bool:
    return [(value_of(reply), "Max-Age=0" in cookie) for cookie in cookies_of(reply)] == [("", True)]


def shared_by(reply: Reply) -> list[str]:
    return [name for name, _ in reply.headers.items() if name.startswith("Access-Control-")]


def registered(service: Service, headers: dict[str, str] | None = None) -> Reply:
    email, username = new_names()
    body = {"email": email, "username": username, "password": PASSWORD}
    return service.post("/auth/register", body, headers=headers)


def renewed(service: Service, cookie: str, headers: dict[str, str] | None = None, **more: Any) -> Reply:
    sent = {"Cookie": f"{NAME}={cookie}", **(OWN if headers is None else headers)}
    return service.post("/auth/refresh", headers=sent, **more)


def test_registration_login_and_refresh_set_a_cookie_that_only_this_host_gets(browsers: Service) -> None:
    reply = registered(browsers)
    data = reply.json["data"]
    replies = [
        reply,
        browsers.login(data["user"]["email"]),
        browsers.post("/auth/refresh", {"refresh_token": data["refresh_token"]}),
    ]
    for each in replies:
        assert value_of(each) == each.json["data"]["refresh_token"]
        (cookie,) = cookies_of(each)
        attributes = {each for each in cookie.split("; ")[1:] if not each.startswith("Expires=")}
        assert attributes == {"Secure", "HttpOnly", "Path=/", f"Max-Age={LIFE}", "SameSite=Strict"}
        assert each.headers["Cache-Control"] == "no-store"


def test_the_refresh_token_is_in_the_cookie_alone_if_the_client_says_so(browsers: Service) -> None:
    reply = registered(browsers, IN_COOKIE)
    assert "refresh_token" not in reply.json["data"]
    assert "refresh_token" in registered(browsers, {"X-Auth-Cookies": "0"}).json["data"]
    again = renewed(browsers, value_of(reply), OWN | IN_COOKIE)
    assert again.status_code == 200
    assert "refresh_token" not in again.json["data"]
    assert value_of(again) != value_of(reply)


@pytest.mark.parametrize(
    "headers",
    [
        OWN,
        LISTED,
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
        {"Origin": PUBLIC},
        {"Origin": APP, "Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://inside.example:8443", "Host": "inside.example:8443"},
    ],
)
def test_the_cookie_refreshes_for_pages_of_this_origin_and_of_the_listed_ones(
    browsers: Service, headers: dict[str, str]
) -> None:
    token = value_of(registered(browsers))
    reply = renewed(browsers, token, headers)
    assert reply.status_code == 200, reply.text
    assert value_of(reply) == reply.json["data"]["refresh_token"] != token


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": OTHER},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": f"{APP}."},
        {"Origin": f"{APP}:444"},
        {"Origin": "http://auth.example.com"},
        {"Origin": "https://auth.example.com.evil.example"},
        {"Origin": "http://localhost", "Host": "localhost", "Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Origin": PUBLIC},
        {"Sec-Fetch-Site": "same-origin", "Origin": OTHER},
    ],
)
def test_a_cookie_from_any_other_page_is_refused_and_spends_nothing(browsers: Service, headers: dict[str, str]) -> None:
    token = value_of(registered(browsers))
    reply = renewed(browsers, token, headers)
    assert (reply.status_code, reply.json["code"], cookies_of(reply)) == (403, "forbidden", [])
    browsers.clock.advance(31)  # past the time of grace
    assert renewed(browsers, token).status_code == 200


@pytest.mark.parametrize("headers", [OWN, LISTED, {"Origin": OTHER, "Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_a_form_of_any_page_can_send_does_not_refresh(
    browsers: Service, content_type: str, headers: dict[str, str]
) -> None:
    token = value_of(registered(browsers))
    reply = renewed(browsers, token, headers, body=b'{"a": "=b"}', content_type=content_type)
    assert (reply.status_code, cookies_of(reply)) == (415, [])
    browsers.clock.advance(31)  # past the time of grace
    assert renewed(browsers, token).status_code == 200


def test_no_get_or_head_changes_anything_even_with_the_cookie(browsers: Service) -> None:
    boss = browsers.administrator()
    headers = OWN | {"Cookie": f"{NAME}={boss.refresh_token}"}
    changing = set()
    for declared in (*ENDPOINTS, *PAGES, *PROTOCOLS):
        if declared.method != "GET":
            continue
        path = re.sub(r"<[^>]+>", boss.id, declared.path)
        for method in ("GET", "HEAD"):
            before = browsers.database.contents()
            reply = browsers.send(method, path, token=boss.token, headers=headers)
            if browsers.database.contents() != before:
                changing.add(path)
            assert cookies_of(reply) == []
    # The sample counts visits, and an export leaves an audit event. The cookie authenticates neither.
    assert changing == {"/api/count", "/auth/me/export"}


def test_a_refresh_token_in_the_body_or_as_bearer_overrides_the_cookie(browsers: Service) -> None:
    ann, bob = (registered(browsers) for _ in range(2))
    ours = ann.json["data"]
    for more in ({"json": {"refresh_token": ours["refresh_token"]}}, {"token": ours["refresh_token"]}):
        for headers in (OWN, {}, {"Origin": OTHER}):
            reply = renewed(browsers, value_of(bob), headers, **more)
            assert reply.json["data"]["user"]["id"] == ours["user"]["id"]


def test_two_tabs_that_refresh_at_once_get_the_same_cookie(browsers: Service) -> None:
    token = value_of(registered(browsers))
    replies = browsers.at_once(lambda _: renewed(browsers, token), many=2)
    assert [reply.status_code for reply in replies] == [200, 200]
    assert len({value_of(reply) for reply in replies}) == 1


def test_a_cookie_that_is_refused_is_not_cleared(browsers: Service) -> None:
    spent = value_of(registered(browsers))
    renewed(browsers, spent)
    browsers.clock.advance(31)
    reused = renewed(browsers, spent)
    assert (reused.json["code"], cookies_of(reused)) == ("reused_refresh_token", [])
    for odd in (spent, "x", "x" * 5000):
        ended = renewed(browsers, odd)
        assert (ended.status_code, ended.json["code"], cookies_of(ended)) == (401, "invalid_refresh_token", [])


@pytest.mark.parametrize("order", ["the refusal comes last", "the login comes last"])
def test_a_tab_that_is_refused_does_not_log_out_one_that_has_logged_in_again(browsers: Service, order: str) -> None:
    former = registered(browsers).json["data"]
    browsers.post("/auth/logout", {"scope": "all"}, token=former["access_token"])
    refused = renewed(browsers, former["refresh_token"])
    assert refused.status_code == 401
    replies = [browsers.login(former["user"]["email"]), refused]
    jar = former["refresh_token"]
    for reply in replies if order == "the refusal comes last" else reversed(replies):
        jar = value_of(reply) if cookies_of(reply) else jar
    assert renewed(browsers, jar).status_code == 200


def test_within_the_grace_the_older_of_two_replies_may_come_last(browsers: Service) -> None:
    first = value_of(registered(browsers))
    late = renewed(browsers, first)
    assert value_of(renewed(browsers, value_of(late))) != value_of(late)
    again = renewed(browsers, value_of(late))
    assert again.status_code == 200
    browsers.clock.advance(31)
    assert renewed(browsers, value_of(again)).status_code == 200


def test_two_different_cookies_under_one_name_are_refused(browsers: Service) -> None:
    token = value_of(registered(browsers))
    reply = browsers.post("/auth/refresh", headers=OWN | {"Cookie": f"{NAME}={token}; {NAME}=x"})
    assert (reply.status_code, reply.json["code"]) == (400, "invalid_request")
    assert browsers.post("/auth/refresh", headers=OWN | {"Cookie": f"latchkey={token}"}).status_code == 401


def test_logout_of_this_session_or_all_and_the_deletion_clear_the_cookie(browsers: Service) -> None:
    tokens = [registered(browsers).json["data"]["access_token"] for _ in range(4)]
    assert is_cleared(browsers.post("/auth/logout", token=tokens[0]))
    assert is_cleared(browsers.post("/auth/logout", {"scope": "all"}, token=tokens[1]))
    assert cookies_of(browsers.post("/auth/logout", {"scope": "others"}, token=tokens[2])) == []
    assert is_cleared(browsers.send("DELETE", "/auth/me", json={"password": PASSWORD}, token=tokens[3]))
    assert cookies_of(browsers.post("/auth/logout", token=tokens[0])) == []  # 401


def test_the_cookie_opens_nothing_but_the_refresh(browsers: Service) -> None:
    cookie = {"Cookie": f"{NAME}={value_of(registered(browsers))}", **OWN}
    for method, path in (
        ("GET", "/auth/me"),
        ("POST", "/auth/logout"),
        ("DELETE", "/auth/me"),
        ("GET", "/auth/verify"),
    ):
        assert browsers.send(method, path, headers=cookie).json["code"] == "missing_token"


@pytest.mark.parametrize(
    "headers", [{"Origin": OTHER}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}]
)
def test_a_page_of_another_origin_sets_no_cookie_by_logging_in(browsers: Service, headers: dict[str, str]) -> None:
    email = registered(browsers).json["data"]["user"]["email"]
    reply = browsers.login(email, headers=headers | IN_COOKIE)
    assert reply.status_code == 200
    assert cookies_of(reply) == []
    assert "refresh_token" in reply.json["data"]


def test_without_auth_cookies_none_is_set_taken_or_cleared(service: Service) -> None:
    reply = registered(service, IN_COOKIE | OWN)
    token, access = reply.json["data"]["refresh_token"], reply.json["data"]["access_token"]
    refused = service.post("/auth/refresh", headers=OWN | {"Cookie": f"{NAME}={token}; latchkey={token}"})
    assert (refused.status_code, refused.json["code"]) == (401, "invalid_refresh_token")
    left = service.post("/auth/logout", token=access)
    assert [cookies_of(each) for each in (reply, refused, left)] == [[], [], []]


def test_in_development_on_http_the_cookie_has_neither_prefix_nor_secure(start: Start) -> None:
    local = start(AUTH_COOKIES="on", PUBLIC_URL="http://localhost:5000")
    reply = registered(local)
    token = value_of(reply, "latchkey")
    assert "Secure" not in cookies_of(reply)[0]
    headers = {"Cookie": f"latchkey={token}", "Origin": "http://127.0.0.1:5001", "Host": "127.0.0.1:5001"}
    assert local.post("/auth/refresh", headers=headers).status_code == 200
    headers |= {"Origin": "http://127.0.0.1:5002"}
    assert local.post("/auth/refresh", headers=headers).status_code == 403


def test_hidden_and_unverified_registrations_set_no_cookie(start: Start) -> None:
    for quiet in (start(AUTH_COOKIES="on", HIDE_ACCOUNTS="on"), start(AUTH_COOKIES="on", REQUIRE_VERIFIED_EMAIL="on")):
        reply = registered(quiet)
        assert reply.status_code in {201, 202}
        assert cookies_of(reply) == []


def test_a_listed_origin_may_read_every_reply_with_credentials(browsers: Service) -> None:
    replies = [
        browsers.get("/api/ping", headers=LISTED),
        browsers.get("/auth/me", headers=LISTED),
        browsers.get("/nowhere", headers=LISTED),
        browsers.get("/auth/login", headers=LISTED),
        browsers.get("/errors/not_found", headers=LISTED),
        browsers.post("/auth/login", body=b"{", content_type="application/json", headers=LISTED),
        browsers.post("/auth/login", body=b"x" * 70_000, content_type="application/json", headers=LISTED),
    ]
    assert [reply.status_code for reply in replies] == [200, 401, 404, 405, 200, 400, 413]
    for reply in replies:
        assert reply.headers["Access-Control-Allow-Origin"] == APP
        assert reply.headers["Access-Control-Allow-Credentials"] == "true"
        exposed = set(reply.headers["Access-Control-Expose-Headers"].split(", "))
        assert exposed == {"RateLimit", "RateLimit-Policy", "Retry-After", "WWW-Authenticate", "X-Request-ID"}
        assert "Origin" in reply.vary


def test_a_listed_origin_may_read_that_it_has_to_wait_and_that_the_service_is_busy(start: Start) -> None:
    busy = start(CORS_ORIGINS=APP, RATE_LIMIT_LOGIN="2/hour", HASH_QUEUE="1", HASH_DEADLINE_SECONDS="1")
    with occupied(busy):
        replies = [busy.login("ann", headers=LISTED) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [503, 503, 429]
    for reply in replies:
        assert reply.headers["Access-Control-Allow-Origin"] == APP
        assert "Retry-After" in reply.headers["Access-Control-Expose-Headers"]
        assert "Retry-After" in reply.headers


@pytest.mark.parametrize(
    "origin", [OTHER, "null", "", f"{APP}/", APP.upper(), f"{APP}:443", f"{APP}.evil.example", "*", None]
)
def test_no_other_origin_is_ever_reflected_and_caches_keep_them_apart(browsers: Service, origin: str | None) -> None:
    headers = {} if origin is None else {"Origin": origin}
    for method, more in (("GET", {}), ("OPTIONS", {"Access-Control-Request-Method": "GET"})):
        reply = browsers.send(method, "/auth/me", headers=headers | more)
        assert shared_by(reply) == []
        assert "Origin" in reply.vary


@pytest.mark.parametrize("path", ["/auth/login", "/auth/me", "/nowhere"])
def test_a_preflight_is_answered_on_every_path_and_cached_for_ten_minutes(browsers: Service, path: str) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-auth-cookies"}
    reply = browsers.send("OPTIONS", path, headers=LISTED | asks)
    assert (reply.status_code, reply.data) == (204, b"")
    assert reply.headers["Access-Control-Allow-Origin"] == APP
    assert reply.headers["Access-Control-Max-Age"] == "600"
    assert {"GET", "POST", "PATCH", "PUT", "DELETE"} <= set(reply.headers["Access-Control-Allow-Methods"].split(", "))
    allowed = set(reply.headers["Access-Control-Allow-Headers"].lower().split(", "))
    assert allowed == {"authorization", "content-type", "dpop", "x-access-token", "x-auth-cookies", "x-device-token"}


@pytest.mark.parametrize("path", ["/openapi.json", "/.well-known/jwks.json"])
def test_public_documents_are_the_same_for_every_origin(browsers: Service, service: Service, path: str) -> None:
    for each in (browsers, service):
        replies = [each.get(path, headers=headers) for headers in ({}, LISTED, {"Origin": OTHER})]
        assert [reply.headers["Access-Control-Allow-Origin"] for reply in replies] == ["*", "*", "*"]
        assert ["Access-Control-Allow-Credentials" in reply.headers for reply in replies] == [False] * 3
        assert ["Origin" in reply.vary for reply in replies] == [False] * 3


def test_without_cors_origins_no_reply_says_anything_about_origins(service: Service) -> None:
    for method, path in (("GET", "/auth/me"), ("OPTIONS", "/auth/login"), ("GET", "/nowhere"), ("GET", "/api/ping")):
        reply = service.send(method, path, headers=LISTED | {"Access-Control-Request-Method": "POST"})
        assert shared_by(reply) == []
        assert "Origin" not in reply.vary


def test_a_foreign_host_is_refused_in_a_preflight_too(start: Start) -> None:
    strict = start(CORS_ORIGINS=APP, ALLOWED_HOSTS="auth.example.com")
    asks = LISTED | {"Access-Control-Request-Method": "POST", "Host": "evil.example"}
    assert strict.send("OPTIONS", "/auth/login", headers=asks).json["code"] == "invalid_host"


def test_the_document_names_the_cookie_only_where_it_is_set_or_taken(service: Service) -> None:
    document = service.get("/openapi.json").json
    assert document["components"]["securitySchemes"]["cookieAuth"]["name"] == NAME
    operations = {
        operation["operationId"]: operation for methods in document["paths"].values() for operation in methods.values()
    }
    taking = {name for name, each in operations.items() if {"cookieAuth": []} in each["security"]}
    setting = {
        name
        for name, each in operations.items()
        if any("Set-Cookie" in response.get("headers", {}) for response in each["responses"].values())
    }
    assert taking == {"refresh"}
    logins = {"register", "login", "continueLogin", "loginWithCode", "logInWithPasskey", "answerInvitation"}
    with_a_cookie_of_its_own = "startAtProvider"
    assert setting == {*logins, "finishAtProvider", "refresh", "logout", "deleteMe", with_a_cookie_of_its_own}


def test_access_tokens_live_up_to_a_twentieth_less_so_that_clients_do_not_refresh_in_step(service: Service) -> None:
    account = service.register()
    lives = {service.login(account.email).json["data"]["expires_in"] for _ in range(30)}
    assert 855 <= min(lives) <= max(lives) <= 900
    assert len(lives) > 1
