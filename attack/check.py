"""What a check is, and what it can find."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from attack.probe import Probe


class Severity(IntEnum):
    """How bad it is if a check fails. `INFO` is for what an operator may have chosen."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4


class Result(StrEnum):
    """What came of a check. Without the replies that it needs, a check is inconclusive, never passed."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True)
class Verdict:
    """What came of one check: what was tried, and what came back."""

    result: Result
    tried: str
    came_back: str
    severity: Severity | None = None
    """If it differs from the severity of the check."""


class NotApplicableError(Exception):
    """The deployment has nothing that the check could examine; the message says what is missing."""


class InconclusiveError(Exception):
    """The replies do not tell; the message says why."""


@dataclass(frozen=True)
class Check:
    """Something that is tried. `run` returns the verdict; it may raise what `attack/run.py` turns into one."""

    name: str
    rule: str
    """What has to hold, as a sentence."""
    severity: Severity
    mend: str
    source: str
    run: Callable[[Probe], Verdict]


def verdict(tried: str, wrong: list[str], right: str, *, severity: Severity | None = None) -> Verdict:
    """Failed if anything is wrong, else passed with what came back instead."""
    if wrong:
        return Verdict(Result.FAILED, tried, "; ".join(wrong), severity)
    return Verdict(Result.PASSED, tried, right)
