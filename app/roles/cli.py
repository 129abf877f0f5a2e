"""`flask roles`: the roles, and the sample roles."""

from __future__ import annotations

from flask.cli import AppGroup

from app.cli.common import as_json, failures_as_messages, say, wired
from app.roles.editing import RoleEditor

roles = AppGroup("roles", help="Show the roles, and install the sample roles.")


@roles.command("list")
@as_json
def show(*, as_json: bool) -> None:
    """List the roles with their permissions, and whether their users need a second factor."""
    with failures_as_messages():
        found = wired().get(RoleEditor).listed()
    for role in found:
        facts = {
            "name": role.name,
            "permissions": sorted(role.permissions),
            "description": role.description,
            "require_second_factor": bool(role.require_second_factor),
        }
        needed = "second factor" if role.require_second_factor else "-"
        line = "\t".join((role.name, ",".join(sorted(role.permissions)) or "-", role.description or "-", needed))
        say(facts, line, as_json=as_json)


@roles.command("load")
@as_json
def load(*, as_json: bool) -> None:
    """Install the sample roles instructor and student. A role that is there already stays as it is."""
    application = wired()
    with failures_as_messages():
        application.store.prepare()  # a role in DEFAULT_ROLES has to be there before the first start
        added, kept = application.get(RoleEditor).install_samples()
    lines = [*(f"{name} was added" for name in added), *(f"{name} is there already" for name in kept)]
    say({"added": added, "kept": kept}, "\n".join(lines), as_json=as_json)
