"""Registrations and logins: everything wrong with one is reported at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from app.accounts.fields import InputRules
from app.accounts.inputs import Register
from app.sessions.inputs import Login
from tests.api.service import PASSWORD

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.lists(st.text(max_size=5), max_size=2)


def wrong(model: type[BaseModel], body: Any, **rules: Any) -> dict[str, str]:
    """The code of each wrong field; nothing when the body passes."""
    try:
        model.model_validate(body, context=InputRules(**rules))
    except ValidationError as error:
        return {".".join(map(str, detail["loc"])): detail["type"] for detail in error.errors(include_url=False)}
    return {}


@pytest.mark.parametrize(
    ("requires", "names", "missing"),
    [
        ("either", {"email"}, set()),
        ("either", {"username"}, set()),
        ("either", {"email", "username"}, set()),
        ("either", set(), {"username"}),
        ("email", {"email"}, set()),
        ("email", {"username"}, {"email"}),
        ("email", set(), {"email"}),
        ("username", {"username"}, set()),
        ("username", {"email"}, {"username"}),
        ("username", set(), {"username"}),
        ("both", {"email", "username"}, set()),
        ("both", {"email"}, {"username"}),
        ("both", {"username"}, {"email"}),
        ("both", set(), {"email", "username"}),
    ],
)
def test_a_registration_needs_the_names_that_the_setting_requires(
    requires: str, names: set[str], missing: set[str]
) -> None:
    given_names = {name: {"email": "ann@example.com", "username": "ann"}[name] for name in names}
    nulls = {"email": None, "username": None}
    for body in ({"password": PASSWORD} | given_names, {"password": PASSWORD} | nulls | given_names):
        assert wrong(Register, body, registration_requires=requires) == dict.fromkeys(missing, "required")


def test_all_wrong_fields_of_a_registration_are_reported_at_once() -> None:
    body = {"email": "no address", "username": "a", "name": "\n", "password": "short", "role": "admin", "_id": 1}

    assert wrong(Register, body) == {
        "email": "invalid_email",
        "username": "too_short",
        "name": "too_short",
        "password": "too_short",
        "role": "extra_forbidden",
        "_id": "extra_forbidden",
    }


def test_an_address_that_is_wrong_is_not_also_missing() -> None:
    assert wrong(Register, {"email": "no address", "password": PASSWORD}) == {"email": "invalid_email"}


@pytest.mark.parametrize(
    "password", ["ann.example@example.com", "ANN.EXAMPLE@example.com", "the-user-name", "Ann Example"]
)
def test_a_password_that_is_one_of_the_users_names_is_refused(password: str) -> None:
    body = {
        "email": "ann.example@example.com",
        "username": "The-User-Name",
        "name": "Ann Example",
        "password": password,
    }

    assert wrong(Register, body) == {"password": "too_easy"}


@pytest.mark.parametrize(
    "field", ["roles", "role", "email_verified", "id", "_id", "status", "permissions", "created_at", "auth_epoch"]
)
def test_a_registration_cannot_set_protected_fields(field: str) -> None:
    assert wrong(Register, {"username": "ann", "password": PASSWORD, field: "admin"}) == {field: "extra_forbidden"}


@pytest.mark.parametrize(
    ("names", "code"),
    [
        ({"email": "a@b.example"}, None),
        ({"username": "ann"}, None),
        ({"login": "ann"}, None),
        ({"login": "ann", "email": None, "username": None}, None),
        ({}, "required"),
        ({"login": None}, "required"),
        ({"email": "a@b.example", "username": "ann"}, "ambiguous"),
        ({"email": "a@b.example", "login": "ann"}, "ambiguous"),
        ({"username": "ann", "login": "ann"}, "ambiguous"),
        ({"email": "a@b.example", "username": "ann", "login": "ann"}, "ambiguous"),
    ],
)
def test_a_login_names_exactly_one_account(names: dict[str, str], code: str | None) -> None:
    assert wrong(Login, {"password": "x"} | names) == ({"login": code} if code else {})


def test_a_wrong_name_counts_as_given() -> None:
    assert wrong(Login, {"email": "", "password": "x"}) == {"email": "string_too_short"}
    assert wrong(Login, {"email": "", "username": "ann", "password": "x"}) == {
        "email": "string_too_short",
        "login": "ambiguous",
    }


@pytest.mark.parametrize("model", [Login, Register])
@pytest.mark.parametrize("field", ["email", "username", "password"])
@pytest.mark.parametrize("value", [{"$gt": ""}, {"$ne": None}, ["ann"], 1, True])
def test_no_operator_gets_through_where_a_text_is_expected(model: type[BaseModel], field: str, value: object) -> None:
    body = {"email": "ann@example.com", "password": PASSWORD} | {field: value}

    assert wrong(model, body)[field] == "string_type"


@pytest.mark.parametrize("model", [Login, Register])
@pytest.mark.parametrize("body", [None, [], "x", 1, True, [["email", "x"]]], ids=repr)
def test_a_body_must_be_an_object(model: type[BaseModel], body: object) -> None:
    assert set(wrong(model, body)) == {""}


@given(st.dictionaries(st.sampled_from(["email", "username", "login", "name", "password", "x"]), VALUES))
def test_an_accepted_login_names_one_account_with_texts_and_nothing_else(body: dict[str, Any]) -> None:
    names = [name for name in ("email", "username", "login") if body.get(name) is not None]
    unknown = body.keys() - {"email", "username", "login", "password"}
    texts = [body.get(name) for name in (*names, "password")]
    passes = len(names) == 1 and not unknown and all(isinstance(text, str) and text for text in texts)

    assert (wrong(Login, body) == {}) == passes
    assert wrong(Register, body)  # no value here is a password that is long enough


def test_a_password_is_shown_neither_by_a_body_nor_by_its_errors() -> None:
    planted = "planted-secret-0123456789"
    for model, body in (
        (Register, {"username": "ann", "password": planted}),
        (Login, {"username": "ann", "password": planted}),
    ):
        assert planted not in repr(model.model_validate(body))
        with pytest.raises(ValidationError) as refused:
            model.model_validate(body | {"username": planted * 20, "password": [planted]})
        assert planted not in str(refused.value)


def test_without_rules_the_defaults_apply() -> None:
    with pytest.raises(ValidationError):
        Register.model_validate({"username": "ann", "password": "a-b-c-d-e"})
    assert Register.model_validate({"username": "ann", "password": "a-b-c-d-e-"}).username == "ann"
