"""The bodies of requests about passkeys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.accounts.fields import Name
from app.sessions.inputs import Base64Url, CeremonyText, CredentialId, SignedCredential, WebAuthnJson
from app.web.input import Body

_Transport = Annotated[str, Field(min_length=1, max_length=32, examples=["internal"])]


class NewResponse(WebAuthnJson):
    """What an authenticator made."""

    client_data: Annotated[Base64Url, Field(max_length=8192, alias="clientDataJSON")]
    attestation: Annotated[Base64Url, Field(max_length=8192, alias="attestationObject")]
    transports: Annotated[list[_Transport], Field(max_length=10)] = Field(default_factory=list)


class NewCredential(WebAuthnJson):
    """What `navigator.credentials.create` gave, by its `toJSON()`. Members that are not listed here are ignored."""

    id: CredentialId
    raw_id: CredentialId = Field(alias="rawId")
    type: Literal["public-key"]
    response: NewResponse


class AddPasskey(Body):
    """The answer to the options of `POST /auth/passkeys/options`."""

    ceremony: Annotated[CeremonyText, Field(repr=False)]
    credential: NewCredential = Field(repr=False)
    name: Annotated[Name, Field(examples=["My phone"])] | None = Field(
        default=None, description="By default the name of what keeps it, as far as it is known."
    )


class RenamePasskey(Body):
    """A new name."""

    name: Name = Field(examples=["My phone"])


class LogInWithPasskey(Body):
    """The answer to the options of `POST /auth/login/passkey/options`."""

    ceremony: Annotated[CeremonyText, Field(repr=False)]
    credential: SignedCredential = Field(repr=False)
