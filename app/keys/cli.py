"""`flask keys`: the keys that sign access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click
from flask.cli import AppGroup

from app.cli.common import as_json, failures_as_messages, say, wired
from app.keys.service import KeyService, LastKeyError
from app.platform.errors import NotFound
from app.security.secret_keys import SecretKeys

if TYPE_CHECKING:
    from app.keys.keyring import StoredKey

keys = AppGroup("keys", help="Show, rotate, retire and revoke the signing keys.")
_A_KID = {"ignore_unknown_options": True}
"""A kid may begin with a dash."""


@keys.command("list")
@as_json
def show(*, as_json: bool) -> None:
    """Show the keys: kid, algorithm, when each starts to sign, and the name of the secret that seals it."""
    with failures_as_messages():
        stored = wired().get(KeyService).stored()
        secrets = wired().get(SecretKeys)
    for key in stored:
        place = _place_of(key.wrapped_by, secrets)
        facts = _facts(key) | {"sealed_by": key.wrapped_by, "secret": place}
        say(facts, f"{_line(key)}  sealed by {key.wrapped_by} ({place})", as_json=as_json)


@keys.command("rotate")
@as_json
def rotate(*, as_json: bool) -> None:
    """Add a key. It is published at once and signs after an hour; old keys go when their last token has expired."""
    with failures_as_messages():
        key = wired().get(KeyService).rotate()
    say(_facts(key), _line(key), as_json=as_json)


@keys.command("retire", context_settings=_A_KID)
@click.argument("kid")
@as_json
def retire(kid: str, *, as_json: bool) -> None:
    """Drop a key that another one has replaced: from then on, all its tokens are refused."""
    try:
        with failures_as_messages():
            wired().get(KeyService).retire(kid)
    except LastKeyError:
        raise click.ClickException(
            "It is the only key that signs: rotate first, and wait until the new one signs; or, if someone else has"
            f" it: flask keys revoke {kid}"
        ) from None
    say({"retired": [kid]}, f"{kid} is retired; every instance follows within seconds", as_json=as_json)


@keys.command("revoke", context_settings=_A_KID)
@click.argument("kid", required=False)
@click.option("--all", "every", is_flag=True, help="Every key.")
@click.option("--unopened", is_flag=True, help="The keys whose secret is lost, so that no known secret opens them.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@as_json
def revoke(kid: str | None, *, every: bool, unopened: bool, yes: bool, as_json: bool) -> None:
    """Drop a key at once that someone else may have; if it was signing, another one signs from now on.

    Every instance refuses its tokens within seconds, and users refresh theirs. Applications that cache the key set
    refuse new tokens until they fetch it again. If SECRET_KEY itself leaked, see flask secrets leaked.
    """
    if [kid is not None, every, unopened].count(True) != 1:
        raise click.UsageError("Name one KID, or --all, or --unopened.")
    keys = wired().get(KeyService)
    revoked: list[str] = []
    with failures_as_messages():
        if unopened:
            if not yes:
                click.confirm(
                    "Are SECRET_KEY and SECRET_KEY_FALLBACKS those of the service? Keys that they do not open are lost",
                    abort=True,
                    err=True,
                )
            revoked = [key.kid for key in keys.revoke_unopened()]
            signs = keys.that_signs()
        elif every:
            revoked = [key.kid for key in keys.stored()]
            signs = keys.revoke_all()
        elif kid is not None:
            revoked = [kid]
            try:
                signs = keys.revoke(kid)
            except NotFound:
                raise click.ClickException(f"There is no key {kid}; flask keys list shows them.") from None
    lines = [f"{each} is revoked; every instance follows within seconds" for each in revoked]
    say({"revoked": revoked, "signs": _facts(signs)}, "\n".join([*lines, f"{signs.kid} signs"]), as_json=as_json)


def _facts(key: StoredKey) -> dict[str, Any]:
    return {
        "kid": key.kid,
        "alg": key.alg,
        "created_at": f"{key.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "signs_from": f"{key.signs_from:%Y-%m-%dT%H:%M:%SZ}",
    }


def _line(key: StoredKey) -> str:
    return f"{key.kid}  {key.alg:6}  signs from {key.signs_from:%Y-%m-%d %H:%M:%S} UTC"


def _place_of(name: str, secrets: SecretKeys) -> str:
    """The setting that holds the secret of this name."""
    if name == secrets.current_name:
        return "SECRET_KEY"
    return "SECRET_KEY_FALLBACKS" if secrets.named(name) else "not at hand"
