"""The archive of a backup: the store and the secret that opens its signing keys, with a manifest and checksums.

`backup.sh` and `restore.sh` in this folder run it; docs/operations.md says when.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import click

from app import __version__
from app.config import ConfigurationError, Settings, load
from app.security import secret_file
from app.security.secret_file import SecretFileError, keep, read_or_create
from app.security.secret_keys import RootKey
from deploy.manifest import STORE, ArchiveError, Manifest, pack, unpack
from deploy.stores import store_of
from deploy.tools import ToolError, program, run

_FAILURES = (ArchiveError, ConfigurationError, SecretFileError, ToolError)
"""Errors that end a command; their text is its message."""


@click.group()
def main() -> None:
    """Back up and restore the store and SECRET_KEY."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that temporary files are removed


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--without-secret", is_flag=True, help="Leave SECRET_KEY out: keep a copy of it elsewhere.")
@click.option("--recipient", help="Encrypt for this recipient: with age for a key of age or SSH, otherwise with gpg.")
def backup(*, folder: Path, without_secret: bool, recipient: str | None) -> None:
    """Back up into a new archive in FOLDER, and print its path. An incomplete archive never gets that name.

    Either --recipient or --without-secret is required: an archive never holds SECRET_KEY unencrypted.
    """
    if recipient is None and not without_secret:
        raise click.UsageError(
            "the archive would hold SECRET_KEY unencrypted: use --recipient WHO to encrypt it, or --without-secret to"
            " leave SECRET_KEY out and keep a copy of it elsewhere"
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".latchkey-", dir=folder) as work:
            archive = _archive(load(), Path(work), with_secret=not without_secret)
            if recipient is not None:
                archive = _encrypted(archive, recipient)
            with archive.open("rb") as file:
                os.fsync(file.fileno())
            click.echo(archive.rename(folder / archive.name))
    except (*_FAILURES, OSError) as error:
        raise click.ClickException(str(error)) from None


@main.command()
@click.argument("archive", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@click.option("--replace", is_flag=True, help="Replace everything that the store holds.")
@click.option(
    "--secret-into", type=click.Path(dir_okay=False, path_type=Path), help="Write its SECRET_KEY into this file."
)
@click.option("--identity", type=click.Path(dir_okay=False, exists=True), help="The file with the age key.")
def restore(*, archive: Path, replace: bool, secret_into: Path | None, identity: str | None) -> None:
    """Restore ARCHIVE into the store that the settings name, and check the service with `flask doctor`."""
    try:
        with tempfile.TemporaryDirectory(prefix="latchkey-") as name:
            work = Path(name)
            manifest = unpack(_decrypted(archive, work, identity), work)
            if secret_into is not None:
                keep(secret_into, _secret_in(work), replace=replace)
            settings = load()
            store = store_of(settings)
            _check(manifest, store.common_name, settings)
            if not replace and not store.is_empty():
                raise ArchiveError("the store is not empty: --replace replaces everything in it")
            store.load(work / STORE, work)
    except (*_FAILURES, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"restored: {manifest.store}, backed up {manifest.made_at:%Y-%m-%d %H:%M:%S} UTC")
    for command in (["db", "upgrade"], ["doctor"]):
        done = subprocess.run([sys.executable, "-m", "flask", "--app", "app", *command], check=False)
        if done.returncode != 0:
            raise click.ClickException(f"flask {' '.join(command)} failed: see above")


def _archive(settings: Settings, work: Path, *, with_secret: bool) -> Path:
    """Make the archive in the folder `work`, still unencrypted."""
    store, secrets, now = store_of(settings), _secrets_of(settings), datetime.now(UTC)
    content = work / "content"
    content.mkdir()
    store.dump(content / STORE, work)
    if with_secret:
        current, *fallbacks = secrets
        (content / "secret_key").write_text(f"{current}\n", encoding="utf-8")
        if fallbacks:
            (content / "secret_key_fallbacks").write_text(f"{','.join(fallbacks)}\n", encoding="utf-8")
    names = [RootKey(secret).name for secret in secrets]
    archive = work / f"latchkey-{now:%Y%m%dT%H%M%SZ}.tar.gz"
    pack(content, archive, version=__version__, store=store.common_name, made_at=now, secrets=names)
    return archive


def _secrets_of(settings: Settings) -> list[str]:
    """SECRET_KEY and its fallbacks; in development SECRET_KEY may be in a file."""
    tokens = settings.tokens
    if tokens.secret_key is None and not secret_file.SECRET_FILE.exists():
        raise SecretFileError(f"SECRET_KEY is not set, and {secret_file.SECRET_FILE} does not exist")
    current = tokens.secret_key.get_secret_value() if tokens.secret_key else read_or_create(secret_file.SECRET_FILE)
    return [current, *(secret.get_secret_value() for secret in tokens.secret_key_fallbacks)]


def _secret_in(work: Path) -> str:
    secret = work / "secret_key"
    if not secret.exists():
        raise ArchiveError("the archive was made without its secret: leave --secret-into out")
    return secret.read_text(encoding="utf-8").rstrip("\n")


def _check(manifest: Manifest, common_name: str, settings: Settings) -> None:
    """Raise ArchiveError if this service cannot use what the archive holds."""
    if manifest.store != common_name:
        raise ArchiveError(f"the archive is of {manifest.store}, but the settings name {common_name}")
    if _numbers(manifest.version) > _numbers(__version__):
        raise ArchiveError(f"the archive was made by version {manifest.version}, but this is {__version__}")
    lacking = set(manifest.secrets) - {RootKey(secret).name for secret in _secrets_of(settings)}
    if lacking:
        raise ArchiveError(
            f"its signing keys, tokens and codes need the secret {', '.join(sorted(lacking))}, which is neither"
            " SECRET_KEY nor among SECRET_KEY_FALLBACKS here; --secret-into extracts it from the archive"
        )


def _numbers(version: str) -> list[int]:
    return [int(number) for number in version.split(".")]


def _encrypted(archive: Path, recipient: str) -> Path:
    """The archive encrypted, beside it."""
    if recipient.startswith(("age1", "ssh-")):
        encrypted = archive.with_name(f"{archive.name}.age")
        command = [program("age", package="age"), "--encrypt"]
    else:
        encrypted = archive.with_name(f"{archive.name}.gpg")
        command = [program("gpg", package="gnupg"), "--batch", "--trust-model=always", "--encrypt"]
    run([*command, "--recipient", recipient, "--output", str(encrypted), str(archive)])
    return encrypted


def _decrypted(archive: Path, work: Path, identity: str | None) -> Path:
    """The unencrypted archive; in the folder `work` if it was encrypted."""
    if archive.suffix == ".age":
        command = [program("age", package="age"), "--decrypt", *(["--identity", identity] if identity else [])]
    elif archive.suffix == ".gpg":
        command = [program("gpg", package="gnupg"), "--batch", "--quiet", "--decrypt"]
    else:
        return archive
    clear = work / "archive.tar.gz"
    run([*command, "--output", str(clear), str(archive)])
    return clear


if __name__ == "__main__":
    main()
