"""The form of `pages.py`. All values are text, and fields left empty are absent."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, ValidationInfo, field_validator

from app.factors.passkeys.inputs import NewCredential
from app.sessions.inputs import LONGEST_CODE, CeremonyText
from app.web.input import Body, wrong

_LONGEST_CREDENTIAL = 32_768
_LONGEST_TARGET = 500


def _credential(text: object) -> object:
    """The credential in its JSON, which a script puts into a hidden field."""
    try:
        return NewCredential.model_validate_json(str(text)[:_LONGEST_CREDENTIAL])
    except ValidationError:
        raise wrong("invalid_credential", "The answer of the browser could not be read. Try again.") from None


class EnrolForm(Body):
    """One step: `ask` for what a factor needs, then the `code` of an app or the `credential` of a passkey, and `saved`
    once the recovery codes are.

    `login_token` is that of a login that is not finished; without one, it is about whoever is logged in.
    """

    login_token: Annotated[str, Field(max_length=_LONGEST_TARGET)] | None = Field(default=None, repr=False)
    request: Annotated[str, Field(max_length=_LONGEST_TARGET)] | None = Field(default=None, repr=False)
    to: Annotated[str, Field(max_length=_LONGEST_TARGET)] | None = None
    ask: Literal["passkey", "totp"] | None = None
    saved: Literal["passkey", "totp"] | None = None
    ceremony: CeremonyText | None = Field(default=None, repr=False)
    credential: Annotated[NewCredential, BeforeValidator(_credential)] | None = Field(default=None, repr=False)
    code: Annotated[str, Field(max_length=LONGEST_CODE)] | None = Field(default=None, validate_default=True, repr=False)

    @field_validator("code")
    @classmethod
    def _one_step(cls, code: str | None, info: ValidationInfo) -> str | None:
        # A field that was refused is not in the data, but it was given.
        if not code and all(info.data.get(name, "") is None for name in ("ask", "saved", "credential")):
            raise wrong("required", "Enter the code that your app shows.")
        return code
