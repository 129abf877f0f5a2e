"""`flask passwords`: the file of breached passwords that BREACHED_PASSWORDS_FILE names."""

from __future__ import annotations

from pathlib import Path
from typing import IO

import click
from flask.cli import AppGroup

from app.cli.common import as_json, say
from app.security.breach_file_maker import WrongLineError, hashes_in, words_in, write

passwords = AppGroup("passwords", help="Load breached passwords, which new passwords are compared with.")


@passwords.command("load", with_appcontext=False)
@click.argument("file", type=click.File("rb"))
@click.option("--plain", is_flag=True, help="FILE holds passwords, one a line, instead of hashes.")
@click.option(
    "--to",
    envvar="BREACHED_PASSWORDS_FILE",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to make or replace.  [default: BREACHED_PASSWORDS_FILE]",
)
@as_json
def load(file: IO[bytes], *, plain: bool, to: Path, as_json: bool) -> None:
    """Make the file of breached passwords from FILE (- is the standard input), or replace it.

    FILE has a SHA-1 a line, in hexadecimal digits, with or without :count, in any order: the download of Pwned
    Passwords, for example. A running service takes up the new file at its next look-up. If anything fails, the former
    file stays.
    """
    try:
        count = write(words_in(file) if plain else hashes_in(file), to)
    except WrongLineError as error:
        raise click.ClickException(f"{error}; nothing was changed.") from None
    except OSError as error:
        raise click.ClickException(f"{to} cannot be made ({error.strerror or error}).") from None
    say({"entries": count, "file": str(to)}, f"{to} has {count:,} breached passwords", as_json=as_json)
