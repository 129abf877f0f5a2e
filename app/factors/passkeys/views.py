"""Passkeys as JSON; and what authenticators are asked, with the names of WebAuthn Level 3."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from app.factors.ceremonies.service import LIVES
from app.factors.passkeys.providers import provider_of
from app.factors.passkeys.service import MOST
from app.factors.passkeys.verification import ALGORITHMS
from app.factors.service import shown_name
from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.accounts.model import User
    from app.factors.passkeys.model import Passkey
    from app.factors.passkeys.service import Asked, PasskeyList
    from app.factors.passkeys.vault import ShownPasskey
    from app.factors.passkeys.verification import RelyingParty

_TIMEOUT = int(LIVES.total_seconds() * 1000)
_CREDENTIAL_ID = "KEDetxZcUfinhVi6Za5nZQ"
_HANDLE = "2ZQ4wS9XvK8bTn0hYc5dLm7pRq1fGu3eJi6oAxWzVsE"
_CHALLENGE = "Y2hhbGxlbmdlIG9mIDMyIHJhbmRvbSBieXRlcyE"
_CEREMONY = "Zf3kQ0v1m8sB2xWcT9yHrLqD5nPjU7aEoGiK4tVbXwI"
_RP_ID = "auth.example.com"


class PasskeyView(View):
    """A passkey."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    name: str = Field(examples=["My phone"])
    provider: str | None = Field(
        description="What keeps it, by its AAGUID; null if that is unknown. It may claim to be another one.",
        examples=["Google Password Manager"],
    )
    aaguid: str = Field(
        description="The model of its authenticator; zeros if it does not say.",
        examples=["ea9b8d66-4d01-1d21-3ce4-b6b48cb575d4"],
    )
    backed_up: bool = Field(description="Whether it is on other devices, too, or saved elsewhere.", examples=[True])
    transports: list[str] = Field(description="How browsers reach it.", examples=[["internal", "hybrid"]])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    last_used_at: datetime | None = Field(examples=["2026-01-31T12:05:00.000000Z"])

    @classmethod
    def of(cls, shown: ShownPasskey) -> PasskeyView:
        """The view of a passkey."""
        passkey = shown.passkey
        return cls(
            id=passkey.id,
            name=shown.name,
            provider=provider_of(passkey.aaguid),
            aaguid=passkey.aaguid,
            backed_up=passkey.backed_up,
            transports=list(passkey.transports),
            created_at=passkey.created_at,
            last_used_at=passkey.last_used_at,
        )


class PasskeyData(View):
    """A passkey of the user."""

    passkey: PasskeyView


class NewPasskey(View):
    """A new passkey, and recovery codes if it is the user's first factor."""

    passkey: PasskeyView
    recovery_codes: list[str] | None = Field(
        description="Ten for a first factor, else null. This is the only reply that shows them.",
        examples=[["0-7K3M-Q8XT-V2N9P", "1-D4RW-0HJC-6BZFS"]],
    )

    @classmethod
    def of(cls, shown: ShownPasskey, codes: Sequence[str] | None) -> NewPasskey:
        """The data of the reply to a new passkey."""
        return cls(passkey=PasskeyView.of(shown), recovery_codes=None if codes is None else list(codes))


class PasskeyListView(View):
    """The passkeys of a user, and what pages tell browsers of them (the Signal API of WebAuthn Level 3)."""

    passkeys: list[PasskeyView]
    next: str | None = Field(
        default=None, examples=[None], description=f"Always null: a user has at most {MOST} passkeys."
    )
    rp_id: str = Field(description="The `rpId` of signals.", examples=[_RP_ID])
    user_handle: str | None = Field(
        description="The `userId` of signals; null if the user never had a passkey.", examples=[_HANDLE]
    )
    credential_ids: list[str] = Field(
        description="The `allAcceptedCredentialIds` of signals, in the order of `passkeys`.",
        examples=[[_CREDENTIAL_ID]],
    )

    @classmethod
    def of(cls, found: PasskeyList) -> PasskeyListView:
        """The data of a reply that lists passkeys."""
        return cls(
            passkeys=[PasskeyView.of(each) for each in found.passkeys],
            rp_id=found.rp_id,
            user_handle=found.user_handle,
            credential_ids=[each.passkey.credential_id for each in found.passkeys],
        )


