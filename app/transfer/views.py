"""What users see of where they came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from app.web.view import View

if TYPE_CHECKING:
    from app.accounts.imported import Imported


class LinkedIdentityView(View):
    """The user at a provider, as the other system had it linked."""

    provider: str = Field(examples=["google-oauth2"])
    subject: str = Field(examples=["117465"])


class ImportedView(View):
    """The system that the user came from."""

    source: str = Field(examples=["keycloak"])
    id: str = Field(description="The identifier of the user there.", examples=["8f14e45f"])
    identities: list[LinkedIdentityView]

    @classmethod
    def of(cls, imported: Imported) -> ImportedView:
        """The view, without the secrets."""
        linked = [LinkedIdentityView(provider=each.provider, subject=each.subject) for each in imported.identities]
        return cls(source=imported.source, id=imported.id, identities=linked)
