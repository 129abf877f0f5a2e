"""Tokens as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from app.views.base import View
from app.views.users import UserView

if TYPE_CHECKING:
    from app.services.sessions import OpenedSession


_ACCESS_TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6Ii..."  # noqa: S105 - the beginning of an example


class TokenPair(View):
    """The tokens of a session, and its user."""

    access_token: str = Field(description="A JWT (RFC 9068).", examples=[_ACCESS_TOKEN])
    token: str = Field(
        description="The same as `access_token`, under the name that the oldest clients read.", examples=[_ACCESS_TOKEN]
    )
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - the type of the token, RFC 6750
    expires_in: int = Field(description="Seconds until the access token expires.", examples=[900])
    refresh_token: str = Field(description="Opaque.", examples=["AAEBmh9TVF-9c4Ikh..."])
    refresh_expires_in: int = Field(description="Seconds until the refresh token expires.", examples=[2592000])
    user: UserView

    @classmethod
    def of(cls, opened: OpenedSession) -> TokenPair:
        """The data of a reply that opens a session."""
        return cls(
            access_token=opened.access_token,
            token=opened.access_token,
            expires_in=opened.expires_in,
            refresh_token=opened.refresh_token,
            refresh_expires_in=opened.refresh_expires_in,
            user=UserView.of(opened.user),
        )
