"""The bodies of login, refresh and logout, of requests about a token, and of acting for a user."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, ValidationInfo, field_validator

from app.accounts.fields import (
    LONGEST_PASSWORD,
    LoginNameText,
    SubmittedPassword,
)
from app.web.input import Body, wrong


class Login(Body):
    """Exactly one of `email`, `username` and `login` (which takes either), and the `password`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"login": "ann@example.com", "password": "correct horse battery staple"}]}
    )

    email: LoginNameText | None = None
    username: LoginNameText | None = None
    login: LoginNameText | None = Field(default=None, validate_default=True)
    password: SubmittedPassword

    @field_validator("login")
    @classmethod
    def _exactly_one(cls, login: str | None, info: ValidationInfo) -> str | None:
        # A name that was refused is not in the data, but it was given.
        given = [info.data.get("email", ""), info.data.get("username", ""), login]
        count = sum(name is not None for name in given)
        if count == 0:
            raise wrong("required", "One of email, username and login is required.")
        if count > 1:
            raise wrong("ambiguous", "Only one of email, username and login may be given.")
        return login


LONGEST_CODE = 64
"""Characters; codes of second factors have at most 17."""
MethodName = Annotated[str, Field(min_length=1, max_length=32, examples=["totp"])]
_CodeText = Annotated[str, Field(min_length=1, max_length=LONGEST_CODE, examples=["492039"])]
FactorCode = Annotated[_CodeText, Field(repr=False)]
"""What proves a second factor. Whether it is right, its method says."""


class ContinueLogin(Body):
    """The token of a login that is not finished, and a code of a second factor."""

    login_token: Annotated[str, Field(min_length=1, max_length=1000, examples=["q0uYp1s7..."], repr=False)]
    method: MethodName
    code: FactorCode
    trust_device: bool = Field(
        default=False,
        description="Whether the `device_token` of this login stands for the second factor of the next ones, sent as"
        " `X-Device-Token`. Only with `FACTOR_TRUST_DAYS`.",
        examples=[False],
    )


class Reauthenticate(Body):
    """The `password`; or a `code`, and the `method` that it is of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"method": "totp", "code": "492039"}]})

    password: Annotated[str, Field(min_length=1, max_length=LONGEST_PASSWORD)] | None = Field(default=None, repr=False)
    method: MethodName | None = None
    code: _CodeText | None = Field(default=None, validate_default=True, repr=False)

    @field_validator("code")
    @classmethod
    def _one_way(cls, code: str | None, info: ValidationInfo) -> str | None:
        # A field that was refused is not in the data, but it was given.
        password, method = info.data.get("password", ""), info.data.get("method", "")
        if password is not None:
            if method or code is not None:
                raise wrong("ambiguous", "Either a password or a code of a method may be given.")
        elif method is None or code is None:
            raise wrong("required", "A password is required, or a method and its code.")
        return code


class Refresh(Body):
    """A refresh token; without it, the token in `Authorization: Bearer` is used."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(default=None, repr=False)


class Logout(Body):
    """Which sessions to end: this one, all others, or all."""

    scope: Literal["this", "others", "all"] = "this"


class Explain(Body):
    """Any token."""

    token: Annotated[str, Field(min_length=1, max_length=8192, repr=False)]


_LONGEST_REASON = 200


def _reason(text: str) -> str:
    trimmed = text.strip()
    if not trimmed:
        raise wrong("too_short", "A reason has at least 1 character.")
    if len(trimmed) > _LONGEST_REASON:
        raise wrong("too_long", "A reason has at most {most} characters.", most=_LONGEST_REASON)
    if any(unicodedata.category(character) == "Cc" for character in trimmed):
        raise wrong("invalid_reason", "A reason contains no control characters.")
    return trimmed


ReasonText = Annotated[
    str,
    AfterValidator(_reason),
    Field(
        description="1 to 200 characters in one line. The user reads it.",
        examples=["Ticket 4711: the list of orders stays empty"],
    ),
]


class Impersonate(Body):
    """Why an administrator acts for a user."""

    reason: ReasonText
