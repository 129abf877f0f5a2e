"""The bodies of requests that log in by mail."""

from __future__ import annotations

from typing import Annotated

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from app.recovery.inputs import CodeText, MailedTokenText
from app.web.input import Body, wrong

RequestText = Annotated[
    str,
    Field(
        min_length=1,
        max_length=200,
        description="What the request for the mail replied with.",
        examples=["q0uYp1s7..."],
    ),
]


class LoginByMail(Body):
    """What the request for the mail replied with, and the mailed `code`; or else the `token` of the mailed link."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"request": "q0uYp1s7...", "code": "7K3M-Q9TD"}]})

    token: MailedTokenText | None = Field(default=None, repr=False)
    request: RequestText | None = Field(default=None, validate_default=True, repr=False)
    code: CodeText | None = Field(default=None, validate_default=True, repr=False)

    @field_validator("request", "code")
    @classmethod
    def _one_way(cls, value: str | None, info: ValidationInfo) -> str | None:
        token = info.data.get("token", "")  # a token that was refused is not in the data, but it was given
        if value is None and token is None:
            raise wrong("required", "Either a token is required, or a request and its code.")
        if value is not None and token is not None:
            raise wrong("ambiguous", "Send either a token, or a request and its code.")
        return value
