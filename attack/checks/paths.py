"""Forward authentication: whether the path that is judged is the path that is served."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack.check import Check, InconclusiveError, NotApplicableError, Severity, Verdict, verdict
from attack.probe import UNAUTHORIZED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attack.probe import Probe
    from attack.wire import Answer

_CLOSED = {301, 302, 303, 307, UNAUTHORIZED, 403}
_OPEN = "/robots.txt"
"""A path that is open to everybody in many places; it need not exist."""
_IDENTITY = ("X-Auth-User", "X-Auth-Username", "X-Auth-Email", "X-Auth-Roles", "X-Auth-Actor", "Remote-User")


def spellings(path: str) -> Iterator[str]:
    """Other ways to write a path, several of which lead to it for one reader and elsewhere for another."""
    rest = path.lstrip("/")
    first, slash, last = rest.partition("/")
    behind = slash + last
    yield from (f"//{rest}", f"/./{rest}", f"/x/../{rest}", f"/x/..;/{rest}", f"/;/{rest}", f"/.;/{rest}")
    yield from (f"/x/%2e%2e/{rest}", f"/x/..%2f{rest}", f"/x%2f..%2f{rest}", f"/%2f{rest}", f"/x/%252e%252e/{rest}")
    yield from (f"/x\\..\\{rest}", f"/\\{rest}", f"/x/..%5c{rest}", f"/%5c{rest}", f"/%09/{rest}", f"/%00/{rest}")
    yield from (f"/%{ord(first[:1] or '/'):02x}{rest[1:]}", f"/%25{ord(first[:1] or '/'):02x}{rest[1:]}")
    yield from (f"/{first}{behind}/", f"/{first}{behind}/.", f"/{first};x{behind}", f"/{rest}%20", f"/{rest}%00")
    yield from (f"/{rest}%2f", f"/{rest}..;/", f"/{rest}?", f"/{rest}%3f", f"/{rest}%23", f"/{rest}/..;/{first}")
    yield from (f"/{first.upper()}{behind}", f"/{rest}.css", f"/{rest}/x/..", f"/{rest}%0a", f"/{rest}~")
    yield from (f"/robots.txt/..%2f{rest}", f"/robots.txt/../{rest}", f"/robots.txt/..;/{rest}")
    yield from (f"/robots.txt%2f..%2f{rest}", f"/robots.txt;/..%2f{rest}", f"/favicon.ico/%2e%2e/{rest}")


def _confusion(probe: Probe) -> Verdict:
    target, path = probe.guarded, probe.guarded_path
    if target is None:
        raise NotApplicableError("no place behind forward authentication was named: give one with --proxy-path")
    closed = probe.send("GET", path, target=target)
    if closed.status not in _CLOSED:
        raise InconclusiveError(f"{path} is not guarded: without a token it gives {closed}")
    entered = probe.send("GET", path, target=target, token=probe.lent().token)
    shown = entered if entered.succeeded else None  # the test account may lack the role
    wrong, seen = [], set()

    def judge(name: str, answer: Answer, like: str) -> None:
        seen.add(answer.status)
        if answer.succeeded and _is_guarded_content(probe, answer, shown, like):
            wrong.append(f"{name} was let through without a token: {answer}")

    for spelling in spellings(path):
        judge(spelling, probe.send("GET", spelling, target=target), spelling)
    for method in ("HEAD", "POST", "PUT", "PROPFIND", "get", "GETX"):
        judge(f"{method} {path}", probe.send(method, path, target=target), path)
    plain = probe.send("GET", _OPEN, target=target)
    for name in ("X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Forwarded-Prefix"):
        led = probe.send("GET", _OPEN, headers=[(name, path)], target=target)
        seen.add(led.status)
        if led.succeeded and (led.status, led.body) != (plain.status, plain.body):
            wrong.append(f"{name} at {_OPEN} leads elsewhere without a token: {led}")
        judge(f"{name} of an open path", probe.send("GET", path, headers=[(name, _OPEN)], target=target), path)
    for name in _IDENTITY:
        judge(name, probe.send("GET", path, headers=[(name, "admin")], target=target), path)
    tried = f"{path} without a token, in other spellings, by other methods, and with headers that name paths and users"
    return verdict(tried, wrong, f"nobody was let through: {sorted(seen)}")


def _is_guarded_content(probe: Probe, answer: Answer, shown: Answer | None, like: str) -> bool:
    """Whether a success shows what is guarded: it is the same as with a token, or as what no open path shows."""
    if shown is not None and answer.body and answer.body == shown.body:
        return True
    word = probe.guarded_path.rstrip("/").rpartition("/")[2]
    elsewhere = like.replace(word, "n0thing") if word else like
    if elsewhere == like:
        return True
    control = probe.send("GET", elsewhere, target=probe.guarded)
    return not control.succeeded


def _verify(probe: Probe) -> Verdict:
    account = probe.lent()
    control = probe.send("GET", "/auth/verify", token=account.token)
    if not control.succeeded:
        raise NotApplicableError(f"/auth/verify gives {control} to a genuine token")
    marks = [(name, "marked-by-attack") for name in _IDENTITY]
    wrong = []
    for name, answer in (
        ("no token", probe.send("GET", "/auth/verify", headers=marks)),
        ("a wrong token", probe.send("GET", "/auth/verify", token="a.b.c", headers=marks)),  # noqa: S106 - a wrong one
        ("a role that the user lacks", probe.send("GET", "/auth/verify?role=attack", token=account.token)),
        ("a permission that the user lacks", probe.send("GET", "/auth/verify?permission=a:b", token=account.token)),
        ("a demand that nobody knows", probe.send("GET", "/auth/verify?rol=member", token=account.token)),
    ):
        if answer.succeeded:
            wrong.append(f"{name} was let through: {answer}")
        elif answer.status not in {UNAUTHORIZED, 403}:
            wrong.append(f"{name}: {answer}, which a proxy may not take as a refusal")
    answer = probe.send("GET", "/auth/verify", token=account.token, headers=marks)
    if "marked-by-attack" in str(answer.headers):
        wrong.append("a header of the client comes back as one about the user")
    return verdict("/auth/verify without a token, with wrong demands, and with headers about a user", wrong, "refused")


CHECKS = (
    Check(
        "forward-auth-paths",
        "What is guarded by forward authentication is guarded in every spelling.",
        Severity.CRITICAL,
        "End every proxy_pass with the path of its location, and refuse paths that can be read in two ways"
        " (docs/forward-auth.md).",
        "OWASP ASVS 5.0 4.1.3 and 8.3.1, CWE-436",
        _confusion,
    ),
    Check(
        "forward-auth-verify",
        "The answer to a proxy is about the token, and nothing else.",
        Severity.HIGH,
        "Let the proxy send no header of the client to /auth/verify but the token.",
        "OWASP ASVS 5.0 8.3.1, docs/forward-auth.md",
        _verify,
    ),
)
