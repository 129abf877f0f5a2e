"""`flask users`: what the operator does to a user, as an administrator may do by the API."""

from __future__ import annotations

from typing import Final

import click

from app.accounts.cli import facts_of, say_user, user_named, users
from app.accounts.grants import GrantService
from app.administration.users import UserAdministration
from app.cli.common import as_json, failures_as_messages, say, wired
from app.roles.service import Roles

_USER = click.argument("name", metavar="USER")


@users.command("show")
@_USER
@as_json
def show(name: str, *, as_json: bool) -> None:
    """Show a user: also what their roles permit, and when they last logged in."""
    user = user_named(name)
    with failures_as_messages():
        permissions = sorted(wired().get(Roles).permissions_of(user.roles))
    last = f"{user.last_login_at:%Y-%m-%dT%H:%M:%SZ}" if user.last_login_at else None
    facts = facts_of(user) | {"permissions": permissions, "last_login_at": last}
    lines = (f"{field}: {_in_words(value)}" for field, value in facts.items())
    say(facts, "\n".join(lines), as_json=as_json)


@users.command("disable")
@_USER
@as_json
def disable(name: str, *, as_json: bool) -> None:
    """Shut a user out, at once and everywhere."""
    user = user_named(name)
    with failures_as_messages():
        changed = wired().get(UserAdministration).disable(user.id, None, None)
    say_user(changed, as_json=as_json)


@users.command("enable")
@_USER
@as_json
def enable(name: str, *, as_json: bool) -> None:
    """Let a disabled user in again."""
    user = user_named(name)
    with failures_as_messages():
        changed = wired().get(UserAdministration).enable(user.id, None, None)
    say_user(changed, as_json=as_json)


@users.command("unlock")
@_USER
@as_json
def unlock(name: str, *, as_json: bool) -> None:
    """Forget a user's wrong passwords, so that they need not wait."""
    user = user_named(name)
    with failures_as_messages():
        changed = wired().get(UserAdministration).unlock(user.id, None, None)
    say_user(changed, as_json=as_json)


@users.command("delete")
@_USER
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def delete(name: str, *, yes: bool, as_json: bool) -> None:
    """Delete a user and all that belongs to them."""
    user = user_named(name)
    if not yes:
        click.confirm(
            f"Delete {user.email or user.username or user.id} and all that belongs to them?", abort=True, err=True
        )
    with failures_as_messages():
        wired().get(UserAdministration).delete(user.id, None, None)
    say({"deleted": [user.id]}, f"{user.id} is deleted", as_json=as_json)


@users.command("set-roles")
@_USER
@click.argument("roles", metavar="[ROLE]...", nargs=-1)
@as_json
def set_roles(name: str, roles: tuple[str, ...], *, as_json: bool) -> None:
    """Give a user these roles and no others; without any, take all."""
    user = user_named(name)
    with failures_as_messages():
        changed = wired().get(GrantService).set_roles(None, user.id, tuple(dict.fromkeys(roles)), None)
    say_user(changed, as_json=as_json)


@users.command("reset-password")
@_USER
@click.option("--end-sessions", is_flag=True, help="Also log the user out everywhere.")
@as_json
def reset_password(name: str, *, end_sessions: bool, as_json: bool) -> None:
    """Mail a user what they set a new password with; an invited one gets their invitation again.

    flask users rescue prints a link instead.
    """
    user = user_named(name)
    with failures_as_messages():
        changed = wired().get(UserAdministration).start_reset(user.id, None, None, end_sessions=end_sessions)
    say_user(changed, as_json=as_json)


def _in_words(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None else str(value)


COMMANDS: Final = (users,)
"""The group, to which this module adds."""
