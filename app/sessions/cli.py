"""`flask token`: explains a token."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from app.cli.common import as_json, failures_as_messages, say, secret_input, wired
from app.sessions.explain import ExplainService

token = AppGroup("token", help="Explain tokens.")
_TIMES = ("iat", "nbf", "exp")


@token.command("explain")
@click.argument("source", metavar="[-]", required=False)
@as_json
def explain(*, source: str | None, as_json: bool) -> None:
    """Show what a token is, what it says, and whether it is accepted now, or why not.

    The command prompts for the token, or reads it from the standard input; an argument would be visible to every user
    of this machine. Exits with 1 if the token is not accepted.
    """
    if source not in {None, "-"}:
        raise click.UsageError("The token is read from the standard input or a prompt; it cannot be an argument.")
    text = secret_input("Token")
    with failures_as_messages():
        explanation = wired().get(ExplainService).explain(text)
    lines = [f"{explanation.kind}: {explanation.detail}"]
    for title, content in (("header", explanation.header), ("claims", explanation.claims)):
        for name, value in (content or {}).items():
            lines.append(f"  {title}.{json.dumps(name)[1:-1]}: {json.dumps(value)}{_in_words(name, value)}")
    say(asdict(explanation), "\n".join(lines), as_json=as_json)
    raise SystemExit(int(not explanation.accepted))


def _in_words(name: str, value: object) -> str:
    """A time in the local time zone."""
    if name not in _TIMES or not isinstance(value, int | float):
        return ""
    try:
        return f"  ({datetime.fromtimestamp(value, UTC).astimezone():%Y-%m-%d %H:%M:%S %Z})"
    except (OverflowError, ValueError, OSError):
        return ""
