"""Compares this instance with a standard, for `flask doctor --profile`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import click

from app.audit.chain.model import Checkpoints
from app.cli.common import failures_as_messages, say
from app.operations import asvs, nist
from app.operations.standards import Facts
from app.platform.clock import now

if TYPE_CHECKING:
    from app.cli.common import Application

STANDARDS: Final = {"asvs-l2": asvs.REQUIREMENTS, "nist-aal2": nist.REQUIREMENTS}


def compare(application: Application, profile: str, *, as_json: bool) -> int:
    """Print what is said of each requirement; returns 1 if one of them is not met, else 0."""
    with failures_as_messages():
        last = application.get(Checkpoints).last()
    facts = Facts(application.settings, (now() - last.at).days if last else None)
    counted: Counter[str] = Counter()
    for requirement in STANDARDS[profile]:
        judged = requirement.judge(facts)
        counted[judged.verdict] += 1
        found = {"number": requirement.number, "requirement": requirement.text}
        line = f"{judged.verdict:16}{requirement.number:9}{requirement.text}: {judged.evidence}"
        say(found | {"verdict": judged.verdict, "evidence": judged.evidence}, line, as_json=as_json)
    if not as_json:
        click.echo(", ".join(f"{number} {verdict}" for verdict, number in counted.most_common()))
    return int(counted["not met"] > 0)
