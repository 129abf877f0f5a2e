"""The bodies of requests that verify or change an address or reset a password."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from app.accounts.fields import Email, LoginNameText, NewPassword, PasswordIfAny, refuse_own_words
from app.web.input import Body, wrong

_LONGEST_TOKEN = 200

MailedTokenText = Annotated[
    str,
    Field(min_length=1, max_length=_LONGEST_TOKEN, description="The token of a mailed link.", examples=["AAEBmh9T..."]),
]
CodeText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=40,
        description="The mailed code: 8 characters in either case, with or without the dash.",
        examples=["7K3M-Q9TD"],
    ),
]


class Mailed(Body):
    """A token from a mailed link, or else an address and the code that was mailed to it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"email": "ann@example.com", "code": "7K3M-Q9TD"}],
        }
    )

    token: MailedTokenText | None = Field(default=None, repr=False)
    email: LoginNameText | None = Field(default=None, validate_default=True)
    code: CodeText | None = Field(default=None, validate_default=True, repr=False)

    @field_validator("email")
    @classmethod
    def _email_with_the_code(cls, email: str | None, info: ValidationInfo) -> str | None:
        token = info.data.get("token", "")  # a token that was refused is not in the data, but it was given
        if email is None and token is None:
            raise wrong("required", "Either a token is required, or an e-mail address and a code.")
        if email is not None and token is not None:
            raise wrong("ambiguous", "Send either a token, or an e-mail address and a code.")
        return email

    @field_validator("code")
    @classmethod
    def _code_with_the_email(cls, code: str | None, info: ValidationInfo) -> str | None:
        token = info.data.get("token", "")
        if code is None and token is None:
            raise wrong("required", "A code is required with the e-mail address.")
        if code is not None and token is not None:
            raise wrong("ambiguous", "Send either a token, or an e-mail address and a code.")
        return code


class VerifyEmail(Mailed):
    """What was mailed to the address: either the `token` of the link, or `email` and `code`."""


class ResetPassword(Mailed):
    """What was mailed to the address (either `token`, or `email` and `code`), and a new password."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"email": "ann@example.com", "code": "7K3M-Q9TD", "new_password": "correct horse battery staple"}
            ],
        }
    )

    new_password: NewPassword

    @field_validator("new_password")
    @classmethod
    def _not_the_address(cls, password: str, info: ValidationInfo) -> str:
        return refuse_own_words(password, (info.data.get("email"),))


class Address(Body):
    """An e-mail address, with or without an account."""

    email: Email


class MailedToken(Body):
    """The token of a mailed link."""

    token: MailedTokenText = Field(repr=False)


class ChangeEmail(Body):
    """The new address, and the current password of users who have one."""

    email: Email
    password: PasswordIfAny = Field(validate_default=True)

    @field_validator("password")
    @classmethod
    def _is_told_beside_a_wrong_address(cls, password: str | None, info: ValidationInfo) -> str | None:
        """Nearly all users have one: they are told at once, and not once the address is right, that it is missing."""
        if password is None and "email" not in info.data:
            raise wrong("required", "This field is required.")
        return password
