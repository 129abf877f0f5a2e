"""`flask users create` and `flask users rescue`: users who set their password by a link of the operator."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click
from pydantic import ValidationError

from app.accounts.cli import facts_of, say_user, user_named, users
from app.accounts.fields import InputRules
from app.accounts.inputs import Names, Register
from app.accounts.registration import NewAccount, RegistrationService
from app.cli.common import as_json, failures_as_messages, say, wired
from app.invitations.rescue import RescueService
from app.invitations.service import InvitationService, Invitee
from app.roles.service import Roles

if TYPE_CHECKING:
    from app.accounts.model import User
    from app.invitations.service import Link


@users.command("create")
@click.option("--email", help="E-mail address.")
@click.option("--username", help="User name.")
@click.option("--name", help="Full name.")
@click.option("--role", "roles", multiple=True, help="A role; can be repeated.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@as_json
def create(*, roles: tuple[str, ...], password_stdin: bool, as_json: bool, **names: str | None) -> None:
    """Create a user; with --role admin, an administrator.

    On a terminal it asks for the password. Without one it prints a link that works once, within seven days, and with
    which the user sets their password.
    """
    application = wired()
    password = _password_from_stdin() if password_stdin else _password_asked_for()
    valid = _validated({**names, "password": password} if password is not None else names)
    with failures_as_messages():
        application.store.prepare()  # the first administrator may come before the first start
        if unknown := application.get(Roles).unknown(roles):
            known = ", ".join(application.get(Roles).names())
            raise click.ClickException(f"There is no role {', '.join(unknown)}; the roles are {known}.")
        if isinstance(valid, Register):
            account = NewAccount(email=valid.email, username=valid.username, name=valid.name, password=valid.password)
            registration = application.get(RegistrationService)
            user = registration.register(account, roles=roles or None, made_by="command").user
            say(facts_of(user), f"{user.id}  {user.email or user.username}  {', '.join(user.roles)}", as_json=as_json)
            return
        invitations = application.get(InvitationService)
        invitee = Invitee(valid.email, valid.username, valid.name, roles or None)
        user = invitations.add(invitee, "command").user
        _say_link(user, invitations.link(user.id), as_json=as_json)


@users.command("rescue")
@click.argument("name", metavar="USER")
@as_json
def rescue(name: str, *, as_json: bool) -> None:
    """Let a user in who is locked out: unlock and enable them, and print a link with which they set a new password.

    The link works once, within an hour (that of an invited user within seven days). It does not log them out.
    """
    user = user_named(name)
    with failures_as_messages():
        rescued, link = wired().get(RescueService).rescue(user.id)
    _say_link(rescued, link, as_json=as_json)


def _say_link(user: User, link: Link, *, as_json: bool) -> None:
    until = f"{link.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    if as_json:
        say({**facts_of(user), "link": link.url, "expires_at": until}, "", as_json=True)
        return
    say_user(user, as_json=False)
    click.echo(link.url)
    click.echo(f"The link works once, until {until}. Give it to nobody but this user.", err=True)


def _validated(given: dict[str, Any]) -> Names:
    """The input of a registration, without a password if none is given."""
    present = {name: value for name, value in given.items() if value or name == "password"}
    try:
        "".join(present.values()).encode()
    except UnicodeEncodeError:  # without a cause, which would show the password
        raise click.ClickException("The input is not UTF-8 text; use a terminal with a UTF-8 locale.") from None
    rules = InputRules(password_min_length=wired().get(InputRules).password_min_length)
    try:
        return (Register if "password" in present else Names).model_validate(present, context=rules)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, detail['loc']))}: {detail['msg']}" for detail in error.errors()]
    raise click.ClickException("\n  ".join(["Some values are wrong.", *lines]))


def _password_from_stdin() -> str:
    """The password from the standard input, unchanged except for a byte order mark and the end of the line."""
    text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    password = text.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")
    if "\n" in password:
        raise click.ClickException("The standard input holds more than one line.")
    return password


def _password_asked_for() -> str | None:
    """The password, typed twice at a prompt; None if none is typed, or there is no terminal."""
    if not sys.stdin.isatty():
        return None
    password = str(click.prompt("Password (none: print a link)", hide_input=True, default="", show_default=False))
    if not password:
        return None
    if click.prompt("Repeat for confirmation", hide_input=True) != password:
        raise click.ClickException("The two passwords do not match.")
    return password


COMMANDS: Final = (users,)
"""The group, to which this module adds."""
