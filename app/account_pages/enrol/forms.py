"""The form of `pages.py`. All values are text, and fields left empty are absent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from app.account_pages.forms import LONGEST_HIDDEN, OnwardForm, from_json
from app.factors.passkeys.inputs import NewCredential
from app.sessions.inputs import LONGEST_CODE, CeremonyText
from app.web.input import wrong


class EnrolForm(OnwardForm):
    """One step: `ask` for what a factor needs, then the `code` of an app or the `credential` of a passkey, and `saved`
    once the recovery codes are.

    `login_token` is that of a login that is not finished; without one, it is about whoever is logged in.
    """

    login_token: Annotated[str, Field(max_length=LONGEST_HIDDEN)] | None = Field(default=None, repr=False)
    ask: Literal["passkey", "totp"] | None = None
    saved: Literal["passkey", "totp"] | None = None
    ceremony: CeremonyText | None = Field(default=None, repr=False)
    credential: Annotated[NewCredential, BeforeValidator(from_json(NewCredential))] | None = Field(
        default=None, repr=False
    )
    code: Annotated[str, Field(max_length=LONGEST_CODE)] | None = Field(default=None, validate_default=True, repr=False)

    @field_validator("code")
    @classmethod
    def _one_step(cls, code: str | None, info: ValidationInfo) -> str | None:
        # A field that was refused is not in the data, but it was given.
        if not code and all(info.data.get(name, "") is None for name in ("ask", "saved", "credential")):
            raise wrong("required", "Enter the code that your app shows.")
        return code
