"""Signs of life as JSON."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import Literal

from pydantic import Field

from app.web.view import BareView


class Health(BareView):
    """The service answers."""

    status: Literal["success"] = "success"
    message: str = Field(examples=["OK"], description="OK, live or ready, depending on the endpoint.")
    timestamp: datetime = Field(examples=["2026-01-31T12:00:00.000000Z"])


class Ping(BareView):
    """The shortest sign of life."""

    status: Literal["ok"] = "ok"
