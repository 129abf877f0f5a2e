"""The bodies and queries of requests about users."""

from __future__ import annotations

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field

from app.accounts.fields import Email, Name, Username
from app.administration.search import ListedStatus  # noqa: TC001 - pydantic reads the annotation
from app.roles.inputs import RoleName, RoleNames
from app.web.input import Body, wrong
from app.web.paging import Limited

_LONGEST_PREFIX = 254


def _prefix(text: str) -> str | None:
    trimmed = text.strip()
    if any(unicodedata.category(character) == "Cc" for character in trimmed):
        raise wrong("invalid_prefix", "A name contains no control characters.")
    return trimmed or None


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class SetRoles(Body):
    """The roles that a user shall have, and no others."""

    roles: RoleNames


class FindUsers(Limited):
    """Which users, and which part of the list."""

    q: Annotated[str, Field(max_length=_LONGEST_PREFIX), AfterValidator(_prefix)] | None = Field(
        default=None,
        description="How their e-mail address, user name or name begins, whatever the case.",
    )
    role: RoleName | None = Field(default=None, description="A role that they have.")
    status: ListedStatus | None = Field(default=None, description="Their status.")
    cursor: str | None = Field(
        default=None,
        max_length=4_000,
        description="The `next` of the previous page of the same query. Without it, the list starts at the beginning.",
    )


class UpdateUser(Body):
    """New values. A field that is left out does not change. A `name` of null removes the name."""

    # The defaults stand for "not given"; nobody can send them.
    model_config = ConfigDict(json_schema_extra=_without_defaults)

    email: Email = ""
    username: Username = ""
    name: Name | None = None
    email_verified: bool = Field(
        default=None,  # type: ignore[assignment]
        description="Whether the address counts as proven: the word of the administrator instead of a mail.",
        examples=[True],
    )


class ResetPassword(Body):
    """Whether the user's sessions end at once."""

    end_sessions: bool = Field(default=False, description="Whether all sessions end at once.")
