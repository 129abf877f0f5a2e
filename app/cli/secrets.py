"""`flask secrets`: what a stack of containers has to know before its services start."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import click

from app.config import values
from app.security.secret_file import SecretFileError, keep, read_or_create


@click.group("secrets")
def secrets() -> None:
    """Make the secrets of a stack of containers."""


@secrets.command("make")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--app-owner", type=int, help="The user (its number) that the service runs as.  [default: this one]")
@click.option("--mongo-owner", type=int, help="The user (its number) that MongoDB runs as.  [default: this one]")
@click.option("--mongo-host", default="mongo:27017", show_default=True, help="Where the service finds MongoDB.")
@click.option("--replace", is_flag=True, help="Let what is given take the place of what is kept.")
@click.option("--secret-key", envvar="SECRET_KEY", hidden=True)
@click.option("--fallbacks", envvar="SECRET_KEY_FALLBACKS", default="", hidden=True)
@click.option("--user", envvar="MONGO_INITDB_ROOT_USERNAME", default="latchkey", hidden=True)
@click.option("--password", envvar="MONGO_INITDB_ROOT_PASSWORD", hidden=True)
@click.option("--database", envvar="MONGO_INITDB_DATABASE", default="latchkey", hidden=True)
def make(
    *,
    folder: Path,
    app_owner: int | None,
    mongo_owner: int | None,
    mongo_host: str,
    replace: bool,
    secret_key: str | None,
    fallbacks: str,
    user: str,
    password: str | None,
    database: str,
) -> None:
    """Make the files app/secret_key, app/mongo_uri and mongo/password in FOLDER, each for its owner only.

    What the environment gives is kept there: SECRET_KEY, MONGO_INITDB_ROOT_USERNAME, MONGO_INITDB_ROOT_PASSWORD,
    MONGO_INITDB_DATABASE. What it does not give is made once. What is kept and given differently ends this with 1 and a
    line that says what to do, for data depend on it; a SECRET_KEY that is in SECRET_KEY_FALLBACKS may change.
    """
    app, mongo = folder / "app", folder / "mongo"
    try:
        _keep_secret_key(app / "secret_key", secret_key, fallbacks, replace=replace)
        kept = _keep_password(mongo / "password", password, replace=replace)
        uri = f"mongodb://{quote(user, safe='')}:{quote(kept, safe='')}@{mongo_host}/{quote(database, safe='')}"
        keep(app / "mongo_uri", f"{uri}?authSource=admin", replace=True)
        _hand_over(app / "secret_key", app_owner)
        _hand_over(app / "mongo_uri", app_owner)
        _hand_over(mongo / "password", mongo_owner)
    except SecretFileError as error:
        raise click.ClickException(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{error.filename}: cannot be handed to its owner ({error.strerror})") from None


def _keep_secret_key(path: Path, given: str | None, fallbacks: str, *, replace: bool) -> None:
    if not given:
        read_or_create(path)
        return
    try:
        values.secret_key(given)
    except ValueError as error:
        raise click.ClickException(f"SECRET_KEY: {error}") from None
    former = read_or_create(path) if path.exists() else given
    try:
        keep(path, given, replace=replace or former in map(str.strip, fallbacks.split(",")))
    except SecretFileError as error:
        raise click.ClickException(
            f"SECRET_KEY: {error}, which protects the signing keys; add it to SECRET_KEY_FALLBACKS"
            " (docs/deployment.md), or unset SECRET_KEY"
        ) from None


def _keep_password(path: Path, given: str | None, *, replace: bool) -> str:
    if not given:
        # One that was given before may be shorter than those that are made here.
        return path.read_text(encoding="utf-8").rstrip("\r\n") if path.exists() else read_or_create(path)
    try:
        keep(path, given, replace=replace)
    except SecretFileError as error:
        raise click.ClickException(
            f"MONGO_INITDB_ROOT_PASSWORD: {error}, which the database was made with; unset it, or change it in the"
            " database first (docs/deployment.md)"
        ) from None
    return given


def _hand_over(path: Path, owner: int | None) -> None:
    if owner is not None:
        os.chown(path, owner, owner)
    click.echo(f"{path}: kept")
