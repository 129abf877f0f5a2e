"""Consents as JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from pydantic import Field

from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.oauth.consents.model import Consent


class GrantView(View):
    """What a user lets an application have."""

    client_id: str = Field(examples=["019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a"])
    name: str = Field(description="That of the application, when the user was asked.", examples=["Files"])
    scopes: list[str] = Field(examples=[["openid", "email"]])
    resources: list[str] = Field(
        description="The services that its tokens may be for, besides this one.", examples=[["https://files.example"]]
    )
    created_at: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])
    last_used_at: datetime | None = Field(examples=["2026-01-31T12:00:00.000000Z"])

    @classmethod
    def of(cls, consent: Consent) -> GrantView:
        """The view of a consent."""
        return cls(
            client_id=consent.client_id,
            name=consent.client_name,
            scopes=list(consent.scopes),
            resources=list(consent.resources),
            created_at=consent.created_at,
            last_used_at=consent.last_used_at,
        )


class GrantList(View):
    """What a user lets applications have."""

    grants: list[GrantView]
    next: str | None = Field(default=None, examples=[None], description="Always null: a user has at most 100 grants.")

    @classmethod
    def of(cls, consents: Sequence[Consent]) -> GrantList:
        """The data of a reply with these consents."""
        return cls(grants=[GrantView.of(consent) for consent in consents])
