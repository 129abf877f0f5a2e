"""The report, for people and for programs, and the exit code."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from attack.check import Result, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attack.run import Finding, Report

CLEAN, WEAK, BAD, UNKNOWN = 0, 3, 4, 5
"""Exit codes. 1 and 2 are click's, for a run that was not confirmed and for a wrong call."""
_MARKS = {
    Result.PASSED: "passed",
    Result.FAILED: "FAILED",
    Result.NOT_APPLICABLE: "-",
    Result.INCONCLUSIVE: "unclear",
}
_WIDTH = 100


def exit_code(report: Report) -> int:
    """The worst that was found: `BAD` from severity high on, `WEAK` from low on, `UNKNOWN` if a check was inconclusive.

    What has the severity info is shown, and fails nothing.
    """
    worst = max((finding.severity for finding in report.of(Result.FAILED)), default=Severity.INFO)
    if worst >= Severity.HIGH:
        return BAD
    if worst >= Severity.LOW:
        return WEAK
    return UNKNOWN if report.of(Result.INCONCLUSIVE) else CLEAN


def line(finding: Finding) -> str:
    """One line while the run goes on."""
    severity = f" ({finding.severity.name.lower()})" if finding.verdict.result is Result.FAILED else ""
    return f"{_MARKS[finding.verdict.result]:8}{finding.check.name}{severity}"


def for_people(report: Report) -> str:
    """What failed, the worst first, and how to mend it; then what could not be told; then the sums."""
    lines: list[str] = []
    for finding in report.of(Result.FAILED):
        lines += ["", f"{finding.severity.name}: {finding.check.rule} ({finding.check.name})"]
        lines += _paragraph("tried", finding.verdict.tried)
        lines += _paragraph("came back", finding.verdict.came_back)
        lines += _paragraph("mend", finding.check.mend)
        lines += _paragraph("source", finding.check.source)
    for result, head in ((Result.INCONCLUSIVE, "Not told by the replies"), (Result.NOT_APPLICABLE, "Not applicable")):
        if found := report.of(result):
            lines += ["", f"{head}:"]
            for finding in found:
                lines += _paragraph(finding.check.name, finding.verdict.came_back)
    if report.left:
        lines += ["", f"Not deleted, please delete them yourself: {', '.join(report.left)}"]
    sums = ", ".join(f"{len(report.of(result))} {result}" for result in Result)
    return "\n".join([*lines, "", f"{report.origin}: {sums}; {report.requests} requests."])


def for_programs(report: Report) -> dict[str, Any]:
    """The whole report."""
    return {
        "target": report.origin,
        "requests": report.requests,
        "exit_code": exit_code(report),
        "not_deleted": list(report.left),
        "checks": list(_findings(report)),
    }


def _findings(report: Report) -> Iterator[dict[str, Any]]:
    for finding in report.findings:
        yield {
            "name": finding.check.name,
            "result": finding.verdict.result.value,
            "severity": finding.severity.name.lower(),
            "rule": finding.check.rule,
            "tried": finding.verdict.tried,
            "came_back": finding.verdict.came_back,
            "mend": finding.check.mend,
            "source": finding.check.source,
        }


def _paragraph(head: str, text: str) -> list[str]:
    """Text under a head. What a server sent is shown without control characters, which could steer a terminal."""
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return textwrap.wrap(shown, _WIDTH, initial_indent=f"  {head + ': ':11}", subsequent_indent=" " * 13)
