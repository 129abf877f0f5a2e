"""The forms of `pages.py`. All values are text, and fields left empty are absent."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from app.account_pages.forms import LONGEST_HIDDEN, OnwardForm, from_json
from app.accounts.fields import LONGEST_LOGIN_NAME, LONGEST_PASSWORD
from app.sessions.inputs import LONGEST_CODE, CeremonyText, SignedCredential, as_json
from app.sessions.proof import Evidence
from app.web.input import wrong

_LONGEST_METHODS = 200


class _WithPasskey(OnwardForm):
    """What a passkey answered, and where to go on."""

    ceremony: CeremonyText | None = Field(default=None, repr=False)
    credential: Annotated[SignedCredential, BeforeValidator(from_json(SignedCredential))] | None = Field(
        default=None, repr=False
    )

    @property
    def signed(self) -> dict[str, Any]:
        """The credential, as the services take it."""
        return {} if self.credential is None else as_json(self.credential)


class LoginForm(_WithPasskey):
    """A name and a password; or what a passkey answered."""

    login: Annotated[str, Field(max_length=LONGEST_LOGIN_NAME)] | None = Field(default=None, validate_default=True)
    password: Annotated[str, Field(max_length=LONGEST_PASSWORD)] | None = Field(
        default=None, validate_default=True, repr=False
    )

    @field_validator("login")
    @classmethod
    def _named(cls, login: str | None, info: ValidationInfo) -> str | None:
        if not login and info.data.get("credential", "") is None:
            raise wrong("required", "Enter your e-mail address or your user name.")
        return login

    @field_validator("password")
    @classmethod
    def _given(cls, password: str | None, info: ValidationInfo) -> str | None:
        if not password and info.data.get("credential", "") is None:
            raise wrong("required", "Enter your password.")
        return password


class FactorForm(_WithPasskey):
    """What proves a second factor in a login that is not finished, or again in a session, where it can be the password.

    `ask` asks for what a passkey has to sign in a session. `methods` is what the page offered: it is shown again.
    """

    login_token: Annotated[str, Field(max_length=LONGEST_HIDDEN)] | None = Field(default=None, repr=False)
    methods: Annotated[str, Field(max_length=_LONGEST_METHODS)] | None = None
    trust_device: Literal["on"] | None = None
    ask: Literal["passkey"] | None = None
    password: Annotated[str, Field(max_length=LONGEST_PASSWORD)] | None = Field(default=None, repr=False)
    code: Annotated[str, Field(max_length=LONGEST_CODE)] | None = Field(default=None, validate_default=True, repr=False)

    @field_validator("code")
    @classmethod
    def _one_way(cls, code: str | None, info: ValidationInfo) -> str | None:
        # A field that was refused is not in the data, but it was given.
        given = (info.data.get(name, "") for name in ("credential", "ask", "password"))
        if not code and all(each is None for each in given):
            raise wrong("required", "Enter it, or use another way.")
        return code

    def evidence(self, bound_to: str = "") -> Evidence:
        """What proves the factor."""
        if self.credential is None:
            return Evidence(bound_to, code=self.code)
        return Evidence(bound_to, ceremony=self.ceremony, credential=self.signed)


class LogoutForm(OnwardForm):
    """Where to go on, if somebody else is to log in; `again` leads to the page where they do."""

    again: Literal["on"] | None = None
