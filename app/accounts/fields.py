"""The fields that several inputs share. Each rule for a value is defined here once."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import email_validator
from pydantic import AfterValidator, Field, ValidationInfo

from app.platform.identifiers import LONGEST_EMAIL, LONGEST_LOCAL_PART, parse_email
from app.security.blocklist import TOO_COMMON, TOO_EASY, is_common, is_context_word
from app.web.input import wrong

if TYPE_CHECKING:
    from collections.abc import Iterable

_USERNAME = re.compile(r"[A-Za-z0-9_.-]+")
_USERNAME_LENGTH = (3, 32)
_NAME_LENGTH = 100
LONGEST_PASSWORD = 1000
"""Characters; the limit only keeps hashing bounded."""
LONGEST_LOGIN_NAME = 254


@dataclass(frozen=True, slots=True)
class InputRules:
    """The settings that inputs depend on, passed to pydantic as the validation context."""

    password_min_length: int = 10
    registration_requires: Literal["either", "email", "username", "both"] = "either"


def input_rules(info: ValidationInfo) -> InputRules:
    """The rules in the validation context, else the defaults."""
    return info.context if isinstance(info.context, InputRules) else InputRules()


def _email(text: str) -> str:
    if len(text.strip()) > LONGEST_EMAIL:  # before the costly parsing of a hostile megabyte
        raise wrong("too_long", "An e-mail address has at most {most} characters.", most=LONGEST_EMAIL)
    if len(text.strip().rpartition("@")[0]) > LONGEST_LOCAL_PART:
        raise wrong("too_long", "The part before the @ has at most {most} characters.", most=LONGEST_LOCAL_PART)
    try:
        return parse_email(text).normalized
    except email_validator.EmailNotValidError:
        raise wrong("invalid_email", "This is not an e-mail address that this service can send mail to.") from None


def _username(text: str) -> str:
    trimmed, (least, most) = text.strip(), _USERNAME_LENGTH
    if len(trimmed) < least:
        raise wrong("too_short", "A user name has at least {least} characters.", least=least)
    if len(trimmed) > most:
        raise wrong("too_long", "A user name has at most {most} characters.", most=most)
    if not _USERNAME.fullmatch(trimmed):
        raise wrong("invalid_username", "A user name consists of the letters a to z, digits, and _ . -")
    return trimmed


def _name(text: str) -> str:
    trimmed = text.strip()
    if not trimmed:
        raise wrong("too_short", "A name has at least 1 character.")
    if len(trimmed) > _NAME_LENGTH:
        raise wrong("too_long", "A name has at most {most} characters.", most=_NAME_LENGTH)
    # Cc are control characters; Cf would let text run backwards or be invisible (Unicode TR36), but joins emoji.
    if any(unicodedata.category(character) == "Cc" for character in trimmed):
        raise wrong("invalid_name", "A name contains no control characters.")
    return trimmed


def _password_length(text: str, info: ValidationInfo) -> str:
    least = input_rules(info).password_min_length
    if len(text) < least:
        raise wrong("too_short", "A password has at least {least} characters.", least=least)
    if len(text) > LONGEST_PASSWORD:
        raise wrong("too_long", "A password has at most {most} characters.", most=LONGEST_PASSWORD)
    if is_common(text):
        raise wrong("too_common", TOO_COMMON)
    return text


def refuse_own_words(password: str, words: Iterable[str | None]) -> str:
    """Return the password; refuse one that is made of one of the user's own names (code `too_easy`)."""
    if is_context_word(password, [word for word in words if word]):
        raise wrong("too_easy", TOO_EASY)
    return password


Email = Annotated[
    str,
    AfterValidator(_email),
    Field(
        description=(
            "An e-mail address: ASCII before the @, at most 254 characters. White space around it is trimmed."
        ),
        examples=["ann@example.com"],
        json_schema_extra={"format": "email"},
    ),
]
Username = Annotated[
    str,
    AfterValidator(_username),
    Field(
        description="3 to 32 ASCII letters, digits, `_`, `.` and `-`. White space around it is trimmed.",
        examples=["ann"],
        json_schema_extra={"pattern": rf"^\s*{_USERNAME.pattern[:-1]}{{3,32}}\s*$"},
    ),
]
Name = Annotated[
    str,
    AfterValidator(_name),
    Field(
        description="1 to 100 characters, none of them a control character. White space around it is trimmed.",
        examples=["Ann Example"],
    ),
]
NewPassword = Annotated[
    str,
    AfterValidator(_password_length),
    Field(
        description=(
            "10 (the setting PASSWORD_MIN_LENGTH) to 1,000 characters, taken exactly as they are sent. These are"
            " refused: the most common passwords; the user's e-mail address and names and the product's name, also"
            " slightly changed; and breached passwords, if the operator has turned on that check."
        ),
        examples=["correct horse battery staple"],
        # No setting goes below 8.
        json_schema_extra={"format": "password", "minLength": 8, "maxLength": LONGEST_PASSWORD},
        repr=False,
    ),
]
"""A new password, taken exactly as sent: nothing is trimmed or normalised (OWASP ASVS 6.2.8)."""
SubmittedPassword = Annotated[
    str,
    Field(
        min_length=1,
        max_length=LONGEST_PASSWORD,
        examples=["correct horse battery staple"],
        json_schema_extra={"format": "password"},
        repr=False,
    ),
]
PasswordIfAny = Annotated[
    Annotated[str, Field(min_length=1, max_length=LONGEST_PASSWORD, json_schema_extra={"format": "password"})] | None,
    Field(
        default=None,
        repr=False,
        description="The current password. Users who have none leave it out.",
        examples=["correct horse battery staple"],
    ),
]
"""The password of who has one; a recent login stands for it where there is none."""
"""A password to check. The only rule is a length, which bounds the work."""
LoginNameText = Annotated[str, Field(min_length=1, max_length=LONGEST_LOGIN_NAME, examples=["ann@example.com"])]
