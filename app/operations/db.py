"""`flask db`: the schema or the indexes of the store, by hand. The service does the same at start."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.cli.common import as_json, failures_as_messages, is_note, say, wired

db = AppGroup("db", help="Bring the store up to date, or show what it lacks.")


@db.command("upgrade")
@as_json
def upgrade(*, as_json: bool) -> None:
    """Run the missing migrations, or create the missing indexes; make the first signing key."""
    with failures_as_messages():
        wired().prepare()
    say({"store": wired().store.common_name, "problems": []}, "up to date", as_json=as_json)


@db.command("check")
@as_json
def check(*, as_json: bool) -> None:
    """Show what is missing or different; exits with 1 if anything is."""
    with failures_as_messages():
        problems = wired().store.problems()
    if as_json:
        say({"store": wired().store.common_name, "problems": problems}, "", as_json=True)
    else:
        for problem in problems:
            click.echo(problem)
    raise SystemExit(int(not all(map(is_note, problems))))
