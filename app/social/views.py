"""Providers and identities, as clients see them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from pydantic import Field

from app.social.provider import Kind  # noqa: TC001 - pydantic reads the annotation
from app.social.users import MOST
from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.social.identities.model import Identity
    from app.social.provider import Provider


class ProviderView(View):
    """A provider with whose accounts users log in."""

    id: str = Field(examples=["google"])
    name: str = Field(description="For the button.", examples=["Google"])
    kind: Kind = Field(examples=["google"])


class ProviderList(View):
    """The providers, in the order of the operator."""

    providers: list[ProviderView]
    next: str | None = Field(default=None, examples=[None], description="Always null: there are few providers.")

    @classmethod
    def of(cls, providers: Sequence[Provider]) -> ProviderList:
        """The data of a reply with these providers."""
        return cls(providers=[ProviderView(id=each.id, name=each.name, kind=each.kind) for each in providers])


class VisitView(View):
    """Where to go now."""

    url: str = Field(
        description="Of the provider: open it in this browser, within ten minutes.",
        examples=["https://accounts.google.com/o/oauth2/v2/auth?response_type=code&..."],
    )


class IdentityView(View):
    """An account at a provider that logs the user in."""

    id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    provider: str = Field(examples=["google"])
    issuer: str = Field(examples=["https://accounts.google.com"])
    subject: str = Field(description="Who it is at the issuer.", examples=["110169484474386276334"])
    email: str | None = Field(description="As it was when this was linked.", examples=["ann@gmail.com"])
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    last_used_at: datetime | None = Field(examples=["2026-01-31T12:05:00.000000Z"])

    @classmethod
    def of(cls, identity: Identity) -> IdentityView:
        """The view of an identity."""
        return cls(
            id=identity.id,
            provider=identity.provider,
            issuer=identity.issuer,
            subject=identity.subject,
            email=identity.email,
            created_at=identity.created_at,
            last_used_at=identity.last_used_at,
        )


class IdentityData(View):
    """An identity of the user."""

    identity: IdentityView


class IdentityList(View):
    """The identities of a user."""

    identities: list[IdentityView]
    next: str | None = Field(
        default=None, examples=[None], description=f"Always null: a user has at most {MOST} identities."
    )

    @classmethod
    def of(cls, identities: Sequence[Identity]) -> IdentityList:
        """The data of a reply with these identities."""
        return cls(identities=[IdentityView.of(each) for each in identities])
