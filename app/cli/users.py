"""`flask users`: making and listing users."""

from __future__ import annotations

import click
from flask.cli import AppGroup
from pydantic import ValidationError

from app.cli.common import failures_as_messages, wired
from app.inputs.auth import Register
from app.inputs.fields import InputRules
from app.services.permissions import ROLES
from app.services.registration import NewAccount

users = AppGroup("users", help="Make and list users.")


@users.command("create")
@click.option("--email", help="E-mail address.")
@click.option("--username", help="User name.")
@click.option("--name", help="Full name.")
@click.option("--role", "roles", multiple=True, type=click.Choice(sorted(ROLES)), help="A role; can be repeated.")
@click.option("--password", prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for if not given.")
def create(email: str | None, username: str | None, name: str | None, roles: tuple[str, ...], password: str) -> None:
    """Make a user, as a registration would; with --role admin an administrator."""
    application = wired()
    given = {"email": email, "username": username, "name": name, "password": password}
    try:
        "".join(value for value in given.values() if value).encode()
    except UnicodeEncodeError:  # without a cause, which would show the password
        raise click.ClickException("What was typed is not UTF-8 text; set the terminal's locale to one.") from None
    rules = InputRules(password_min_length=application.input_rules.password_min_length)
    try:
        valid = Register.model_validate({key: value for key, value in given.items() if value}, context=rules)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()]
        raise click.ClickException("\n  ".join(["Some values are wrong.", *lines])) from None
    account = NewAccount(email=valid.email, username=valid.username, name=valid.name, password=valid.password)
    with failures_as_messages():
        application.store.prepare()  # the first administrator may come before the first start
        user = application.services.registration.register(account, roles=roles or None).user
    click.echo(f"{user.id}  {user.email or user.username}  {', '.join(user.roles)}")


@users.command("list")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="How many.")
@click.option("--after", help="Go on behind this identifier.")
def show(limit: int, after: str | None) -> None:
    """List users in the order of their registration: identifier, status, e-mail, user name, roles."""
    with failures_as_messages():
        page = wired().store.users.page(after=after, limit=limit, active_only=False)
    for user in page:
        click.echo("\t".join((user.id, user.status, user.email or "-", user.username or "-", ",".join(user.roles))))
