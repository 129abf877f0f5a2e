"""`flask keys`: the keys that sign access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from flask.cli import AppGroup

from app.cli.common import failures_as_messages, wired
from app.services.keys import LastKeyError
from app.wiring import make_secrets

if TYPE_CHECKING:
    from app.security.secret_keys import SecretKeys

keys = AppGroup("keys", help="Show, rotate and retire the signing keys.")


@keys.command("list")
def show() -> None:
    """Show the keys: kid, algorithm, from when on each signs, and the name of the secret that seals it."""
    with failures_as_messages():
        stored = wired().services.keys.stored()
    secrets = make_secrets(wired().settings)
    for key in stored:
        signs_from = f"signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC"
        click.echo(f"{key.kid}  {key.alg:6}  {signs_from}  sealed by {_secret_of(key.wrapped_by, secrets)}")


@keys.command("rotate")
def rotate() -> None:
    """Add a key. It is published at once and signs some minutes later; old keys go when their last token expired."""
    with failures_as_messages():
        key = wired().services.keys.rotate()
    click.echo(f"{key.kid}  {key.alg}  signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC")


@keys.command("retire", context_settings={"ignore_unknown_options": True})  # a kid may begin with a dash
@click.argument("kid")
def retire(kid: str) -> None:
    """Drop a key at once, because somebody else may have it: all its tokens are refused from then on."""
    try:
        with failures_as_messages():
            wired().services.keys.retire(kid)
    except LastKeyError:
        raise click.ClickException(
            "It is the only key that signs: rotate first, and wait until the new one signs."
        ) from None
    click.echo(f"{kid} is retired; every instance follows within a minute")


def _secret_of(name: str, secrets: SecretKeys) -> str:
    """A secret's name, and where it stands."""
    if name == secrets.current.name:
        return f"{name} (SECRET_KEY)"
    return f"{name} ({'SECRET_KEY_FALLBACKS' if secrets.named(name) else 'not at hand'})"
