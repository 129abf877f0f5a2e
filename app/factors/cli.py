"""`flask users reset-factors`."""

from __future__ import annotations

from typing import Final

import click

from app.accounts.cli import say_user, user_named, users
from app.cli.common import as_json, failures_as_messages, wired
from app.factors.administration import FactorReset


@users.command("reset-factors")
@click.argument("name", metavar="USER")
@click.option("--reason", default="", help="Why; the user reads it, and their events show it.")
@as_json
def reset_factors(name: str, reason: str, *, as_json: bool) -> None:
    """Remove the second factors of a user who lost them. Their sessions end, and a mail tells them."""
    user = user_named(name)
    with failures_as_messages():
        changed = wired().get(FactorReset).reset(user.id, reason, None, None)
    say_user(changed, as_json=as_json)


COMMANDS: Final = (users,)
"""The group, to which this module adds."""
