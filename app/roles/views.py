"""Roles as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from app.roles.model import BUILT_IN
from app.web.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.roles.model import Role


class RoleView(View):
    """A role."""

    name: str = Field(examples=["editor"])
    permissions: list[str] = Field(examples=[["users:read"]])
    description: str | None = Field(examples=["Edits texts."])
    built_in: bool = Field(description="Whether it is always there.", examples=[False])
    require_second_factor: bool = Field(
        description="Whether the next login of who has it needs a second factor. Of `admin`, the setting"
        " `REQUIRE_SECOND_FACTOR` says so; with `all`, every login needs one, whatever this is.",
        examples=[False],
    )

    @classmethod
    def of(cls, role: Role) -> RoleView:
        """The view of a role."""
        return cls(
            name=role.name,
            permissions=sorted(role.permissions),
            description=role.description,
            built_in=role.name in BUILT_IN,
            require_second_factor=bool(role.require_second_factor),
        )


class RoleData(View):
    """One role."""

    role: RoleView

    @classmethod
    def of(cls, role: Role) -> RoleData:
        """The data of a reply about one role."""
        return cls(role=RoleView.of(role))


class RoleList(View):
    """A page of roles, and all permissions that they can hold."""

    roles: list[RoleView]
    next: str | None = Field(description="The `cursor` of the next page; null at the end.", examples=[None])
    permissions: list[str] = Field(description="Every permission there is.", examples=[["roles:write", "users:read"]])

    @classmethod
    def of(cls, roles: Iterable[Role], after: str | None, permissions: Iterable[str]) -> RoleList:
        """The data of a reply with some roles; `after` is the cursor of the next ones."""
        return cls(roles=[RoleView.of(role) for role in roles], next=after, permissions=sorted(permissions))
