"""Roles, for those who administer them."""

from __future__ import annotations

from app.platform.errors import Forbidden, NotFound, RoleExists, RoleInUse, ValidationFailed
from app.roles.editing import RoleChanges, RoleEditor
from app.roles.inputs import CreateRole, UpdateRole
from app.roles.model import ADMINISTRATOR, Role
from app.roles.views import RoleData, RoleList
from app.web.call import Call
from app.web.endpoint import endpoint
from app.web.guard import permission
from app.web.paging import Part
from app.web.view import Nothing


@endpoint(
    "GET /admin/roles",
    access=permission("roles:read").by("session", "api_key"),
    operation="listRoles",
    query=Part,
    returns=RoleList,
    raises=(ValidationFailed,),
)
def roles(call: Call, part: Part) -> RoleList:
    """The roles with their permissions, `admin` first, then by name; and all permissions that there are."""
    editor = call.get(RoleEditor)
    some, after = part.of(editor.listed(), lambda role: "" if role.name == ADMINISTRATOR else role.name, "roles")
    return RoleList.of(some, after, editor.declared)


@endpoint(
    "POST /admin/roles",
    access=permission("roles:write").by("session", "api_key"),
    operation="createRole",
    body=CreateRole,
    returns=RoleData,
    status=201,
    message="Role created",
    raises=(RoleExists, Forbidden),
)
def create(call: Call, body: CreateRole) -> RoleData:
    """Create a role. Nobody gives it a permission that they do not hold themselves.

    With `require_second_factor`, who has it and has no second factor adds one at their next login.
    """
    required = body.require_second_factor or None
    role = Role(body.name, tuple(body.permissions), body.description, require_second_factor=required)
    return RoleData.of(call.get(RoleEditor).create(role, call.caller, call.device))


@endpoint(
    "PATCH /admin/roles/<name>",
    access=permission("roles:write").by("session", "api_key"),
    operation="updateRole",
    body=UpdateRole,
    returns=RoleData,
    raises=(NotFound, Forbidden),
)
def update(call: Call, body: UpdateRole, name: str) -> RoleData:
    """Change the permissions or the description of a role: for all who have it, from their next request on.

    `require_second_factor` works from their next login on. It needs all permissions that the role has, and all that it
    shall have. `admin` cannot be changed.
    """
    changes = RoleChanges(
        permissions=tuple(body.permissions) if "permissions" in body.model_fields_set else None,
        description=body.description,
        describes="description" in body.model_fields_set,
        require_second_factor=body.require_second_factor if "require_second_factor" in body.model_fields_set else None,
    )
    return RoleData.of(call.get(RoleEditor).change(name, changes, call.caller, call.device))


@endpoint(
    "DELETE /admin/roles/<name>",
    access=permission("roles:write").by("session", "api_key"),
    operation="deleteRole",
    returns=Nothing,
    message="Role deleted",
    raises=(NotFound, Forbidden, RoleInUse),
)
def delete(call: Call, name: str) -> Nothing:
    """Delete a role that no user has. `admin` and `member` cannot be deleted."""
    call.get(RoleEditor).delete(name, call.caller, call.device)
    return Nothing()
