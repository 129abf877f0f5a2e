"""NIST SP 800-63B-4 at AAL2, as far as it asks something of the verifier. Numbers are those of its sections."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from app.operations.standards import (
    Facts,
    Judged,
    Requirement,
    always,
    breached,
    by,
    hashing,
    https,
    least_length,
    mailing,
    not_judged,
    required_factor,
    throttled,
)

_OVERALL: Final = timedelta(hours=24)
_IDLE: Final = timedelta(hours=1)


def _overall(facts: Facts) -> Judged:
    seconds = facts.settings.tokens.refresh_absolute_seconds
    return by(seconds <= _OVERALL.total_seconds(), f"REFRESH_ABSOLUTE_SECONDS={seconds}")


def _idle(facts: Facts) -> Judged:
    seconds = facts.settings.tokens.refresh_idle_seconds
    return by(seconds <= _IDLE.total_seconds(), f"REFRESH_IDLE_SECONDS={seconds}")


def _compromised(facts: Facts) -> Judged:
    if facts.settings.passwords.breach_file is None:
        return by(fulfilled=False, evidence="BREACHED_PASSWORDS_FILE is not set: nobody learns of it")
    return by(fulfilled=False, evidence="the user is told by mail at the next login, but not forced")


def _retention(facts: Facts) -> Judged:
    return Judged("not judged", f"AUDIT_DAYS={facts.settings.accounts.audit_days}; whether that is right, you decide")


REQUIREMENTS: Final = (
    Requirement("2.2.1", "Two factors, one of them physical", required_factor),
    Requirement("2.2.2", "Claimant and verifier speak over a protected channel", https),
    Requirement("2.2.2", "At least one authenticator is replay-resistant", always(20, says="authenticator apps")),
    Requirement("2.2.2", "A phishing-resistant option is offered", always(79, says="passkeys")),
    Requirement("2.2.3", "Sessions end after 24 hours at most (recommended)", _overall),
    Requirement("2.2.3", "Sessions end after 1 hour without activity (recommended)", _idle),
    Requirement("2.4.2", "Records are kept as your policy says", _retention),
    Requirement("3.1.1.2", "Passwords that are the only factor have at least 15 characters", least_length(15)),
    Requirement("3.1.1.2", "Passwords of 64 characters are possible", always(1, 2)),
    Requirement("3.1.1.2", "Every character is accepted, and no composition is required", always(2, 4)),
    Requirement("3.1.1.2", "No password has to be changed periodically", always(4)),
    Requirement("3.1.1.2", "A change is forced if a password is known to be compromised", _compromised),
    Requirement("3.1.1.2", "New passwords are compared with common ones and words of the context", always(5)),
    Requirement("3.1.1.2", "New passwords are compared with breached ones", breached),
    Requirement("3.1.1.2", "The whole password is verified, unchanged", always(3)),
    Requirement("3.1.1.2", "Passwords are stored salted and hashed by a costly scheme", hashing),
    Requirement("3.1.1.2", "Password managers and pasting are possible", not_judged("those forms are your own")),
    Requirement("3.2.2", "At most 100 failures in a row for an account", throttled),
    Requirement("4.6", "Users are notified of what happens to their account", mailing),
    Requirement("5.1", "Session secrets have 64 bits or more, and are new with each login", always(26, 27)),
    Requirement("5.1", "Session secrets are void after logout", always(28)),
    Requirement("5.1", "Sessions do not fall back to an insecure transport", https),
)
