"""One run: from the first look at the deployment to the last account that is deleted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from attack.budget import SpentError
from attack.check import Check, InconclusiveError, NotApplicableError, Result, Severity, Verdict
from attack.probe import UNAUTHORIZED
from attack.wire import UnreachableError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from attack.probe import Probe


class CannotExamineError(Exception):
    """There is nothing to examine; the message says why."""


@dataclass(frozen=True)
class Finding:
    """A check and what came of it."""

    check: Check
    verdict: Verdict

    @property
    def severity(self) -> Severity:
        return self.check.severity if self.verdict.severity is None else self.verdict.severity


@dataclass(frozen=True)
class Report:
    """What a run found. `left` are the accounts that it made and could not delete."""

    origin: str
    findings: tuple[Finding, ...]
    requests: int
    left: tuple[str, ...] = ()

    def of(self, result: Result) -> list[Finding]:
        """The findings with this result, the worst first."""
        found = [finding for finding in self.findings if finding.verdict.result is result]
        return sorted(found, key=lambda finding: -finding.severity)


def examine(probe: Probe, checks: Sequence[Check], told: Callable[[Finding], None]) -> Report:
    """Run these checks in their order; `told` gets each finding as it comes. What was made is deleted in any case.

    Raises CannotExamineError if nobody answers, or somebody other than Latchkey does.
    """
    findings: list[Finding] = []
    left: list[str] = []
    try:
        trusted = _looked_at(probe)
        for check in checks:
            finding = Finding(check, _verdict_of(check, probe) if trusted or _is_about_tls(check) else _UNTRUSTED)
            findings.append(finding)
            told(finding)
    finally:
        left = probe.clean_up()
    return Report(probe.target.origin, tuple(findings), probe.budget.used, tuple(left))


def _looked_at(probe: Probe) -> bool:
    """Whether its certificate is trusted. Nothing but Latchkey is examined: a mistyped name meets a stranger."""
    try:
        answer = probe.send("GET", "/auth/me")
    except UntrustedError:
        return False
    except (UnreachableError, InconclusiveError, SpentError) as error:
        raise CannotExamineError(str(error)) from None
    if answer.status != UNAUTHORIZED or answer.json.get("code") != "missing_token":
        raise CannotExamineError(
            f"{probe.target.origin}{probe.target.prefix} is no Latchkey: GET /auth/me gives {answer}"
        )
    if probe.given is not None and not (answer := probe.log_in(probe.given)).succeeded:
        raise CannotExamineError(f"the login of {probe.given.email or probe.given.username} fails: {answer}")
    return True


def _verdict_of(check: Check, probe: Probe) -> Verdict:
    try:
        return check.run(probe)
    except NotApplicableError as error:
        return Verdict(Result.NOT_APPLICABLE, check.rule, str(error))
    except (UnreachableError, InconclusiveError, SpentError) as error:
        return Verdict(Result.INCONCLUSIVE, check.rule, str(error))


def _is_about_tls(check: Check) -> bool:
    return check.name.startswith("tls")


_UNTRUSTED = Verdict(
    Result.INCONCLUSIVE, "nothing", "the certificate is not trusted, so nothing was sent; see tls-certificate and --ca"
)
