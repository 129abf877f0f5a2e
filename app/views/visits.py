"""The count of visits as JSON."""

from __future__ import annotations

from pydantic import Field

from app.views.base import View


class VisitCount(View):
    """How many visits there have been."""

    visits: int = Field(examples=[42], description="With this one.", json_schema_extra={"format": "int64"})
