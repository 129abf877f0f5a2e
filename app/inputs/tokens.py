"""The bodies of `controllers/tokens.py`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from app.inputs.base import Body


class Explain(Body):
    """Any token."""

    token: Annotated[str, Field(min_length=1, max_length=8192, repr=False)]
