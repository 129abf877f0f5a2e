"""The bodies of requests about API keys."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.accounts.fields import Name
from app.roles.inputs import Permissions
from app.web.input import Body


class CreateApiKey(Body):
    """A new API key."""

    name: Name = Field(examples=["Nightly backup"])
    permissions: Permissions
    expires_in_days: Annotated[int, Field(ge=1, le=3650)] | None = Field(
        default=None,
        description="At most `API_KEY_MAX_DAYS` (365); without it `API_KEY_DAYS` (90).",
        examples=[30],
    )


class LeakedKey(Body):
    """An API key that somebody found."""

    key: str = Field(repr=False, examples=["lk_..."])
