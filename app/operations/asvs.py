"""OWASP ASVS 5.0 at level 2: the chapters on authentication, sessions, tokens and logging as a whole, and of others
what settings decide. What is left out is about code (docs/security.md says which test shows it) or other software."""

from __future__ import annotations

from typing import Final

from app.operations.standards import (
    Facts,
    Judged,
    Requirement,
    always,
    breached,
    by,
    encrypted,
    hashing,
    https,
    least_length,
    mailing,
    not_applicable,
    not_judged,
    production,
    required_factor,
    sealed,
    throttled,
)

_RESET: Final = "whether those who reset factors ask for it, you decide"
_YOUR_PAGES: Final = "those pages are your application's"
_PROXY: Final = "TLS ends in the proxy in front: look there"


def _lifetimes(facts: Facts) -> Judged:
    tokens = facts.settings.tokens
    return Judged(
        "not judged",
        f"REFRESH_IDLE_SECONDS={tokens.refresh_idle_seconds},"
        f" REFRESH_ABSOLUTE_SECONDS={tokens.refresh_absolute_seconds}: give your reasons where they differ from NIST",
    )


def _idle(facts: Facts) -> Judged:
    return by(fulfilled=True, evidence=f"REFRESH_IDLE_SECONDS={facts.settings.tokens.refresh_idle_seconds}")


def _absolute(facts: Facts) -> Judged:
    return by(fulfilled=True, evidence=f"REFRESH_ABSOLUTE_SECONDS={facts.settings.tokens.refresh_absolute_seconds}")


def _concurrent(facts: Facts) -> Judged:
    most = facts.settings.tokens.sessions_per_user
    return by(fulfilled=True, evidence=f"SESSIONS_PER_USER={most}; one more ends the least recently used")


def _secrets(facts: Facts) -> Judged:
    made = facts.settings.tokens.secret_key is None
    where = "in a file that the service made" if made else "given to the service"
    return Judged("not judged", f"SECRET_KEY is {where}; whether a vault keeps it, you know")


def _hidden(facts: Facts) -> Judged:
    if facts.settings.accounts.hide_accounts:
        return by(fulfilled=True, evidence="HIDE_ACCOUNTS=on")
    return Judged("not applicable", "level 3 asks for it; HIDE_ACCOUNTS=off: registration tells that a name is taken")


def _inventory(facts: Facts) -> Judged:
    return Judged("not judged", f"docs/operations.md lists the logs; AUDIT_DAYS={facts.settings.accounts.audit_days}")


