"""The bodies of `controllers/sessions.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.inputs.base import Body


class Refresh(Body):
    """A refresh token; without it, the token in `Authorization: Bearer` is used."""

    refresh_token: Annotated[str, Field(min_length=1, max_length=1000)] | None = Field(default=None, repr=False)


class Logout(Body):
    """Which sessions to end: this one, all others, or all."""

    scope: Literal["this", "others", "all"] = "this"
