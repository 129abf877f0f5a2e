"""What a report says, and what the exit code tells."""

import json

import pytest

from attack.check import Check, NotApplicableError, Result, Severity, Verdict
from attack.probe import Probe
from attack.report import exit_code, for_people, for_programs
from attack.run import Finding, Report


def never(_: Probe) -> Verdict:
    raise NotApplicableError("never run")


def finding(result: Result, severity: Severity, came_back: str = "200") -> Finding:
    check = Check(f"check-{severity.name.lower()}", "It holds.", severity, "Mend it.", "RFC 1", never)
    return Finding(check, Verdict(result, "something", came_back))


def report(*findings: Finding, left: tuple[str, ...] = ()) -> Report:
    return Report("https://auth.example.com", findings, 7, left)


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([finding(Result.PASSED, Severity.CRITICAL)], 0),
        ([finding(Result.NOT_APPLICABLE, Severity.CRITICAL)], 0),
        ([finding(Result.FAILED, Severity.INFO)], 0),
        ([finding(Result.FAILED, Severity.LOW)], 3),
        ([finding(Result.FAILED, Severity.MEDIUM), finding(Result.INCONCLUSIVE, Severity.HIGH)], 3),
        ([finding(Result.FAILED, Severity.HIGH)], 4),
        ([finding(Result.FAILED, Severity.LOW), finding(Result.FAILED, Severity.CRITICAL)], 4),
        ([finding(Result.INCONCLUSIVE, Severity.INFO), finding(Result.PASSED, Severity.HIGH)], 5),
    ],
)
def test_the_exit_code_tells_the_worst(findings: list[Finding], code: int) -> None:
    assert exit_code(report(*findings)) == code
    assert for_programs(report(*findings))["exit_code"] == code


def test_people_read_the_worst_first_with_what_to_do() -> None:
    text = for_people(report(finding(Result.FAILED, Severity.LOW), finding(Result.FAILED, Severity.CRITICAL)))
    assert text.index("CRITICAL: It holds. (check-critical)") < text.index("LOW: It holds. (check-low)")
    for part in ("tried:     something", "came back: 200", "mend:      Mend it.", "source:    RFC 1"):
        assert part in text
    assert text.endswith("https://auth.example.com: 0 passed, 2 failed, 0 not applicable, 0 inconclusive; 7 requests.")


def test_accounts_that_are_left_are_named() -> None:
    assert "delete them yourself: attack-1, attack-2" in for_people(report(left=("attack-1", "attack-2")))


def test_what_a_server_sent_cannot_steer_a_terminal() -> None:
    assert "\x1b" not in for_people(report(finding(Result.FAILED, Severity.LOW, "\x1b[2J\x9b2J")))
    assert "\x9b" not in for_people(report(finding(Result.FAILED, Severity.LOW, "\x1b[2J\x9b2J")))


def test_a_severity_that_a_check_has_lowered_counts() -> None:
    lowered = finding(Result.FAILED, Severity.HIGH)
    lowered = Finding(lowered.check, Verdict(Result.FAILED, "", "", Severity.LOW))
    assert exit_code(report(lowered)) == 3
    assert json.loads(json.dumps(for_programs(report(lowered))))["checks"][0]["severity"] == "low"
