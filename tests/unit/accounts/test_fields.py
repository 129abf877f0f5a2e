"""Each rule for a value of a field holds for any text."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError, create_model

from app.accounts.fields import (
    LONGEST_PASSWORD,
    Email,
    InputRules,
    LoginNameText,
    Name,
    NewPassword,
    SubmittedPassword,
    Username,
    refuse_own_words,
)
from app.platform.identifiers import email_key, username_key
from app.web.input import Body

TEXTS = st.text(st.characters(codec="utf-8"), max_size=300)
EMAIL = create_model("Email", __base__=Body, value=(Email, ...))
USERNAME = create_model("Username", __base__=Body, value=(Username, ...))
NAME = create_model("Name", __base__=Body, value=(Name, ...))
NEW_PASSWORD = create_model("NewPassword", __base__=Body, value=(NewPassword, ...))
SUBMITTED_PASSWORD = create_model("SubmittedPassword", __base__=Body, value=(SubmittedPassword, ...))
LOGIN_NAME = create_model("LoginName", __base__=Body, value=(LoginNameText, ...))


def checked(body: type[BaseModel], value: object, rules: InputRules | None = None) -> tuple[str | None, str | None]:
    """The value of the only field of a body, or the code of its error."""
    try:
        return body.model_validate({"value": value}, context=rules).model_dump()["value"], None
    except ValidationError as error:
        (detail,) = error.errors(include_url=False)
        return None, detail["type"]


@given(TEXTS)
def test_an_accepted_address_has_a_key(text: str) -> None:
    kept, code = checked(EMAIL, text)

    assert code in {None, "invalid_email", "too_long"}
    assert (kept is None) == (email_key(text) is None)
    assert kept is None or email_key(kept) == email_key(text)


@given(st.from_regex(r"\s*[A-Za-z0-9.+_-]{1,30}@[A-Za-zäöüß0-9-]{1,20}\.(com|example|local|test)\s*", fullmatch=True))
def test_an_address_and_its_stored_form_have_the_same_key(text: str) -> None:
    kept, _ = checked(EMAIL, text)

    if kept is not None:
        assert kept == kept.strip()
        assert checked(EMAIL, kept) == (kept, None)
        assert email_key(kept) == email_key(text) is not None


@pytest.mark.parametrize("length", [1, 64, 65, 200])
def test_the_part_before_the_at_has_at_most_64_characters_whether_it_is_kept_or_compared(length: int) -> None:
    address = "a" * length + "@example.com"

    assert checked(EMAIL, f" {address} ") == ((address, None) if length <= 64 else (None, "too_long"))
    assert email_key(address) == (address if length <= 64 else None)


def test_a_hostile_megabyte_is_refused_as_an_address_without_being_parsed() -> None:
    assert checked(EMAIL, "a@" + "b." * 500_000) == (None, "too_long")
    assert checked(EMAIL, " " * 10**6 + "ann@example.com") == ("ann@example.com", None)


@given(TEXTS | st.from_regex(r"\s*[A-Za-z0-9_.-]{1,40}\s*", fullmatch=True))
def test_a_user_name_is_3_to_32_letters_digits_and_marks_without_the_white_space_around(text: str) -> None:
    trimmed = text.strip()
    allowed = all(character.isascii() and (character.isalnum() or character in "_.-") for character in trimmed)
    kept, code = checked(USERNAME, text)

    if len(trimmed) < 3:
        assert (kept, code) == (None, "too_short")
    elif len(trimmed) > 32:
        assert (kept, code) == (None, "too_long")
    elif not allowed:
        assert (kept, code) == (None, "invalid_username")
    else:
        assert (kept, code) == (trimmed, None)
        assert username_key(text) == trimmed.lower()


@pytest.mark.parametrize("text", ["ann\n", "ann\u00a0"])
def test_white_space_of_any_kind_around_a_name_is_trimmed(text: str) -> None:
    assert checked(USERNAME, text) == ("ann", None)
    assert checked(NAME, text) == ("ann", None)


@pytest.mark.parametrize("text", ["an n", "ann\0", "änn", "\u0430nn", "ann@", "a/nn", "ann\u200b", "١٢٣"])
def test_a_user_name_holds_no_other_character(text: str) -> None:
    assert checked(USERNAME, text) == (None, "invalid_username")


@given(st.text(max_size=130))
def test_a_name_is_1_to_100_characters_without_control_characters(text: str) -> None:
    trimmed = text.strip()
    kept, code = checked(NAME, text)

    if not trimmed:
        assert (kept, code) == (None, "too_short")
    elif len(trimmed) > 100:
        assert (kept, code) == (None, "too_long")
    elif any(unicodedata.category(character) == "Cc" for character in trimmed):
        assert (kept, code) == (None, "invalid_name")
    else:
        assert (kept, code) == (trimmed, None)


@pytest.mark.parametrize("control", ["\0", "\n", "\r", "\t", "\x1b", "\x7f", "\x80", "\x9b"])
def test_a_control_character_inside_a_name_is_refused(control: str) -> None:
    assert checked(NAME, f"Ann{control}Example") == (None, "invalid_name")


def test_a_name_of_a_hundred_emoji_passes_and_one_more_does_not() -> None:
    assert checked(NAME, "😀" * 101) == (None, "too_long")
    assert checked(NAME, "😀" * 100) == ("😀" * 100, None)
    assert checked(NAME, "Zoë O'Neill 字") == ("Zoë O'Neill 字", None)
    assert checked(NAME, "👩\u200d💻") == ("👩\u200d💻", None)


@given(st.text(st.characters(codec="utf-8"), min_size=1, max_size=60), st.integers(8, 20))
def test_a_new_password_is_taken_exactly_as_it_is_or_refused(text: str, least: int) -> None:
    kept, code = checked(NEW_PASSWORD, text, InputRules(password_min_length=least))

    if len(text) < least:
        assert (kept, code) == (None, "too_short")
    else:
        assert (kept, code) in {(text, None), (None, "too_common")}


@pytest.mark.parametrize(
    "text", ["  correct horse  ", "correct\0horse!", "😀" * 10, "\u00e9e\u0301 unnormalised", "\t\n" * 5]
)
def test_nothing_of_a_new_password_is_trimmed_or_normalised(text: str) -> None:
    assert checked(NEW_PASSWORD, text) == (text, None)


def test_a_new_password_has_10_to_1000_characters_unless_the_setting_says_otherwise() -> None:
    assert checked(NEW_PASSWORD, "a-b-c-d-e") == (None, "too_short")
    assert checked(NEW_PASSWORD, "a-b-c-d-e", InputRules(password_min_length=9)) == ("a-b-c-d-e", None)
    assert checked(NEW_PASSWORD, "ab" * 500) == ("ab" * 500, None)
    assert checked(NEW_PASSWORD, "ab" * 500 + "c") == (None, "too_long")


@pytest.mark.parametrize("text", ["password123", "PASSWORD123", "qwertyuiop", "1234567890"])
def test_a_common_password_is_refused_in_any_case(text: str) -> None:
    assert checked(NEW_PASSWORD, text) == (None, "too_common")


def test_a_submitted_password_has_no_rule_but_a_length_that_bounds_the_work() -> None:
    for text in ("x", " ", "\0", "password", "ab" * (LONGEST_PASSWORD // 2)):
        assert checked(SUBMITTED_PASSWORD, text) == (text, None)
    assert checked(SUBMITTED_PASSWORD, "") == (None, "string_too_short")
    assert checked(SUBMITTED_PASSWORD, "x" * (LONGEST_PASSWORD + 1)) == (None, "string_too_long")


def test_a_name_to_log_in_with_has_1_to_254_characters_of_any_kind() -> None:
    for text in ("x", " ", "\0", "x" * 254):
        assert checked(LOGIN_NAME, text) == (text, None)
    assert checked(LOGIN_NAME, "") == (None, "string_too_short")
    assert checked(LOGIN_NAME, "x" * 255) == (None, "string_too_long")


@pytest.mark.parametrize("body", [EMAIL, USERNAME, NAME, NEW_PASSWORD, SUBMITTED_PASSWORD, LOGIN_NAME])
@pytest.mark.parametrize("value", [1, 1.5, True, None, ["ann"], {"$gt": ""}, b"ann@example.com"], ids=repr)
def test_only_text_is_accepted_anywhere(body: type[BaseModel], value: object) -> None:
    assert checked(body, value) == (None, "string_type")


def test_a_password_that_is_one_of_the_users_names_is_refused() -> None:
    for own in (("ann.example", None), (None, "Ann.Example"), ("x@example.com", "ann.example", "Ann")):
        with pytest.raises(Exception, match="own e-mail address or name") as refused:
            refuse_own_words("ann.example", own)
        assert getattr(refused.value, "type", None) == "too_easy"
    assert refuse_own_words("ann.example", (None, "bob")) == "ann.example"
