"""`flask token` explains a token; `flask sessions` shows and ends the sessions of a user."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime

import click
from flask.cli import AppGroup

from app.accounts.cli import user_named
from app.accounts.service import Accounts
from app.cli.common import as_json, failures_as_messages, say, secret_input, wired
from app.platform.devices import device_name
from app.platform.errors import NotFound, SessionEnded
from app.sessions.explain import ExplainService
from app.sessions.service import SessionService

token = AppGroup("token", help="Explain tokens.")
sessions = AppGroup("sessions", help="Show and end the sessions of a user.")
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


@sessions.command("list")
@click.argument("name", metavar="USER")
@as_json
def show(name: str, *, as_json: bool) -> None:
    """List the sessions of a user: identifier, device, address, times of login, last use and end."""
    user = user_named(name)
    with failures_as_messages():
        service = wired().get(SessionService)
        found = service.list_of(user)
        clients = service.clients_of(found)
    for session in found:
        times = (session.created_at, session.last_used_at, min(session.idle_expires_at, session.expires_at))
        opened, used, ends = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in times)
        device = device_name(session.user_agent)
        facts = {
            "id": session.id,
            "device": device,
            "ip": session.ip,
            "created_at": opened,
            "last_used_at": used,
            "expires_at": ends,
            **({} if session.client_id is None else {"client": clients[session.client_id]}),
        }
        say(facts, "\t".join(map(str, facts.values())), as_json=as_json)


@sessions.command("end")
@click.argument("name", metavar="USER")
@click.argument("session_id", metavar="[SESSION]", required=False)
@as_json
def end(name: str, session_id: str | None, *, as_json: bool) -> None:
    """End one session of a user, or all of them."""
    user = user_named(name)
    with failures_as_messages():
        try:
            if session_id is not None:
                wired().get(SessionService).end(session_id, user, None)
            else:
                wired().get(Accounts).change(
                    user.id, lambda account: account.in_new_epoch(), actions=["user.logged_out"]
                )
        except NotFound:
            raise click.ClickException(f"This user has no session {session_id}.") from None
        except SessionEnded:
            raise click.ClickException("This user is not active, and has no session.") from None
    ended = [session_id] if session_id is not None else "all"
    say({"ended": ended}, f"{session_id or 'all sessions'} ended", as_json=as_json)


def _in_words(name: str, value: object) -> str:
    """A time in the local time zone."""
    if name not in _TIMES or not isinstance(value, int | float):
        return ""
    try:
        return f"  ({datetime.fromtimestamp(value, UTC).astimezone():%Y-%m-%d %H:%M:%S %Z})"
    except (OverflowError, ValueError, OSError):
        return ""
