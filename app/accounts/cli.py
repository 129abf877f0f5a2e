"""`flask users`: its list here; the features that administer users add their commands to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from app.accounts.model import Users
from app.cli.common import as_json, failures_as_messages, say, wired
from app.platform.identifiers import email_key, username_key

if TYPE_CHECKING:
    from app.accounts.model import User

users = AppGroup(
    "users", help="Create, list, show, change and delete users. USER is an identifier, address or user name."
)


@users.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option("--after", help="Continue after this identifier.")
@as_json
def show(*, limit: int, after: str | None, as_json: bool) -> None:
    """List users in the order of their registration: identifier, status, e-mail, user name, roles."""
    with failures_as_messages():
        page = wired().get(Users).page(after=after, limit=limit, active_only=False)
    for user in page:
        say_user(user, as_json=as_json)


def user_named(name: str) -> User:
    """The user of this identifier, address or user name; ends the command if there is none."""
    repository = wired().get(Users)
    with failures_as_messages():
        account = repository.account(name)
        user = account.user if account is not None else None
        for key, find in (
            (email_key(name), repository.credentials_by_email),
            (username_key(name), repository.credentials_by_username),
        ):
            if user is None and key is not None and (found := find(key)) is not None:
                user = found.user
    if user is None or user.status == "deleted":
        raise click.ClickException(f"There is no user {name}.")
    return user


def say_user(user: User, *, as_json: bool) -> None:
    """Print a user: their identifier, status, e-mail, user name and roles."""
    columns = (user.id, user.status, user.email or "-", user.username or "-", ",".join(user.roles))
    say(facts_of(user), "\t".join(columns), as_json=as_json)


def facts_of(user: User) -> dict[str, Any]:
    """What `--json` shows of a user."""
    return {
        "id": user.id,
        "status": user.status,
        "email": user.email,
        "email_verified": user.email_verified,
        "username": user.username,
        "name": user.name,
        "roles": list(user.roles),
        "created_at": f"{user.created_at:%Y-%m-%dT%H:%M:%SZ}",
    }
