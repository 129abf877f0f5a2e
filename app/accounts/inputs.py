"""The bodies of registration, and of requests about an account."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from app.accounts.fields import (
    Email,
    Name,
    NewPassword,
    PasswordIfAny,
    SubmittedPassword,
    Username,
    input_rules,
    refuse_own_words,
)
from app.web.input import Body, wrong


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class UpdateMe(Body):
    """New names. A field that is left out does not change. A `name` of null removes the name."""

    # The defaults stand for "not given". The default of `username` is not a valid user name, so nobody can send it.
    model_config = ConfigDict(json_schema_extra=_without_defaults)

    username: Username = ""
    name: Name | None = None


class DeleteMe(Body):
    """The current password, of users who have one."""

    password: PasswordIfAny


class ChangePassword(Body):
    """The current password and a new one."""

    current_password: SubmittedPassword
    new_password: NewPassword


class Names(Body):
    """The names of a new account: an e-mail address, a user name or both, as REGISTRATION_REQUIRES demands."""

    # Fields are validated in this order, and each sees those before it, so that all wrong fields are reported at once.
    email: Email | None = Field(default=None, validate_default=True)
    username: Username | None = Field(default=None, validate_default=True)
    name: Name | None = None

    @field_validator("email")
    @classmethod
    def _email_required(cls, email: str | None, info: ValidationInfo) -> str | None:
        if email is None and input_rules(info).registration_requires in {"email", "both"}:
            raise wrong("required", "An e-mail address is required.")
        return email

    @field_validator("username")
    @classmethod
    def _username_required(cls, username: str | None, info: ValidationInfo) -> str | None:
        required = input_rules(info).registration_requires
        if username is None and required in {"username", "both"}:
            raise wrong("required", "A user name is required.")
        # An e-mail address that was refused is not in the data, but it was given: nothing is missing then.
        if username is None and required == "either" and info.data.get("email", "") is None:
            raise wrong("required", "An e-mail address or a user name is required.")
        return username


class Register(Names):
    """A new account: an e-mail address, a user name or both, as the setting REGISTRATION_REQUIRES demands."""

    password: NewPassword

    @field_validator("password")
    @classmethod
    def _not_an_own_word(cls, password: str, info: ValidationInfo) -> str:
        return refuse_own_words(password, (info.data.get("email"), info.data.get("username"), info.data.get("name")))
