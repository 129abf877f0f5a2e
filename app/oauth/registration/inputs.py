"""The bodies of requests about clients that register themselves."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationInfo, field_validator

from app.oauth.clients.inputs import Jwks, JwksUri, Name, Pages, RedirectUris, kept_of
from app.oauth.clients.model import ClientFields
from app.oauth.grant_types import DEVICE_CODE
from app.web.input import Body, wrong

GRANTS: Final = ("authorization_code", "refresh_token", DEVICE_CODE)
"""What clients with users may do."""
_MOST: Final = 100
_BY_KEY: Final = "private_key_jwt"
_REGISTERED: Final = (
    "redirect_uris", "post_logout_redirect_uris", "dpop_bound_access_tokens", "jwks", "jwks_uri"
)  # fmt: skip
"""The fields of a registration that are called as a client keeps them."""


class CreateRegistrationToken(Body):
    """An initial access token, which clients register themselves with (RFC 7591)."""

    expires_in_days: int = Field(default=1, ge=1, le=365, description="How many days it lives.", examples=[7])
    uses: int = Field(default=1, ge=1, le=10_000, description="How many clients it registers.", examples=[1])


class RegisterClient(Body):
    """What a client says of itself (RFC 7591 section 2). Fields that are not known here are ignored."""

    model_config = ConfigDict(strict=True, extra="ignore", frozen=True, hide_input_in_errors=True)

    client_name: Name = "Unnamed client"
    token_endpoint_auth_method: Literal["none", "client_secret_basic", "client_secret_post", "private_key_jwt"] = (
        "client_secret_basic"  # noqa: S105 - no secret
    )
    grant_types: list[str] = Field(default_factory=lambda: ["authorization_code"], max_length=_MOST)
    response_types: list[str] = Field(default_factory=lambda: ["code"], max_length=_MOST)
    redirect_uris: RedirectUris = Field(default_factory=list, validate_default=True)
    post_logout_redirect_uris: Pages = Field(default_factory=list)
    dpop_bound_access_tokens: bool = False
    jwks: Jwks | None = Field(default=None, validate_default=True)
    jwks_uri: JwksUri | None = Field(default=None, validate_default=True)

    @property
    def said(self) -> ClientFields:
        """What is kept of it."""
        kind = "public" if self.token_endpoint_auth_method == "none" else "confidential"  # noqa: S105 - no secret
        return ClientFields(name=self.client_name, kind=kind, **kept_of(self, _REGISTERED))

    @field_validator("jwks", "jwks_uri", mode="before")
    @classmethod
    def _if_it_signs(cls, found: Any, info: ValidationInfo) -> Any:  # noqa: ANN401 - any JSON value
        # The keys of another client are for what there is not here.
        return found if info.data.get("token_endpoint_auth_method") == _BY_KEY else None

    @field_validator("grant_types")
    @classmethod
    def _known_grants(cls, grants: list[str]) -> list[str]:
        # What is not known here is not registered: the reply says what is (section 3.2.1).
        known: list[str] = [grant for grant in GRANTS if grant in grants]
        if not known:
            raise wrong("unsupported", "There is {grants}.", grants=", ".join(GRANTS))
        return known

    @field_validator("jwks_uri")
    @classmethod
    def _keys_if_needed(cls, uri: str | None, info: ValidationInfo) -> str | None:
        if info.data.get("token_endpoint_auth_method") == _BY_KEY and (uri is None) is (info.data.get("jwks") is None):
            raise wrong("one_of", "A client with private_key_jwt has jwks or jwks_uri, one of the two.")
        return uri

    @field_validator("response_types")
    @classmethod
    def _code_alone(cls, types: list[str]) -> list[str]:
        if types and "code" not in types:
            raise wrong("unsupported", "There is code alone.")
        return ["code"]

    @field_validator("redirect_uris")
    @classmethod
    def _where_codes_go(cls, uris: list[str], info: ValidationInfo) -> list[str]:
        if not uris and "authorization_code" in info.data.get("grant_types", ()):
            raise wrong("required", "This field is required.")
        return uris
