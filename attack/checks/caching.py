"""What a cache between the clients and the service might keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack.check import Check, InconclusiveError, Severity, Verdict, verdict

if TYPE_CHECKING:
    from attack.probe import Probe

_DECEIVING = ("/auth/me", "/auth/me/a.css", "/auth/me;a.css", "/auth/me?a.js", "/auth/me%2fa.css", "/auth/me%3fa.css")
"""A user's own data under the names of static files, which some caches keep whatever the reply says."""


def _shared(probe: Probe) -> Verdict:
    one, other = probe.account("methods"), probe.account("operators")
    wrong = []
    for path in _DECEIVING:
        first = probe.send("GET", path, token=one.token)
        if path == "/auth/me" and one.username not in first.text:
            raise InconclusiveError(f"the user does not see their own data: {first}")
        for who, token in (("another user", other.token), ("nobody", "")):
            answer = probe.send("GET", path, token=token)
            if one.username in answer.text:
                wrong.append(f"{path} shows one user's data to {who}: {answer}")
        # Back again: an answer to nobody must not be kept for a user either.
        if first.succeeded and not probe.send("GET", path, token=one.token).succeeded:
            wrong.append(f"{path} gives a user what was meant for nobody")
    return verdict(
        "the same addresses by two users and by nobody, also named like static files", wrong, "each got theirs"
    )


def _stored(probe: Probe) -> Verdict:
    account = probe.account("methods")
    answers = {
        "POST /auth/login": probe.log_in(account),
        "GET /auth/me": probe.send("GET", "/auth/me", token=account.token),
        "GET /auth/sessions": probe.send("GET", "/auth/sessions", token=account.token),
        "GET /auth/me/export": probe.send("GET", "/auth/me/export", token=account.token),
        "GET /auth/me without a token": probe.send("GET", "/auth/me"),
    }
    wrong = [
        f"{name} has Cache-Control {answer.headers.get('Cache-Control')!r}"
        for name, answer in answers.items()
        if "no-store" not in answer.headers.get("Cache-Control", "")
    ]
    return verdict("the Cache-Control of replies with tokens and personal data", wrong, "all say no-store")


CHECKS = (
    Check(
        "cache-shared",
        "No cache shows one user's reply to another.",
        Severity.CRITICAL,
        "Cache only what is public, and nothing for requests with Authorization, x-access-token or a cookie.",
        "OWASP ASVS 5.0 14.2.2 and 14.2.5, RFC 9111 section 3.5",
        _shared,
    ),
    Check(
        "cache-no-store",
        "Replies with tokens or personal data say no-store.",
        Severity.MEDIUM,
        "Let the service's Cache-Control through the proxy unchanged.",
        "OWASP ASVS 5.0 14.3.2",
        _stored,
    ),
)
