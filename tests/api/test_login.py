"""Opening a session: POST /auth/login."""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest

from app.platform.identifiers import email_key
from app.security.hash_pool import HashPool
from tests.api.service import PASSWORD, Reply, Service, Start, new_names, occupied
from tests.servers.process import wait_until

WRONG = "a wrong battery staple"


def fields_of(response: Reply) -> dict[str, str]:
    assert (response.status_code, response.json["code"]) == (422, "validation_failed")
    return {error["field"]: error["code"] for error in response.json["errors"]}


def test_a_login_gives_the_tokens_of_a_session_and_its_user(service: Service) -> None:
    account = service.register()
    response = service.login(account.email)
    assert response.status_code == 200
    assert response.json.keys() == {"status", "data"}
    data = response.json["data"]
    assert data["token"] == data["access_token"]
    assert data["token_type"] == "Bearer"
    assert 855 <= data["expires_in"] <= 900
    assert data["refresh_expires_in"] == 30 * 24 * 60 * 60
    assert data["user"]["id"] == account.id


def test_the_lives_of_the_tokens_are_settings(service: Service, start: Start) -> None:
    account = service.register()
    brief = start(on=service, ACCESS_TOKEN_SECONDS="60", REFRESH_IDLE_SECONDS="600", REFRESH_ABSOLUTE_SECONDS="600")
    data = brief.login(account.email).json["data"]
    assert data["expires_in"] in range(57, 61)  # up to 5 % less, so that clients do not refresh together
    assert data["refresh_expires_in"] == 600
    claims = jwt.decode(data["access_token"], options={"verify_signature": False})
    assert claims["exp"] - claims["iat"] == data["expires_in"]


@pytest.mark.parametrize("form", ["{}", "  {} ", "\t{}\n"])
@pytest.mark.parametrize("change", [str.upper, str.title])
def test_case_and_white_space_around_a_name_do_not_matter(service: Service, form: str, change: Any) -> None:
    account = service.register()
    for field, name in (("email", account.email), ("username", account.username)):
        for sent in (field, "login"):
            response = service.post("/auth/login", {sent: form.format(change(name)), "password": PASSWORD})
            assert response.status_code == 200, (sent, response.text)


def test_a_name_logs_in_only_as_what_it_is(service: Service) -> None:
    account = service.register()
    for body in ({"email": account.username}, {"username": account.email}):
        assert service.post("/auth/login", body | {"password": PASSWORD}).status_code == 401


@pytest.mark.parametrize(
    "names",
    [
        {},
        {"email": None},
        {"email": "a@example.com", "username": "ann"},
        {"email": "a@example.com", "login": "a@example.com"},
        {"username": "ann", "login": "ann"},
        {"email": "a@example.com", "username": "ann", "login": "ann"},
    ],
)
def test_exactly_one_name_has_to_be_given(service: Service, names: dict[str, str | None]) -> None:
    response = service.post("/auth/login", names | {"password": PASSWORD})
    assert fields_of(response).keys() == {"login"}


def test_an_unknown_account_and_a_wrong_password_get_the_same_answer(service: Service) -> None:
    account = service.register()
    unknown, wrong = service.login(new_names()[0]), service.login(account.email, WRONG)
    for response in (unknown, wrong):
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"
    own = {"X-Request-ID", "RateLimit"}  # what is left is one less with each request
    assert [item for item in unknown.headers if item[0] not in own] == [
        item for item in wrong.headers if item[0] not in own
    ]
    assert unknown.json | {"request_id": ""} == wrong.json | {"request_id": ""}
    assert unknown.json["code"] == "invalid_credentials"


def test_an_unknown_account_costs_the_hash_that_a_wrong_password_costs(service: Service, start: Start) -> None:
    account = service.register()
    fresh = start(on=service)  # its threads have not begun, so that they can be watched
    hashed: list[str] = []

    def watch(_frame: object, event: str, function: Any) -> None:
        if event == "c_call" and function.__name__ == "checkpw":
            hashed.append(threading.current_thread().name)

    threading.setprofile(watch)
    try:
        counts = []
        for name in (
            account.email,
            new_names()[0],
            account.username,
            new_names()[1],
            "no such name!",
            "not@an address",
        ):
            assert fresh.login(name, WRONG).status_code == 401
            counts.append(len(hashed))
    finally:
        threading.setprofile(None)
    assert counts == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("field", "name"),
    [
        ("username", "no such name!"),
        ("username", "x"),
        ("username", "ann\u0000"),
        ("username", "änn"),
        ("username", "a" * 254),
        ("email", "not an address"),
        ("email", "ann@example.com\u0000"),
        ("email", "a" * 254),
        ("login", "@"),
        ("login", " "),
        ("login", "😀@😀"),
        ("login", "\u202eann"),
    ],
)
def test_a_name_that_no_account_can_have_is_an_unknown_one(service: Service, field: str, name: str) -> None:
    response = service.post("/auth/login", {field: name, "password": PASSWORD})
    assert (response.status_code, response.json["code"]) == (401, "invalid_credentials")


