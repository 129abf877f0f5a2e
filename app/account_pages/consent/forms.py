"""The form of `pages.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.web.input import Body


class ConsentForm(Body):
    """The answer to a request, by the user who was shown it."""

    request: Annotated[str, Field(max_length=100, repr=False)]
    user: Annotated[str, Field(max_length=64)]
    answer: Literal["allow", "deny"]
