"""`flask db`: the schema or the indexes of the store, by hand. A start does the same by itself."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app import wiring
from app.cli.common import failures_as_messages, is_note, wired
from app.dependencies import StartError

db = AppGroup("db", help="Bring the store up to date, or show what it lacks.")


@db.command("upgrade")
def upgrade() -> None:
    """Run the migrations, or make the indexes, that are missing; make the first signing key."""
    with failures_as_messages():
        try:
            wiring.prepare(wired().settings, patience=0)
        except StartError as error:
            raise click.ClickException(str(error)) from None
    click.echo("up to date")


@db.command("check")
def check() -> None:
    """Show what is missing or different; ends with 1 if anything is."""
    with failures_as_messages():
        problems = wired().store.problems()
    for problem in problems:
        click.echo(problem)
    raise SystemExit(int(not all(map(is_note, problems))))
