"""Making an account: POST /auth/register."""

import re
from typing import Any

import pytest

from tests.api.service import PASSWORD, Service, Start, new_names

INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
USER = {
    "id", "email", "email_verified", "username", "name", "roles", "permissions", "created_at", "last_login_at",
}  # fmt: skip
TOKENS = {
    "access_token", "token", "token_type", "expires_in", "refresh_token", "refresh_expires_in", "device_token", "user",
}  # fmt: skip


def refused(service: Service, **body: Any) -> dict[str, str]:
    """The wrong fields of a registration, each with its code."""
    response = service.post("/auth/register", {"password": PASSWORD} | body)
    assert (response.status_code, response.json["code"]) == (422, "validation_failed")
    return {error["field"]: error["code"] for error in response.json["errors"]}


def accepted(service: Service, **body: Any) -> dict[str, Any]:
    """The user that a registration makes."""
    response = service.post("/auth/register", {"password": PASSWORD} | body)
    assert response.status_code == 201, response.text
    user: dict[str, Any] = response.json["data"]["user"]
    return user


def taken(service: Service, **body: Any) -> str:
    """The code of a registration whose name an account has."""
    response = service.post("/auth/register", {"password": PASSWORD} | body)
    assert response.status_code == 409
    return str(response.json["code"])


def test_a_registration_gives_the_user_and_the_tokens_of_a_first_session(service: Service) -> None:
    email, username = new_names()
    body = {"email": email, "username": username, "name": "Ann Example", "password": PASSWORD}
    response = service.post("/auth/register", body)
    assert response.status_code == 201
    assert response.json.keys() == {"status", "message", "data"}
    assert response.json["status"] == "success"
    assert response.json["message"] == "User registered successfully"
    data = response.json["data"]
    assert data.keys() == TOKENS
    user = data["user"]
    assert user.keys() == USER
    assert user | {"id": "", "created_at": "", "last_login_at": ""} == {
        "id": "",
        "email": email,
        "email_verified": False,
        "username": username,
        "name": "Ann Example",
        "roles": ["member"],
        "permissions": [],
        "created_at": "",
        "last_login_at": "",
    }
    assert INSTANT.fullmatch(user["created_at"])
    assert user["last_login_at"] == user["created_at"]
    assert service.get("/auth/me", token=data["access_token"]).json["data"]["user"] == user


@pytest.mark.parametrize("names", [("email",), ("username",), ("email", "username")])
def test_each_way_to_name_an_account_registers_and_logs_in(service: Service, names: tuple[str, ...]) -> None:
    email, username = new_names()
    given = {name: value for name, value in {"email": email, "username": username}.items() if name in names}
    user = accepted(service, **given)
    assert {name: user[name] for name in ("email", "username")} == {"email": None, "username": None} | given
    for name, value in given.items():
        for field in (name, "login"):
            response = service.post("/auth/login", {field: value, "password": PASSWORD})
            assert response.json["data"]["user"]["id"] == user["id"]


def test_a_name_that_is_null_is_the_same_as_none(service: Service) -> None:
    email, _ = new_names()
    assert accepted(service, email=email, username=None, name=None)["username"] is None


def test_a_registration_needs_an_email_or_a_username(service: Service) -> None:
    assert refused(service) == {"username": "required"}
    assert refused(service, email=None, username=None) == {"username": "required"}


def test_a_registration_needs_a_password(service: Service) -> None:
    response = service.post("/auth/register", {"email": new_names()[0]})
    assert [(e["field"], e["code"]) for e in response.json["errors"]] == [("password", "required")]


@pytest.mark.parametrize(
    ("requires", "given", "missing"),
    [
        ("email", "username", "email"),
        ("username", "email", "username"),
        ("both", "email", "username"),
        ("both", "username", "email"),
    ],
)
def test_the_setting_decides_which_names_are_required(
    service: Service, start: Start, requires: str, given: str, missing: str
) -> None:
    strict = start(on=service, REGISTRATION_REQUIRES=requires)
    names = dict(zip(("email", "username"), new_names(), strict=True))
    assert refused(strict, **{given: names[given]}) == {missing: "required"}
    assert accepted(strict, **names)["roles"] == ["member"]


def test_new_users_get_the_roles_of_the_setting(service: Service, start: Start) -> None:
    generous = start(on=service, DEFAULT_ROLES="member,admin")
    assert accepted(generous, email=new_names()[0])["roles"] == ["member", "admin"]


def test_an_email_is_unique_whatever_its_case_and_kept_as_it_was_written(service: Service) -> None:
    email, _ = new_names()
    written = email.replace("user", "User")
    assert accepted(service, email=f"  {written}\t")["email"] == written
    for other in (email, email.upper(), f" {email} "):
        assert taken(service, email=other) == "email_taken"


def test_an_international_domain_is_the_same_in_both_its_forms(service: Service) -> None:
    accepted(service, email="ann@bücher.example.com")
    for other in ("ann@xn--bcher-kva.example.com", "Ann@BÜCHER.example.com"):
        assert taken(service, email=other) == "email_taken"
    assert service.login("ann@xn--bcher-kva.example.com").status_code == 200


