"""Roles and the permissions they hold, and the guard that keeps the last administrator."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from app.audit.service import Audit
from app.feature import DeclaredPermissions, Feature, Job, Tag
from app.roles import cli, controller
from app.roles.administrators import Administrators
from app.roles.authority import Authority
from app.roles.editing import RoleEditor
from app.roles.model import Guards, RoleBooks, RoleHolders
from app.roles.service import Roles

if TYPE_CHECKING:
    from app.platform.container import Container


def _roles(parts: Container) -> Roles:
    return Roles(parts.get(RoleBooks), parts.get(DeclaredPermissions).permissions)


def _editor(parts: Container) -> RoleEditor:
    return RoleEditor(
        parts.get(RoleBooks),
        parts.get(RoleHolders),
        parts.get(Authority),
        parts.get(Audit),
        parts.get(DeclaredPermissions).permissions,
        parts.settings.accounts.default_roles,
        parts.settings.accounts.require_second_factor != "off",
    )


FEATURE = Feature(
    tags=(
        Tag(
            "roles",
            "Roles, and who has them.",
            (controller.roles, controller.create, controller.update, controller.delete),
        ),
    ),
    services={
        Roles: _roles,
        RoleEditor: _editor,
        Administrators: lambda parts: Administrators(parts.get(Guards), parts.get(RoleHolders)),
    },
    repositories=(RoleBooks, Guards),
    jobs=(
        lambda parts: Job("roles", timedelta(hours=1), parts.get(RoleEditor).settle_retired),
        lambda parts: Job("administrators", timedelta(hours=1), parts.get(Administrators).tend),
    ),
    permissions=frozenset({"roles:read", "roles:write"}),
    commands=(cli.roles,),
)
