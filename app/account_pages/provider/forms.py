"""The form of `pages.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.web.input import Body


class ProviderForm(Body):
    """With whom to log in, and where to go on."""

    provider: Annotated[str, Field(max_length=64)]
    request: Annotated[str, Field(max_length=500)] | None = Field(default=None, repr=False)
    to: Annotated[str, Field(max_length=500)] | None = None