def test_a_username_is_unique_whatever_its_case_and_kept_as_it_was_written(service: Service) -> None:
    _, username = new_names()
    assert accepted(service, username=f" {username.title()} ")["username"] == username.title()
    for other in (username, username.upper(), f"{username} "):
        assert taken(service, username=other) == "username_taken"


@pytest.mark.parametrize("username", ["admin", "ROOT", "System", "support"])
def test_reserved_usernames_are_taken(service: Service, username: str) -> None:
    assert taken(service, username=username) == "username_taken"


@pytest.mark.parametrize(
    ("username", "code"),
    [
        ("ab", "too_short"),
        (" ab ", "too_short"),
        ("", "too_short"),
        ("a" * 33, "too_long"),
        ("an n", "invalid_username"),
        ("änn", "invalid_username"),
        ("ann@example", "invalid_username"),
        ("ann\u0000", "invalid_username"),
        ("ann/../x", "invalid_username"),
        ("ａｎｎ", "invalid_username"),  # noqa: RUF001 - full-width letters are what is tested
        ("\u212aann", "invalid_username"),  # the Kelvin sign, whose lower case is k
    ],
)
def test_a_username_has_3_to_32_of_a_few_characters(service: Service, username: str, code: str) -> None:
    assert refused(service, username=username) == {"username": code}


@pytest.mark.parametrize("username", ["a_b", "A.b-c_9", "z" * 32, "---", "007"])
def test_letters_digits_and_three_signs_make_a_username(service: Service, username: str) -> None:
    assert accepted(service, username=username)["username"] == username


@pytest.mark.parametrize(
    "email",
    [
        "", " ", "ann", "@example.com", "ann@", "ann@example", "ann@@example.com", "an n@example.com",
        "änn@example.com",
        "ann@example.com\u0000", "ann@exam\nple.com", "Ann <ann@example.com>", "ann@example.com, bob@example.com",
        "ann@-example.com", "ann@[127.0.0.1]", ".ann@example.com", "ann\u202e@example.com",
    ],
)  # fmt: skip
def test_anything_but_an_email_address_is_refused(service: Service, email: str) -> None:
    assert refused(service, email=email) == {"email": "invalid_email"}


def test_an_overlong_email_is_refused(service: Service) -> None:
    assert refused(service, email="a" * 300 + "@example.com") == {"email": "too_long"}


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("x", "x"),
        ("  Ann  Example ", "Ann  Example"),
        ("👩‍💻" * 33, "👩‍💻" * 33),
        ("名" * 100, "名" * 100),
        ("O'Neil <b>", "O'Neil <b>"),
    ],
)
def test_a_name_has_1_to_100_characters_and_is_trimmed(service: Service, name: str, kept: str) -> None:
    assert accepted(service, email=new_names()[0], name=name)["name"] == kept


@pytest.mark.parametrize(
    ("name", "code"),
    [("", "too_short"), ("   ", "too_short"), ("x" * 101, "too_long"), ("a\u0000b", "invalid_name"),
     ("a\nb", "invalid_name"), ("a\u001b[31m", "invalid_name"), ("a\u0085b", "invalid_name"),
     ("a\u007fb", "invalid_name")],
)  # fmt: skip
def test_a_name_that_is_empty_too_long_or_holds_control_characters_is_refused(
    service: Service, name: str, code: str
) -> None:
    assert refused(service, email=new_names()[0], name=name) == {"name": code}


@pytest.mark.parametrize(
    "field",
    ["role", "roles", "permissions", "email_verified", "_id", "id", "status", "is_admin", "password_hash", "auth_epoch",
     "created_at", "__proto__", "Email"],
)  # fmt: skip
def test_a_field_that_nobody_may_set_is_refused_by_name_and_makes_no_account(service: Service, field: str) -> None:
    email, _ = new_names()
    assert refused(service, email=email, **{field: "admin"}) == {field: "unknown_field"}
    assert service.login(email).status_code == 401


def test_all_wrong_fields_are_reported_at_once(service: Service) -> None:
    body = {"email": "nobody", "username": "x", "name": "\u0007x", "password": "short", "role": "admin", "x": 1}
    assert refused(service, **body) == {
        "email": "invalid_email",
        "username": "too_short",
        "name": "invalid_name",
        "password": "too_short",
        "role": "unknown_field",
        "x": "unknown_field",
    }


def test_no_reply_holds_a_hash_or_an_internal_field(service: Service) -> None:
    account = service.register()
    replies = [
        service.login(account.email).text,
        service.get("/auth/me", token=account.token).text,
        service.get("/auth/users", token=service.administrator().token).text,
    ]
    for reply in replies:
        for never in ("$2b$", "hash", "epoch", '_key"', "seed", '_id"', PASSWORD, 'status":"active'):
            assert never not in reply
