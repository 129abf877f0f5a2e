"""The count of visits as JSON."""

from __future__ import annotations

from pydantic import Field

from app.web.view import View


class VisitCount(View):
    """The number of visits so far."""

    visits: int = Field(examples=[42], description="Including this visit.", json_schema_extra={"format": "int64"})
