"""What the operator chose: the checks, and the places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack.checks import CHECKS
from attack.target import NoTargetError, Target

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attack.check import Check


class NoSuchCheckError(ValueError):
    """No check has this name."""


def checks_of(names: Sequence[str]) -> tuple[Check, ...]:
    """The checks of these names, in their order; all of them if none is named. Raises NoSuchCheckError."""
    known = {check.name for check in CHECKS}
    if unknown := [name for name in names if name not in known]:
        raise NoSuchCheckError(f"There is no check {', '.join(unknown)}: --list shows them.")
    return tuple(check for check in CHECKS if not names or check.name in names)


def listed(checks: Sequence[Check]) -> str:
    """A line for each check."""
    return "\n".join(f"{check.name:32}{check.severity.name.lower():10}{check.rule}" for check in checks)


def place_of(place: str, target: Target) -> tuple[Target, str]:
    """The host and the path of a place behind forward authentication: a path of the target's host, or a URL.

    Raises NoTargetError.
    """
    if place.startswith("/"):
        return Target(target.scheme, target.host, target.port, "", target.authorities), place
    found = Target.of(place, target.authorities)
    if not found.prefix:
        raise NoTargetError(f"{place} has no path: name a place that needs a token.")
    return Target(found.scheme, found.host, found.port, "", found.authorities), found.prefix


def described(target: Target, guarded: Target | None, checks: Sequence[Check], requests: int, seconds: int) -> str:
    """What the run will do, for the question whether it may."""
    hosts = " and ".join(dict.fromkeys([target.origin, *([guarded.origin] if guarded else [])]))
    return (
        f"This sends hostile requests to {hosts}: {len(checks)} checks, at most {requests} requests in {seconds} s.\n"
        "It registers test accounts, lets the deployment mail to them, fails logins to them, and deletes them.\n"
        "It adds to the audit log, and may use up the rate limits of your address for an hour. No other host is asked."
    )
