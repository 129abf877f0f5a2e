"""The form of `pages.py`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from app.web.input import Body

_LONGEST_TYPED = 64


class DeviceForm(Body):
    """The code; and, once its user has seen what the device asks for, their answer. `user` is who saw it."""

    user_code: Annotated[str, Field(max_length=_LONGEST_TYPED, repr=False)]
    user: Annotated[str, Field(max_length=64)] | None = None
    answer: Literal["allow", "deny"] | None = None
