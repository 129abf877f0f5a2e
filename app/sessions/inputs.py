"""The bodies of `controllers/auth.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from app.accounts.fields import (
    Email,
    LoginNameText,
    Name,
    NewPassword,
    SubmittedPassword,
    Username,
    refuse_own_words,
    rules_of,
)
from app.web.input import Body, wrong


class Register(Body):
    """A new account: an e-mail address, a user name or both, as the setting REGISTRATION_REQUIRES demands."""

    # Fields are validated in this order, and each sees those before it, so that all wrong fields are reported at once.
    email: Email | None = Field(default=None, validate_default=True)
    username: Username | None = Field(default=None, validate_default=True)
    name: Name | None = None
    password: NewPassword

    @field_validator("email")
    @classmethod
    def _email_required(cls, email: str | None, info: ValidationInfo) -> str | None:
        if email is None and rules_of(info).registration_requires in {"email", "both"}:
            raise wrong("required", "An e-mail address is required.")
        return email

    @field_validator("username")
    @classmethod
    def _username_required(cls, username: str | None, info: ValidationInfo) -> str | None:
        required = rules_of(info).registration_requires
        if username is None and required in {"username", "both"}:
            raise wrong("required", "A user name is required.")
        # An e-mail address that was refused is not in the data, but it was given: nothing is missing then.
        if username is None and required == "either" and info.data.get("email", "") is None:
            raise wrong("required", "An e-mail address or a user name is required.")
        return username

    @field_validator("password")
    @classmethod
    def _not_an_own_word(cls, password: str, info: ValidationInfo) -> str:
        return refuse_own_words(password, (info.data.get("email"), info.data.get("username"), info.data.get("name")))


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


class Refresh(Body):
    """A refresh token; without it, the token in `Authorization: Bearer` is used."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(default=None, repr=False)


class Logout(Body):
    """Which sessions to end: this one, all others, or all."""

    scope: Literal["this", "others", "all"] = "this"


class Explain(Body):
    """Any token."""

    token: Annotated[str, Field(min_length=1, max_length=8192, repr=False)]
