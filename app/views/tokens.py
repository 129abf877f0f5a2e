"""Explanations of tokens as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from app.views.base import View

if TYPE_CHECKING:
    from app.services.explain import Explanation


class ExplanationView(View):
    """What a token is, and why it is refused."""

    kind: Literal["access_token", "jwt", "opaque"] = Field(examples=["access_token"])
    accepted: bool | None = Field(examples=[False], description="Null unless this is an access token.")
    reason: str | None = Field(description="Null when the token is accepted.", examples=["expired"])
    detail: str = Field(examples=["It has expired: refresh, or log in again."])
    header: dict[str, Any] | None = Field(
        examples=[{"typ": "at+jwt", "alg": "ES256", "kid": "5Om_FZ8kqHyoLqBE"}], description="As read, verified or not."
    )
    claims: dict[str, Any] | None = Field(
        examples=[{"sub": "019a9d5c-5a3e-7b1a-9f43-6d0c3f1e2b7a", "exp": 1769861700}],
        description="As read, verified or not.",
    )

    @classmethod
    def of(cls, explanation: Explanation) -> ExplanationView:
        """The data of a reply that explains a token."""
        return cls(
            kind=explanation.kind,
            accepted=explanation.accepted,
            reason=explanation.reason,
            detail=explanation.detail,
            header=explanation.header,
            claims=explanation.claims,
        )
