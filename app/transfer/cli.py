"""`flask users import` and `flask users export`."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from contextlib import contextmanager
from functools import partial
from io import BufferedReader
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, cast

import click
import structlog

from app.accounts.cli import users
from app.accounts.hash_mix.service import HashMix
from app.cli.common import as_json, failures_as_messages, say, wired
from app.platform.errors import MalformedJson
from app.platform.strict_json import parse_json
from app.transfer.batches import import_all
from app.transfer.exporting import ExportService, Tally
from app.transfer.formats import FORMATS, reader, records_of
from app.transfer.importing import ImportRules, ImportService
from app.transfer.incoming import REASONS, RefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from io import RawIOBase

    from app.transfer.batches import Imported
    from app.transfer.exporting import ExportFormat

__all__ = ["users"]

_log = structlog.get_logger("latchkey.transfer")
_PROGRESS_EVERY = 5000
_MOST_OF_HASH_CONFIG = 64 * 1024


@users.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--format", "format_", type=click.Choice(list(FORMATS)), help="By default as the name of the file ends.")
@click.option("--source", help="The name of the system that the users come from.  [default: the format]")
@click.option("--hash-config", type=click.Path(dir_okay=False, path_type=Path), help="JSON with parameters of hashes.")
@click.option("--dry-run", is_flag=True, help="Only say what would be refused.")
@click.option("--wrap", is_flag=True, help="Take hashes that are too weak, with one of ours around each: slow.")
@click.option("--drop-hashes", is_flag=True, help="Import users without a password if their hash cannot be taken.")
@click.option("--drop-usernames", is_flag=True, help="Import users without a user name if theirs cannot be taken.")
@click.option("--with-admins", is_flag=True, help="Import administrators, too: any line can make one.")
@as_json
def import_(
    *,
    file: Path,
    format_: str | None,
    source: str | None,
    hash_config: Path | None,
    dry_run: bool,
    wrap: bool,
    drop_hashes: bool,
    drop_usernames: bool,
    with_admins: bool,
    as_json: bool,
) -> None:
    """Import users from FILE, or from the standard input for -.

    Refused users are shown by the number of the line, or by the place in a list; all others are imported. Users who are
    here already stay as they are, so an import that was broken off can be run again. docs/moving-in.md has the formats.
    """
    name = format_ or {".csv": "csv"}.get(file.suffix, "jsonl")
    read = reader(FORMATS[name], _hash_config(hash_config))
    how = ImportRules(
        source or name,
        is_one_of_many=True,
        dry_run=dry_run,
        wrap=wrap,
        drop_hashes=drop_hashes,
        drop_usernames=drop_usernames,
        with_admins=with_admins,
    )
    counts = {"imported": 0, "skipped": 0, "refused": 0, "authenticator_apps": 0}
    application = wired()
    add, mix = partial(application.get(ImportService).add, rules=how), application.get(HashMix)
    with _opened(file) as opened, failures_as_messages():
        application.prepare()  # before the first start, too
        if not dry_run:
            mix.recount_soon()  # by a job, if this is broken off
        try:
            for each in import_all(records_of(opened, FORMATS[name]), read, add):
                _count(each, counts, as_json=as_json)
        finally:
            _tell(counts, how, as_json=as_json)
            _log.info("users imported", source=how.source, **counts)
        if not dry_run:
            mix.recount()
    if counts["refused"]:
        raise click.exceptions.Exit(1)


def _count(each: Imported, counts: dict[str, int], *, as_json: bool) -> None:
    """Count what became of a user, and say so if they were refused; and how far it is, now and then."""
    if isinstance(each.outcome, RefusedError):
        counts["refused"] += 1
        reason, field = each.outcome.reason, each.outcome.field
        facts = {"number": each.number, "refused": reason, "field": field, "message": REASONS[reason]}
        at = f"{each.number}: " + (f"{field}: " if field else "")
        say(facts, at + REASONS[reason], as_json=as_json)
    else:
        counts[each.outcome] += 1
        counts["authenticator_apps"] += each.has_totp and each.outcome == "imported"
    done = counts["imported"] + counts["skipped"] + counts["refused"]
    if done % _PROGRESS_EVERY == 0:
        click.echo(f"{done} users: {_in_words(counts)}", err=True)


def _tell(counts: Mapping[str, int], how: ImportRules, *, as_json: bool) -> None:
    say({**counts, "dry_run": how.dry_run}, _in_words(counts) + (" (dry run)" if how.dry_run else ""), as_json=as_json)
    if counts["authenticator_apps"]:
        click.echo(
            f"Note: {counts['authenticator_apps']} of them have an authenticator app, which their logins ask for.",
            err=True,
        )


def _in_words(counts: Mapping[str, int]) -> str:
    return f"{counts['imported']} imported, {counts['skipped']} skipped, {counts['refused']} refused"


@contextmanager
def _opened(file: Path) -> Iterator[BufferedReader[Any]]:
    if str(file) == "-":
        given = BufferedReader(cast("RawIOBase", sys.stdin.buffer))
        yield given
        given.detach()  # which would close it
        return
    try:
        opened = file.open("rb")
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be read ({error.strerror})") from None
    with opened:
        yield opened


def _hash_config(file: Path | None) -> dict[str, Any]:
    if file is None:
        return {}
    try:
        with file.open("rb") as opened:
            found = parse_json(opened.read(_MOST_OF_HASH_CONFIG))
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be read ({error.strerror})") from None
    except MalformedJson:
        found = None
    if not isinstance(found, dict):
        raise click.ClickException(f"{file}: has to hold one JSON object")
    return found


@users.command("export")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--format", "format_", type=click.Choice(["jsonl", "keycloak", "supabase"]), default="jsonl", show_default=True
)
@click.option("--with-secrets", is_flag=True, help="Also the secrets of authenticator apps, open (jsonl only).")
@as_json
def export(*, file: Path | None, format_: ExportFormat, with_secrets: bool, as_json: bool) -> None:
    """Export all users with their password hashes to FILE, which only you can read, or to the standard output.

    A FILE that exists is not replaced. The summary goes to the standard error if the users go to the standard output.
    """
    application, tally = wired(), Tally()
    with failures_as_messages(), _written(file) as out:
        for line in application.get(ExportService).lines(format_, tally, with_secrets=with_secrets):
            out.write(line + "\n")
    facts = {"exported": tally.exported, "without_hash": tally.without_hash, "left_out": tally.left_out}
    words = f"{tally.exported} exported"
    if tally.without_hash:
        words += f", {tally.without_hash} of them without a password: {format_} does not check their hashes"
    if tally.left_out:
        words += f", {tally.left_out} left out: {format_} has no users without an address"
    click.echo(json.dumps(facts) if as_json else words, err=file is None)


@contextmanager
def _written(file: Path | None) -> Iterator[TextIO]:
    """What is written becomes the file when it is whole: no reader takes a part of it for all users."""
    if file is None:
        yield sys.stdout
        return
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be written ({error.strerror})") from None
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as out:
            yield out
            out.flush()
            os.fsync(out.fileno())
        os.link(temporary, file)
    except FileExistsError:
        raise click.ClickException(f"{file}: there is such a file already") from None
    except OSError as error:
        raise click.ClickException(f"{file}: cannot be written ({error.strerror})") from None
    finally:
        temporary.unlink(missing_ok=True)
