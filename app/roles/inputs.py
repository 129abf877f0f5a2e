"""The bodies of requests about roles."""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field

from app.web.input import Body, wrong

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_PERMISSION: Final = re.compile(r"[a-z][a-z0-9_-]{0,31}:[a-z][a-z0-9_-]{0,31}")
_MOST: Final = 100
"""The most permissions of a role, and roles of a user."""


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise wrong(
            "invalid_role",
            "The name of a role has 1 to 64 small letters, digits, `_` and `-`, and begins with a letter.",
        )
    return name


def _permissions(permissions: list[str]) -> list[str]:
    if not all(map(_PERMISSION.fullmatch, permissions)):
        raise wrong("invalid_permission", "A permission is named like users:read, in small letters.")
    return sorted(set(permissions))


def _roles(roles: list[str]) -> list[str]:
    if not all(map(_NAME.fullmatch, roles)):
        raise wrong("invalid_role", "Each of these has to be the name of a role.")
    return list(dict.fromkeys(roles))


def _description(text: str) -> str:
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise wrong("invalid_description", "A description contains no control characters.")
    return text


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


RoleName = Annotated[
    str,
    AfterValidator(_name),
    Field(examples=["editor"], json_schema_extra={"pattern": rf"^{_NAME.pattern}$"}),
]
Permissions = Annotated[
    list[str],
    Field(max_length=_MOST, description="Their names, like `users:read`.", examples=[["users:read"]]),
    AfterValidator(_permissions),
]
RoleNames = Annotated[
    list[str], Field(max_length=_MOST, description="The names of roles.", examples=[["member"]]), AfterValidator(_roles)
]
Description = Annotated[
    str,
    Field(max_length=200, description="At most 200 characters in one line.", examples=["Edits texts."]),
    AfterValidator(_description),
]
RequireSecondFactor = Annotated[
    bool,
    Field(description="Whether the next login of who has it needs a second factor.", examples=[False]),
]


class CreateRole(Body):
    """A new role."""

    name: RoleName
    permissions: Permissions
    description: Description | None = None
    require_second_factor: RequireSecondFactor = False


class UpdateRole(Body):
    """What a role shall permit or require, or how it is described. A field that is left out does not change."""

    # The defaults stand for "not given": what was given is in `model_fields_set`.
    model_config = ConfigDict(json_schema_extra=_without_defaults)

    permissions: Permissions = Field(default_factory=list)
    description: Description | None = None
    require_second_factor: RequireSecondFactor = False
