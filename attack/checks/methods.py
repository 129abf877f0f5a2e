"""Methods that are not what they seem, and tokens where none belongs."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from attack.check import Check, InconclusiveError, Severity, Verdict, verdict
from attack.probe import SERVER_ERROR

if TYPE_CHECKING:
    from attack.probe import Probe

_OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")


def _trace(probe: Probe) -> Verdict:
    wrong, statuses = [], set()
    probe.send("GET", "/auth/me")  # it has to be there, or a refusal would say nothing
    for method in ("TRACE", "TRACK", "DEBUG"):
        for path in ("/", "/auth/me"):
            answer = probe.send(method, path, headers=[("X-Attack", "marked-by-attack")])
            statuses.add(answer.status)
            if answer.succeeded or b"marked-by-attack" in answer.body or answer.status == SERVER_ERROR:
                wrong.append(f"{method} {path}: {answer}")
    return verdict("TRACE, TRACK and DEBUG", wrong, f"refused with {', '.join(map(str, sorted(statuses)))}")


def _override(probe: Probe) -> Verdict:
    account = probe.account("methods")
    wrong, statuses = [], set()
    for number, (path, headers) in enumerate(
        [
            *(("/auth/me", [(name, "PATCH")]) for name in _OVERRIDES),
            ("/auth/me?_method=PATCH", []),
        ]
    ):
        name = f"overridden {number}"
        answer = probe.send("POST", path, json={"name": name}, headers=headers, token=account.token)
        statuses.add(answer.status)
        seen = probe.send("GET", "/auth/me", token=account.token)
        if not seen.succeeded:
            raise InconclusiveError(f"the account cannot be read afterwards: {seen}")
        if seen.data.get("user", {}).get("name") == name:
            wrong.append(f"POST {path} {dict(headers)} was taken as PATCH")
    came = f"refused with {', '.join(map(str, sorted(statuses)))}; the account was as before"
    return verdict("POST with the headers and the parameter that override a method", wrong, came)


def _in_query(probe: Probe) -> Verdict:
    account = probe.account("methods")
    if not (control := probe.send("GET", "/auth/me", token=account.token)).succeeded:
        raise InconclusiveError(f"the token is not accepted in a header either: {control}")
    wrong, statuses = [], set()
    for name in ("access_token", "token", "x-access-token", "jwt", "authorization", "api_key"):
        answer = probe.send("GET", f"/auth/me?{name}={quote(account.token)}")
        statuses.add(answer.status)
        if answer.succeeded:
            wrong.append(f"?{name}= was accepted: {answer}")
    return verdict("a genuine token in the query string", wrong, f"ignored: {', '.join(map(str, sorted(statuses)))}")


CHECKS = (
    Check(
        "method-trace",
        "TRACE and the like are off.",
        Severity.MEDIUM,
        "Answer methods that an endpoint does not declare with 405, in the proxy, too.",
        "OWASP ASVS 5.0 4.1.4 and 13.4.4",
        _trace,
    ),
    Check(
        "method-override",
        "The method of a request is the one in its first line.",
        Severity.HIGH,
        "Switch method overrides off: a proxy judges a request by its real method.",
        "OWASP ASVS 5.0 4.1.4",
        _override,
    ),
    Check(
        "token-in-query",
        "Tokens in the query string are ignored.",
        Severity.MEDIUM,
        "Read tokens from headers only: addresses stand in logs, histories and Referer headers.",
        "OWASP ASVS 5.0 14.2.1, RFC 9700 section 4.3.2",
        _in_query,
    ),
)
