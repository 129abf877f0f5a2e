"""`flask token`: what a token is."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from app.cli.common import failures_as_messages, wired

token = AppGroup("token", help="Explain tokens.")
_TIMES = ("iat", "nbf", "exp")


@token.command("explain")
@click.argument("text", metavar="TOKEN")
def explain(text: str) -> None:
    """Show what TOKEN is, what it says, and whether, or why not, it is accepted at this moment."""
    with failures_as_messages():
        explanation = wired().services.explain.explain(text.strip())
    click.echo(f"{explanation.kind}: {explanation.detail}")
    for title, content in (("header", explanation.header), ("claims", explanation.claims)):
        for name, value in (content or {}).items():
            click.echo(f"  {title}.{name}: {json.dumps(value)}{_in_words(name, value)}")


def _in_words(name: str, value: object) -> str:
    """A time as the people here read it."""
    if name not in _TIMES or not isinstance(value, int | float):
        return ""
    try:
        return f"  ({datetime.fromtimestamp(value, UTC).astimezone():%Y-%m-%d %H:%M:%S %Z})"
    except (OverflowError, ValueError, OSError):
        return ""