@pytest.mark.parametrize("password", ["x", "p" * 1000, "\u0000", "😀" * 1000])
def test_a_password_that_no_account_can_have_is_a_wrong_one(service: Service, password: str) -> None:
    response = service.login(service.register().email, password)
    assert (response.status_code, response.json["code"]) == (401, "invalid_credentials")


def test_a_login_checks_only_the_length_of_names_and_passwords(service: Service) -> None:
    assert fields_of(service.login("a" * 255)) == {"login": "too_long"}
    assert fields_of(service.login("")) == {"login": "too_short"}
    assert fields_of(service.login("ann", "")) == {"password": "too_short"}
    assert fields_of(service.login("ann", "p" * 1001)) == {"password": "too_long"}
    assert fields_of(service.post("/auth/login", {"login": "ann"})) == {"password": "required"}
    assert fields_of(service.post("/auth/login", {"email": 5, "password": [], "x": 1})).keys() >= {
        "email",
        "password",
        "x",
    }


def test_only_the_right_password_reveals_that_a_user_is_disabled(service: Service) -> None:
    account = service.register()
    service.database.change_user(account.id, status="disabled")
    right, wrong = service.login(account.email), service.login(account.email, WRONG)
    assert (right.status_code, right.json["code"]) == (403, "account_disabled")
    assert (wrong.status_code, wrong.json["code"]) == (401, "invalid_credentials")


def test_each_login_opens_a_session_of_its_own(service: Service) -> None:
    account = service.register()
    logins = [service.login(account.email).json["data"] for _ in range(3)]
    claims = [jwt.decode(login["token"], options={"verify_signature": False}) for login in logins]
    for claim in ("sid", "jti"):
        assert len({one[claim] for one in claims}) == 3
    assert len({login["refresh_token"] for login in logins}) == 3
    for login in logins:
        assert service.get("/auth/me", token=login["token"]).status_code == 200


def test_a_login_is_recorded_as_the_last_one(service: Service) -> None:
    account = service.register()
    service.clock.advance(3600)
    data = service.login(account.email).json["data"]
    me = service.get("/auth/me", token=data["token"]).json["data"]["user"]
    assert me["last_login_at"] == data["user"]["last_login_at"] > me["created_at"]


def test_a_refresh_token_is_opaque_and_long(service: Service) -> None:
    token = service.register().data["refresh_token"]
    assert "." not in token
    assert len(token) >= 43  # 32 bytes in base64url


def test_no_usable_credential_is_stored(service: Service) -> None:
    account = service.register(password="a rather unusual pass phrase")
    contents = service.database.contents()
    assert account.id.encode() in contents
    for secret in (account.password, account.token, account.data["refresh_token"], account.token.split(".")[2]):
        assert secret.encode() not in contents


def test_a_hash_is_upgraded_at_the_login_after_the_cost_rose(service: Service, start: Start) -> None:
    account = service.register()
    key = email_key(account.email)
    assert key is not None

    def cost() -> str:
        credentials = service.store.users.credentials_by_email(key)
        assert credentials is not None
        assert credentials.password_hash is not None
        return credentials.password_hash[:7]

    dearer = start(on=service, BCRYPT_COST="5")
    assert cost() == "$2b$04$"
    assert dearer.login(account.email, WRONG).status_code == 401
    assert cost() == "$2b$04$"
    assert dearer.login(account.email).status_code == 200
    assert cost() == "$2b$05$"
    assert service.login(account.email).status_code == 200
    assert cost() == "$2b$05$"


def test_a_full_hashing_queue_answers_at_once_and_holds_nobody_else_up(service: Service, start: Start) -> None:
    small = start(on=service, HASH_THREADS="1", HASH_QUEUE="1", HASH_DEADLINE_SECONDS="600")
    account = service.register()
    with ThreadPoolExecutor(1) as pool, occupied(small):
        waiting = pool.submit(small.login, account.email)
        wait_until(lambda: small.wired.get(HashPool).waiting == 1, 60)
        refused = small.login(account.email)
        assert (refused.status_code, refused.json["code"]) == (503, "overloaded")
        registration = small.post("/auth/register", {"email": new_names()[0], "password": PASSWORD})
        assert registration.json["code"] == "overloaded"
        assert small.get("/auth/me", token=account.token).status_code == 200
        assert not waiting.done()
    assert waiting.result().status_code == 200
