"""The bodies of login, refresh and logout, of requests about a token, and of acting for a user."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from app.accounts.fields import (
    LONGEST_PASSWORD,
    LoginNameText,
    SubmittedPassword,
)
from app.sessions.proof import Evidence
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
LoginToken = Annotated[str, Field(min_length=1, max_length=1000, examples=["q0uYp1s7..."], repr=False)]
FactorCode = Annotated[_CodeText, Field(repr=False)]
"""What proves a second factor. Whether it is right, its method says."""


_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def _base64url(text: str) -> str:
    if not _BASE64URL.fullmatch(text):
        raise wrong("invalid_base64url", "This is not base64url without padding.")
    return text


Base64Url = Annotated[str, AfterValidator(_base64url), Field(json_schema_extra={"pattern": f"^{_BASE64URL.pattern}$"})]
"""Bytes as WebAuthn has them in JSON."""
CredentialId = Annotated[Base64Url, Field(max_length=1364)]
CeremonyText = Annotated[str, Field(min_length=1, max_length=LONGEST_CODE, examples=["Zf3kQ0v1..."])]
"""What came with the options that a credential answers."""


class WebAuthnJson(BaseModel):
    """An object of WebAuthn Level 3. Browsers add members to such objects, so those that are not known are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)


class SignedResponse(WebAuthnJson):
    """What an authenticator signed."""

    client_data: Annotated[Base64Url, Field(max_length=8192, alias="clientDataJSON")]
    authenticator_data: Annotated[Base64Url, Field(max_length=8192, alias="authenticatorData")]
    signature: Annotated[Base64Url, Field(max_length=2048)]
    user_handle: Annotated[Base64Url, Field(max_length=86)] | None = Field(default=None, alias="userHandle")


class SignedCredential(WebAuthnJson):
    """What `navigator.credentials.get` gave, by its `toJSON()`. Members that are not listed here are ignored."""

    id: CredentialId
    raw_id: CredentialId = Field(alias="rawId")
    type: Literal["public-key"]
    response: SignedResponse


def as_json(credential: WebAuthnJson) -> dict[str, Any]:
    """The members of a credential that are known, as they were sent."""
    return credential.model_dump(by_alias=True, exclude_none=True)


class _Proof(Body):
    """What proves a second factor: a `ceremony` and its `credential`; or, in a subclass, a `code`."""

    ceremony: CeremonyText | None = Field(default=None, description="Only with a `credential`.", repr=False)
    credential: SignedCredential | None = Field(
        default=None, description="In place of a code: the answer to the options that came with `ceremony`.", repr=False
    )

    @property
    def _credential_json(self) -> dict[str, Any] | None:
        return None if self.credential is None else as_json(self.credential)


def _proves(code: str | None, data: dict[str, Any]) -> bool:
    """Whether a code was given, or a ceremony and its credential; raises for both, and for a part."""
    # A field that was refused is not in the data, but it was given.
    given = [data.get(name, "") is not None for name in ("ceremony", "credential")]
    if code is not None and any(given):
        raise wrong("ambiguous", "Either a code or a credential may be given.")
    if any(given) and not all(given):
        raise wrong("required", "A ceremony and its credential have to be given together.")
    return code is not None or all(given)


class ContinueLogin(_Proof):
    """The token of a login that is not finished, and what proves a second factor: a `code`, or a `credential`."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"login_token": "q0uYp1s7...", "method": "totp", "code": "492039"}]}
    )

    login_token: LoginToken
    method: MethodName
    code: _CodeText | None = Field(default=None, validate_default=True, repr=False)

    @field_validator("code")
    @classmethod
    def _one_way(cls, code: str | None, info: ValidationInfo) -> str | None:
        if not _proves(code, info.data):
            raise wrong("required", "A code is required, or a ceremony and its credential.")
        return code

    @property
    def evidence(self) -> Evidence:
        """What proves the second factor."""
        return Evidence(code=self.code, ceremony=self.ceremony, credential=self._credential_json)


class AskForOptions(Body):
    """The token of a login that is not finished, and the method that needs options."""

    login_token: LoginToken
    method: Annotated[MethodName, Field(examples=["passkey"])]


class Reauthenticate(_Proof):
    """The `password`; or a `code`, and the `method` that it is of; or a `ceremony` and its `credential`."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"method": "totp", "code": "492039"}]})

    password: Annotated[str, Field(min_length=1, max_length=LONGEST_PASSWORD)] | None = Field(default=None, repr=False)
    method: MethodName | None = None
    code: _CodeText | None = Field(default=None, validate_default=True, repr=False)

    @field_validator("code")
    @classmethod
    def _one_way(cls, code: str | None, info: ValidationInfo) -> str | None:
        # A field that was refused is not in the data, but it was given.
        password, method = info.data.get("password", ""), info.data.get("method", "")
        proves = _proves(code, info.data)
        if password is not None:
            if method or proves:
                raise wrong("ambiguous", "Either a password or the proof of another method may be given.")
        elif not proves or (code is not None and method is None):
            raise wrong(
                "required", "A password is required, or a method and its code, or a ceremony and its credential."
            )
        return code

    def evidence(self, session_id: str) -> Evidence:
        """What proves in a session that the user is still there."""
        return Evidence(session_id, self.code, self.ceremony, self._credential_json)


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
