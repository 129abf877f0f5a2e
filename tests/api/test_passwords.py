"""Passwords are used exactly as received, and refused only if they are short, common or the user's own name."""

from typing import Any

import pytest

from tests.api.service import Service, Start, new_names


def attempt(service: Service, password: str, **names: str) -> str:
    """Register with a password: "accepted", or the code of what is wrong with it."""
    body: dict[str, Any] = {"email": new_names()[0], "password": password} | names
    response = service.post("/auth/register", body)
    if response.status_code == 201:
        return "accepted"
    assert response.status_code == 422
    ((field, code),) = [(error["field"], error["code"]) for error in response.json["errors"]]
    assert field == "password"
    return str(code)


@pytest.mark.parametrize(
    "password",
    [
        "😀" * 64,
        "pässwörd für dich",
        "a passphrase with spaces",
        "only lower case letters",
        "2718281828459045235",
        "   inside and around   ",
        "\u00e9\u0065\u0301 both forms of é",
        "NUL\u0000in the middle",
        "\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000\u0000",
        "tab\tand\nnewline",
        "p" * 71 + "🙂",
        "q" * 999 + "!",
        "w" * 72 + "x",
        "\u202eright to left",
        '"; DROP TABLE users; --',
        "<script>alert(1)</script>",
        "$2b$04$abcdefghijklmnopqrstuuKQvLXWQ0mJkzq3hJ5h1yq0Qp0n5b1bK",
    ],
)
def test_any_composition_registers_and_logs_in(service: Service, password: str) -> None:
    account = service.register(password)
    assert service.login(account.email, password).status_code == 200
    for other in (password + " ", " " + password, password[:-1], password + "\u0000", password.swapcase() + "x"):
        if 1 <= len(other) <= 1000:
            assert service.login(service.register().email, other).status_code == 401


def test_of_a_hundred_bytes_each_counts(service: Service) -> None:
    password = "".join(chr(ord("a") + number % 26) for number in range(99)) + "Z"
    assert len(password.encode()) == 100
    account = service.register(password)
    for other in (
        password[:-1] + "Y",
        password[:-1] + "z",
        password + " ",
        " " + password,
        password[:-1],
        password[:72],
        password.upper(),
        password + "\u0000",
    ):
        assert service.login(account.email, other).status_code == 401
    assert service.login(account.email, password).status_code == 200


@pytest.mark.parametrize("length", [71, 72, 73, 74, 128, 1000])
def test_the_last_character_counts_at_every_length(service: Service, length: int) -> None:
    password = ("correct horse battery " * 50)[: length - 1] + "x"
    account = service.register(password)
    assert service.login(account.email, password[:-1] + "y").status_code == 401
    assert service.login(account.email, password).status_code == 200


def test_nothing_is_normalised(service: Service) -> None:
    account = service.register("caf\u00e9 and more caf\u00e9")
    assert service.login(account.email, "cafe\u0301 and more cafe\u0301").status_code == 401
    full_width = service.register("full width letters")
    assert service.login(full_width.email, "ｆｕｌｌ width letters").status_code == 401  # noqa: RUF001 - the subject


def test_a_nul_is_a_character_like_any_other(service: Service) -> None:
    account = service.register("before nul\u0000behind")
    for other in ("before nul", "before nul\u0000", "before nul\u0000behinx", "before nulbehind"):
        assert service.login(account.email, other).status_code == 401


def test_ten_characters_are_enough_and_nine_are_not(service: Service) -> None:
    assert attempt(service, "zq7-kw2-x9") == "accepted"
    assert attempt(service, "zq7-kw2-x") == "too_short"
    assert attempt(service, "😀" * 10) == "accepted"
    assert attempt(service, "😀" * 9) == "too_short"


def test_a_thousand_characters_are_the_most(service: Service) -> None:
    assert attempt(service, "😀" * 1000) == "accepted"
    assert attempt(service, "😀" * 1001) == "too_long"


def test_the_least_length_is_a_setting(service: Service, start: Start) -> None:
    strict, lax = start(on=service, PASSWORD_MIN_LENGTH="15"), start(on=service, PASSWORD_MIN_LENGTH="8")
    assert attempt(strict, "zq7-kw2-x9-4bt") == "too_short"
    assert attempt(strict, "zq7-kw2-x9-4bt1") == "accepted"
    assert attempt(lax, "zq7-kw2") == "too_short"
    assert attempt(lax, "zq7-kw2-") == "accepted"


def test_a_password_from_before_the_minimum_length_rose_still_logs_in(service: Service, start: Start) -> None:
    account = service.register("zq7-kw2-x9")
    strict = start(on=service, PASSWORD_MIN_LENGTH="15")
    assert strict.login(account.email, "zq7-kw2-x9").status_code == 200


@pytest.mark.parametrize(
    "password", ["1234567890", "qwertyuiop", "QwertyUiop", "password123", "PASSWORD123", "iloveyou123"]
)
def test_common_passwords_are_refused_in_any_case(service: Service, password: str) -> None:
    assert attempt(service, password) == "too_common"


@pytest.mark.parametrize("password", ["latchkey123", "Latchkey2026!"])
def test_the_name_of_the_product_is_refused(service: Service, password: str) -> None:
    assert attempt(service, password) == "too_common"


def test_ones_own_names_are_refused_in_any_case(service: Service) -> None:
    names = {"email": "charlotte.x7@example.com", "username": "Charlotte_x7_b", "name": "Charlotte von X7"}
    for password in (
        names["email"],
        names["email"].upper(),
        "charlotte.x7",
        names["username"],
        names["username"].lower(),
        names["name"],
        names["name"].upper(),
    ):
        assert attempt(service, password, **names) == "too_easy"
    assert attempt(service, names["username"] + "!", **names) == "too_easy"
    assert attempt(service, names["username"] + " in the attic", **names) == "accepted"