REQUIREMENTS: Final = (
    Requirement("6.1.1", "Controls against guessing are documented", always(10, 11)),
    Requirement("6.1.2", "Words of the context that passwords may not hold are documented", always(5)),
    Requirement("6.1.3", "Every way of authentication is documented", always(15)),
    Requirement("6.2.1", "Passwords have at least 8 characters (15 recommended)", least_length(8)),
    Requirement("6.2.2", "Users can change their password", always(7)),
    Requirement("6.2.3", "A change asks for the current password", always(7)),
    Requirement("6.2.4", "New passwords are compared with the 3,000 commonest", always(5)),
    Requirement("6.2.5", "Any composition is accepted", always(4)),
    Requirement("6.2.6", "Fields for passwords mask them", not_judged(_YOUR_PAGES)),
    Requirement("6.2.7", "Pasting and password managers are possible", not_judged(_YOUR_PAGES)),
    Requirement("6.2.8", "Passwords are verified exactly as received", always(3)),
    Requirement("6.2.9", "Passwords of 64 characters are possible", always(1, 2)),
    Requirement("6.2.10", "No password has to be changed periodically", always(4)),
    Requirement("6.2.11", "Words of the context are refused", always(5)),
    Requirement("6.2.12", "New passwords are compared with breached ones", breached),
    Requirement("6.3.1", "Guessing is slowed down", throttled),
    Requirement("6.3.2", "There are no default accounts", always(14)),
    Requirement("6.3.3", "Access needs several factors", required_factor),
    Requirement("6.3.4", "Every way of authentication is equally strong", always(15)),
    Requirement("6.3.8", "Nothing shows who has an account", _hidden),
    Requirement("6.4.1", "Initial secrets are random, expire, and do not last", always(17, 19)),
    Requirement("6.4.2", "There are no password hints or secret questions", not_applicable("there are none")),
    Requirement("6.4.3", "A forgotten password is reset securely, past no second factor", mailing),
    Requirement("6.4.4", "The loss of a factor asks for proof of identity", not_judged(_RESET)),
    Requirement("6.5.1", "Codes of factors work once", always(20)),
    Requirement("6.5.2", "Recovery codes are stored hashed", always(22)),
    Requirement("6.5.3", "Codes and seeds of factors are random", always(22)),
    Requirement("6.5.4", "Codes of factors have at least 20 bits", always(22)),
    Requirement("6.5.5", "Codes of factors expire", always(21)),
    Requirement("6.6.1", "No factor by telephone where there is a stronger one", not_applicable("there is none")),
    Requirement("6.6.2", "Out-of-band codes belong to one request", always(24)),
    Requirement("6.6.3", "Guessing of out-of-band codes is slowed down", always(23)),
    Requirement("7.1.1", "Lifetimes of sessions are documented and justified", _lifetimes),
    Requirement("7.1.2", "The number of concurrent sessions is documented", _concurrent),
    Requirement("7.1.3", "Federated sessions are documented", always(65, says="docs/oauth.md, docs/social-login.md")),
    Requirement("7.2.1", "Session tokens are verified by the service", always(28, 29)),
    Requirement("7.2.2", "Session tokens are made dynamically", always(26)),
    Requirement("7.2.3", "Session tokens have at least 128 random bits", always(27)),
    Requirement("7.2.4", "A login makes a new session token", always(26)),
    Requirement("7.3.1", "Sessions end without activity", _idle),
    Requirement("7.3.2", "Sessions end after a time", _absolute),
    Requirement("7.4.1", "A logout ends the session", always(28)),
    Requirement("7.4.2", "Disabling or deleting a user ends their sessions", always(29)),
    Requirement("7.4.3", "A new password can end all other sessions", always(30)),
    Requirement("7.4.4", "Every page has a logout", not_judged(_YOUR_PAGES)),
    Requirement("7.4.5", "Administrators can end sessions", always(29, says="POST /admin/users/<user_id>/logout")),
    Requirement("7.5.1", "Changes that matter ask for another authentication", always(32)),
    Requirement("7.5.2", "Users see their sessions and end them", always(33)),
    Requirement("7.6.1", "Sessions of identity providers end as documented", always(65, 69, says="docs/oauth.md")),
    Requirement("7.6.2", "No session begins without an action of the user", always(26)),
    Requirement("9.1.1", "Signatures of tokens are verified", always(56, 58)),
    Requirement("9.1.2", "Only listed algorithms are accepted", always(56)),
    Requirement("9.1.3", "Keys come from here, not from the token", always(57)),
    Requirement("9.2.1", "Lifetimes of tokens are enforced", always(59)),
    Requirement("9.2.2", "A token serves its purpose only", always(58)),
    Requirement("9.2.3", "Only tokens for this audience are accepted", always(60)),
    Requirement("9.2.4", "Tokens name their audience", always(60, 62)),
    Requirement("11.2.3", "Cryptography has at least 128 bits of security", always(61)),
    Requirement("11.4.2", "Passwords are hashed by a costly scheme", hashing),
    Requirement("12.1.1", "Only TLS 1.2 and 1.3 are enabled", not_judged(_PROXY)),
    Requirement("12.1.2", "Only recommended cipher suites are enabled", not_judged(_PROXY)),
    Requirement("12.2.1", "Clients use TLS only", https),
    Requirement("12.2.2", "Certificates are publicly trusted", not_judged(_PROXY)),
    Requirement("12.3.1", "Connections to other servers are encrypted", encrypted),
    Requirement("13.3.1", "A vault keeps the secrets", _secrets),
    Requirement("13.4.2", "Debug modes are off", production),
    Requirement("14.2.1", "No sensitive data is in URLs", always(47)),
    Requirement("14.3.2", "Replies with sensitive data are not cached", always(48)),
    Requirement("16.1.1", "There is an inventory of the logs", _inventory),
    Requirement("16.2.1", "Entries of the log say when, where, who and what", always(80)),
    Requirement(
        "16.2.2", "Clocks are synchronised, and times are in UTC", not_judged("they are in UTC; see to the clock")
    ),
    Requirement("16.2.3", "Logs go only where the inventory says", not_judged("the service writes to its own output")),
    Requirement("16.2.4", "Logs can be read by a log processor", always(80)),
    Requirement("16.2.5", "No secret is in a log", always(81)),
    Requirement("16.3.1", "All attempts to authenticate are logged", always(80)),
    Requirement("16.3.2", "Refused access is logged", always(80)),
    Requirement("16.3.3", "Attempts to bypass controls are logged", always(80)),
    Requirement("16.3.4", "Unexpected errors are logged", always(49)),
    Requirement("16.4.1", "Nothing can be injected into a log", always(80)),
    Requirement("16.4.2", "Audit events cannot be changed unnoticed", sealed),
    Requirement("16.4.3", "Logs are sent to a separate system", not_judged("docs/monitoring.md says how")),
    Requirement("16.5.1", "Errors show nothing internal", always(49)),
    Requirement("16.5.2", "The service stays secure while others fail", always(90, 91)),
    Requirement("16.5.3", "No failure lets anybody in", always(81)),
)
