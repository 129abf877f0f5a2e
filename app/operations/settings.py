"""`flask settings`: the settings, and whether they are right."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import AppGroup, with_appcontext

from app.cli.common import as_json, running_in, say, wired
from app.config.listing import listed
from app.platform.failure import StartError


@click.group("settings", cls=AppGroup, invoke_without_command=True)
@as_json
@click.pass_context
@with_appcontext
def settings(context: click.Context, *, as_json: bool) -> None:
    """Show every setting: its name, its value (secrets are masked), and where it comes from."""
    if context.invoked_subcommand is not None:
        return
    for each in listed(wired().settings):
        facts = {"name": each.name, "value": each.value, "origin": each.origin, "secret": each.secret}
        say(facts, f"{each.name}={each.value or ''}\t{each.origin}", as_json=as_json)


@settings.command("check")
@as_json
def check(*, as_json: bool) -> None:
    """Check the settings without starting the service; exits with 1 and names each that is wrong.

    The store, mail and other servers are not asked: flask doctor does that.
    """
    problems: list[str] = []
    try:
        running_in(current_app)
    except StartError as error:
        problems = str(error).splitlines()
    say({"problems": problems}, "\n".join(problems) or "The settings are right.", as_json=as_json)
    raise SystemExit(int(bool(problems)))
