"""The forms of `pages.py`. All values are text, and fields left empty are absent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from app.recovery.inputs import MailedTokenText, VerifyEmail
from app.web.input import Body, wrong

_LONGEST_LINK = 1000


def _token_of(text: str) -> str:
    """The token in a link that was copied from a mail; a token alone stays as it is."""
    return text.rpartition("#token=")[2].strip()


LinkText = Annotated[str, Field(max_length=_LONGEST_LINK), AfterValidator(_token_of)]
"""A link that the user copied from a mail, or its token alone; gives the token."""


class VerifyForm(VerifyEmail):
    """What was mailed to the address, and, in the second step, the answer whether the address is the user's own."""

    answer: Literal["yes", "no"] | None = None


class UndoForm(Body):
    """The token of the link, filled in by the page's script, or, without scripts, the link that the user copied."""

    token: MailedTokenText | None = None
    link: LinkText | None = Field(default=None, validate_default=True)

    @field_validator("link")
    @classmethod
    def _one_of_them(cls, link: str | None, info: ValidationInfo) -> str | None:
        if not link and info.data.get("token", "") is None:
            raise wrong("required", "Copy the whole link from the mail.")
        return link
