"""Which audit events a request asks for."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, BeforeValidator, Field, ValidationInfo

from app.audit.model import Place, Search
from app.audit.signatures import in_text
from app.platform.identifiers import is_identifier
from app.web.cursors import cursor_at, place_at
from app.web.input import wrong
from app.web.paging import Limited

_RFC_3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_ACTION: Final = re.compile(r"[a-z_]+\.[a-z_]+", re.ASCII)
_LONGEST_ACTION: Final = 64


def parse_since(text: object) -> datetime:
    """The point in time that a text says as RFC 3339 has it; raises a pydantic error for any other."""
    if isinstance(text, str) and _RFC_3339.fullmatch(text):
        try:
            return datetime.fromisoformat(text.upper()).astimezone(UTC)
        except (ValueError, OverflowError):
            pass
    raise wrong("invalid_time", "This has to be a time as in 2026-01-31T12:00:00Z (RFC 3339).")


def _of_a_user(text: str) -> str:
    if not is_identifier(text):
        raise wrong("invalid_id", "This has to be the identifier of a user.")
    return text


def _named_as_one(text: str) -> str:
    if len(text) > _LONGEST_ACTION or not _ACTION.fullmatch(text):
        raise wrong("invalid_action", "An action has the form of user.registered.")
    return text


def _of_this_query(cursor: str, info: ValidationInfo) -> str:
    try:
        at, event_id = place_at(cursor, _query_of(*(info.data.get(name) for name in ("user", "action", "since"))))
        is_place = in_text(datetime.fromisoformat(at)) == at and is_identifier(event_id)
    except (ValueError, OverflowError):  # the second of a time before the year 1
        is_place = False
    if not is_place:
        raise wrong("invalid_cursor", "This is not a cursor of this query.")
    return cursor


class SearchEvents(Limited):
    """Which events, and which part of them."""

    user: Annotated[str, AfterValidator(_of_a_user)] | None = Field(
        default=None, description="Only events of the user with this identifier."
    )
    action: Annotated[str, AfterValidator(_named_as_one)] | None = Field(
        default=None, description="Only events of this action, as `session.opened`."
    )
    since: Annotated[datetime, BeforeValidator(parse_since)] | None = Field(
        default=None, description="Only events at or after this time (RFC 3339)."
    )
    cursor: Annotated[str, AfterValidator(_of_this_query)] | None = Field(
        default=None,
        max_length=200,
        description="The `next` of the previous page of the same query. Without it, the list starts at the beginning.",
    )

    @property
    def wanted(self) -> Search:
        """The events that are looked for."""
        return Search(self.user, self.action, self.since)

    @property
    def before(self) -> Place | None:
        """Where the page begins."""
        if self.cursor is None:
            return None
        at, event_id = place_at(self.cursor, _query_of(self.user, self.action, self.since))
        return Place(datetime.fromisoformat(at), event_id)

    def cursor_behind(self, place: Place | None) -> str | None:
        """The cursor of the page behind this place; None at the end."""
        if place is None:
            return None
        return cursor_at([in_text(place.at), place.event_id], _query_of(self.user, self.action, self.since))


def _query_of(user: str | None, action: str | None, since: datetime | None) -> list[str | None]:
    return [user, action, None if since is None else since.isoformat()]
