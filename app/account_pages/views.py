"""Well-known documents as JSON: their shape is that of their specifications."""

from __future__ import annotations

from pydantic import Field

from app.web.view import BareView

_PAGE = "https://auth.example.com/account/passkeys"


class PasskeyEndpoints(BareView):
    """Where a user adds and manages passkeys (W3C, "A Well-Known URL for Relying Party Passkey Endpoints")."""

    enroll: str = Field(description="The page that adds one.", examples=[_PAGE])
    manage: str = Field(description="The page that lists them.", examples=[_PAGE])


class RelatedOrigins(BareView):
    """Origins whose pages may use the passkeys of this one (WebAuthn Level 3, section 5.11)."""

    origins: list[str] = Field(examples=[["https://auth.example.com", "https://example.net"]])
