"""`flask users`: create and list users."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup
from pydantic import ValidationError

from app.accounts.fields import InputRules
from app.accounts.inputs import Register
from app.accounts.model import Users
from app.accounts.registration import NewAccount, RegistrationService
from app.cli.common import as_json, failures_as_messages, say, wired
from app.roles.service import Roles

if TYPE_CHECKING:
    from app.accounts.model import User

users = AppGroup("users", help="Create and list users.")


@users.command("create")
@click.option("--email", help="E-mail address.")
@click.option("--username", help="User name.")
@click.option("--name", help="Full name.")
@click.option("--role", "roles", multiple=True, help="A role; can be repeated.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@as_json
def create(
    *,
    email: str | None,
    username: str | None,
    name: str | None,
    roles: tuple[str, ...],
    password_stdin: bool,
    as_json: bool,
) -> None:
    """Create a user, as a registration would; with --role admin, an administrator. Prompts for the password."""
    application = wired()
    password = _password_from_stdin() if password_stdin else _password_asked_for()
    given = {"email": email, "username": username, "name": name, "password": password}
    try:
        "".join(value for value in given.values() if value).encode()
    except UnicodeEncodeError:  # without a cause, which would show the password
        raise click.ClickException("The input is not UTF-8 text; use a terminal with a UTF-8 locale.") from None
    rules = InputRules(password_min_length=application.get(InputRules).password_min_length)
    try:
        valid = Register.model_validate({key: value for key, value in given.items() if value}, context=rules)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()]
        raise click.ClickException("\n  ".join(["Some values are wrong.", *lines])) from None
    account = NewAccount(email=valid.email, username=valid.username, name=valid.name, password=valid.password)
    with failures_as_messages():
        application.store.prepare()  # the first administrator may come before the first start
        if unknown := application.get(Roles).unknown(roles):
            known = ", ".join(application.get(Roles).names())
            raise click.UsageError(f"There is no role {', '.join(unknown)}; the roles are {known}.")
        user = application.get(RegistrationService).register(account, roles=roles or None).user
    say(_facts(user), f"{user.id}  {user.email or user.username}  {', '.join(user.roles)}", as_json=as_json)


@users.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option("--after", help="Continue after this identifier.")
@as_json
def show(*, limit: int, after: str | None, as_json: bool) -> None:
    """List users in the order of their registration: identifier, status, e-mail, user name, roles."""
    with failures_as_messages():
        page = wired().get(Users).page(after=after, limit=limit, active_only=False)
    for user in page:
        columns = (user.id, user.status, user.email or "-", user.username or "-", ",".join(user.roles))
        say(_facts(user), "\t".join(columns), as_json=as_json)


def _password_from_stdin() -> str:
    """The password from the standard input, unchanged except for a byte order mark and the end of the line."""
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    password = text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")
    if "\n" in password:
        raise click.ClickException("The standard input holds more than one line.")
    return password


def _password_asked_for() -> str:
    """The password, typed twice at a prompt."""
    try:
        return str(click.prompt("Password", hide_input=True, confirmation_prompt=True))
    except click.Abort:
        if sys.stdin.isatty():
            raise
        raise click.UsageError("There is no terminal to prompt for the password: use --password-stdin.") from None


def _facts(user: User) -> dict[str, Any]:
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