class RelyingPartyView(View):
    """Who asks."""

    id: str = Field(examples=[_RP_ID])
    name: str = Field(examples=["Latchkey"])


class PasskeyUser(View):
    """For whom a passkey is made."""

    id: str = Field(description="The user handle: random, and not the identifier of the user.", examples=[_HANDLE])
    name: str = Field(examples=["ann@example.com"])
    displayName: str = Field(examples=["Ann Example"])

    @classmethod
    def of(cls, user: User, handle: str) -> PasskeyUser:
        """The view of a user with this handle."""
        name = shown_name(user)
        return cls(id=handle, name=name, displayName=user.name or name)


class Algorithm(View):
    """An algorithm that a passkey may have."""

    type: Literal["public-key"] = "public-key"
    alg: int = Field(description="Of COSE.", examples=[-7])


class Descriptor(View):
    """A passkey, for browsers."""

    type: Literal["public-key"] = "public-key"
    id: str = Field(examples=[_CREDENTIAL_ID])
    transports: list[str] = Field(examples=[["internal"]])

    @classmethod
    def of(cls, passkey: Passkey) -> Descriptor:
        """The view of a passkey."""
        return cls(id=passkey.credential_id, transports=list(passkey.transports))


class AuthenticatorSelection(View):
    """What the authenticator has to do."""

    residentKey: Literal["required"] = "required"
    # No constant: generators of Java clients make an enumeration of it, which does not compile.
    requireResidentKey: bool = Field(default=True, description="Always true.")
    userVerification: Literal["required"] = "required"


class CreationOptions(View):
    """For `PublicKeyCredential.parseCreationOptionsFromJSON` and then `navigator.credentials.create`."""

    rp: RelyingPartyView
    user: PasskeyUser
    challenge: str = Field(examples=[_CHALLENGE])
    pubKeyCredParams: list[Algorithm]
    timeout: int = Field(description="Milliseconds.", examples=[_TIMEOUT])
    excludeCredentials: list[Descriptor] = Field(description="The passkeys that the user has.")
    authenticatorSelection: AuthenticatorSelection
    attestation: Literal["none"] = "none"


class NewPasskeyOptions(View):
    """How to make a passkey, within five minutes and with one try."""

    ceremony: str = Field(description="Opaque. Send it with the credential.", examples=[_CEREMONY])
    options: CreationOptions

    @classmethod
    def of(cls, asked: Asked, user: User, handle: str, party: RelyingParty) -> NewPasskeyOptions:
        """The data of a reply with options for a new passkey of this user."""
        options = CreationOptions(
            rp=RelyingPartyView(id=party.id, name=party.name),
            user=PasskeyUser.of(user, handle),
            challenge=asked.begun.challenge,
            pubKeyCredParams=[Algorithm(alg=algorithm) for algorithm in ALGORITHMS],
            timeout=_TIMEOUT,
            excludeCredentials=[Descriptor.of(each) for each in asked.passkeys],
            authenticatorSelection=AuthenticatorSelection(),
        )
        return cls(ceremony=asked.begun.token, options=options)


class RequestOptions(View):
    """For `PublicKeyCredential.parseRequestOptionsFromJSON` and then `navigator.credentials.get`."""

    challenge: str = Field(examples=[_CHALLENGE])
    timeout: int = Field(description="Milliseconds.", examples=[_TIMEOUT])
    rpId: str = Field(examples=[_RP_ID])
    allowCredentials: list[Descriptor] = Field(
        description="The passkeys of the user; empty where nobody is known yet: then any passkey may answer."
    )
    userVerification: Literal["required"] = "required"


class PasskeyOptions(View):
    """How to use a passkey, within five minutes and with one try."""

    ceremony: str = Field(description="Opaque. Send it with the credential.", examples=[_CEREMONY])
    options: RequestOptions

    @classmethod
    def of(cls, asked: Asked, party: RelyingParty) -> PasskeyOptions:
        """The data of a reply with options for the use of a passkey."""
        options = RequestOptions(
            challenge=asked.begun.challenge,
            timeout=_TIMEOUT,
            rpId=party.id,
            allowCredentials=[Descriptor.of(each) for each in asked.passkeys],
        )
        return cls(ceremony=asked.begun.token, options=options)
