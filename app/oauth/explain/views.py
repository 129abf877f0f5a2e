"""Why a request is refused, as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from app.web.view import View

if TYPE_CHECKING:
    from app.oauth.explain.service import Verdict


class ExplainedRequest(View):
    """Whether the authorization server would accept a request now, or exactly why not."""

    accepted: bool = Field(examples=[False])
    reason: str | None = Field(description="Null if it is accepted.", examples=["redirect_uri_not_registered"])
    detail: str = Field(
        examples=["redirect_uri is not registered. The nearest one that is: https://shop.example.com/callback"]
    )

    @classmethod
    def of(cls, verdict: Verdict) -> ExplainedRequest:
        """The view of a verdict."""
        return cls(accepted=verdict.accepted, reason=verdict.reason, detail=verdict.detail)
