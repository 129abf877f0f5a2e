"""The form of `pages.py`. All values are text, and fields left empty are absent."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator

from app.recovery.forms import LinkText
from app.recovery.inputs import MailedTokenText
from app.web.input import Body, wrong

_LONGEST_LOGIN_TOKEN = 1000
_LONGEST_CODE = 64


class MailLoginForm(Body):
    """The token of the link, or the link itself; or, in the second step, a login that is not finished, and a code of a
    second factor."""

    token: MailedTokenText | None = None
    login_token: Annotated[str, Field(max_length=_LONGEST_LOGIN_TOKEN)] | None = None
    code: Annotated[str, Field(max_length=_LONGEST_CODE)] | None = Field(default=None, validate_default=True)
    link: LinkText | None = Field(default=None, validate_default=True)

    @field_validator("code")
    @classmethod
    def _code_of_the_second_step(cls, code: str | None, info: ValidationInfo) -> str | None:
        if not code and info.data.get("login_token") is not None:
            raise wrong("required", "Enter a code.")
        return code

    @field_validator("link")
    @classmethod
    def _one_of_them(cls, link: str | None, info: ValidationInfo) -> str | None:
        # A field that was refused is not in the data, but it was given.
        if not link and info.data.get("token", "") is None and info.data.get("login_token", "") is None:
            raise wrong("required", "Copy the whole link from the mail.")
        return link
