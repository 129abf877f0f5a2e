"""`flask audit`: verify the audit events, and export them."""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from flask.cli import AppGroup
from pydantic_core import PydanticCustomError

from app.audit.chain.export import checkpoint_of, exported, exported_checkpoints
from app.audit.chain.model import Checkpoints, Links
from app.audit.chain.sealing import Sealing
from app.audit.chain.verification import Finding, Report, Verification
from app.audit.inputs import parse_since
from app.audit.service import Audit
from app.cli.common import as_json, failures_as_messages, say, wired

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from typing import TextIO

    from app.audit.chain.model import Checkpoint

audit = AppGroup("audit", help="Verify the audit events, and export them.")
_SHOWN: Final = 100
"""Findings that are shown; of the others, the number."""


def _time(_context: click.Context, _parameter: click.Parameter, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_since(text)
    except PydanticCustomError as error:
        raise click.BadParameter(error.message()) from None


_since = click.option("--since", callback=_time, help="Only from this time on: 2026-01-31T12:00:00Z.")


@audit.command("verify")
@_since
@click.option(
    "--checkpoints",
    "kept",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Checkpoints kept elsewhere (flask audit export --checkpoints): the store must have the same.",
)
@as_json
def verify(*, since: datetime | None, kept: Path | None, as_json: bool) -> None:
    """Find audit events that were changed, removed or inserted in the database; exits with 1 if there are any.

    What has not been sealed yet is sealed first.
    """
    report, more = Report(), 0
    findings: list[Finding] = []
    elsewhere = _kept(kept)
    with failures_as_messages():
        wired().get(Sealing).run()
        for finding in wired().get(Verification).run(report, since=since, kept=elsewhere):
            if len(findings) < _SHOWN:
                findings.append(finding)
            else:
                more += 1
    facts = {"verified": not findings} | asdict(report)
    lines = [*(f"note: {note}" for note in report.notes), *(finding.message for finding in findings)]
    if more:
        lines.append(f"and {more} more")
    found = len(findings) + more
    lines.append(
        f"records: {report.records}; checkpoints: {report.checkpoints}; "
        + (f"findings: {found}" if found else "all is well")
    )
    say(facts | {"findings": [asdict(each) for each in findings], "more": more}, "\n".join(lines), as_json=as_json)
    if found:
        sys.exit(1)


@audit.command("export")
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@_since
@click.option("--checkpoints", is_flag=True, help="The checkpoints instead of the events.")
@click.option("--json", "as_json", is_flag=True, help="JSON lines, as always.")
def export(*, file: Path | None, since: datetime | None, checkpoints: bool, as_json: bool) -> None:
    """Write the audit events as JSON lines to FILE (mode 600) or the standard output, in the order of the chain."""
    del as_json
    with failures_as_messages():
        parts = wired()
        if checkpoints:
            lines = exported_checkpoints(parts.get(Checkpoints), since)
        else:
            lines = exported(parts.get(Links), parts.get(Audit).clock, since)
        with _written(file) as out:
            for line in lines:
                out.write(json.dumps(line) + "\n")


@contextmanager
def _written(file: Path | None) -> Iterator[TextIO]:
    """Where lines go: the standard output, or a file that only its owner can read, complete or not there at all."""
    if file is None:
        yield sys.stdout
        return
    part = file.with_name(f".{file.name}.part")
    try:
        part.unlink(missing_ok=True)
        with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as out:
            yield out
        part.replace(file)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be written: {error.strerror or error}") from None
    finally:
        part.unlink(missing_ok=True)


def _kept(file: Path | None) -> list[Checkpoint]:
    """The checkpoints in a file that `flask audit export --checkpoints` wrote."""
    if file is None:
        return []
    try:
        return [checkpoint_of(json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]
    except (ValueError, OSError):
        raise click.ClickException(
            f"{file} holds more, or something else, than flask audit export --checkpoints writes."
        ) from None
