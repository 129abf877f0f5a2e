"""Forward authentication: whether the path that is judged is the path that is served."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from attack.check import Check, InconclusiveError, NotApplicableError, Severity, Verdict, verdict
from attack.probe import UNAUTHORIZED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from attack.probe import Probe
    from attack.target import Target
    from attack.wire import Answer

_CLOSED = {301, 302, 303, 307, UNAUTHORIZED, 403}
_OPEN = "/robots.txt"
"""A path that is open to everybody in many places; it need not exist."""
_LEADING = ("X-Original-URL", "X-Rewrite-URL", "X-Original-URI", "X-Forwarded-Uri", "X-Forwarded-Prefix")
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


def detours(path: str) -> Iterator[str]:
    """The open path, written from the guarded one: a proxy may judge the one, and pass the other on."""
    depth = path.strip("/").count("/") + 1
    for up in ("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..;/", "..%5c", "%252e%252e%252f"):
        yield f"{path.rstrip('/')}/{up * depth}{_OPEN.lstrip('/')}"


def _confusion(probe: Probe) -> Verdict:
    target, path = probe.guarded, probe.guarded_path
    if target is None:
        raise NotApplicableError("no place behind forward authentication was named: give one with --proxy-path")
    closed = probe.send("GET", path, target=target)
    if closed.status not in _CLOSED:
        raise InconclusiveError(f"{path} is not guarded: without a token it gives {closed}")
    entered = probe.send("GET", path, target=target, token=probe.lent().token)
    place = _Place(probe, target, path, shown=entered.body if entered.succeeded else b"")
    for spelling in spellings(path):
        place.enter("GET", spelling)
    for method in ("HEAD", "POST", "PUT", "PROPFIND", "get", "GETX"):
        place.enter(method, path)
    for name in _IDENTITY:
        place.enter("GET", path, (name, "admin"))
    for name in _LEADING:
        place.enter("GET", path, (name, _OPEN))
    place.leave([(detour, ()) for detour in detours(path)] + [(_OPEN, ((name, path),)) for name in _LEADING])
    tried = f"{path} without a token, in other spellings, by other methods, and with headers that name paths and users"
    return verdict(tried, place.wrong, f"nobody was let through: {sorted(place.seen)}")


@dataclass
class _Place:
    """What is guarded; `shown` is what it shows with a token, empty if that is not known."""

    probe: Probe
    target: Target
    path: str
    shown: bytes
    wrong: list[str] = field(default_factory=list)
    seen: set[int] = field(default_factory=set)

    def enter(self, method: str, spelling: str, *headers: tuple[str, str]) -> None:
        """Try to see it without a token."""
        answer = self.probe.send(method, spelling, headers=headers, target=self.target)
        self.seen.add(answer.status)
        if answer.succeeded and self._is_it(answer, spelling):
            self.wrong.append(f"{method} {spelling} {dict(headers) or ''} was let through without a token: {answer}")

    def leave(self, ways: Sequence[tuple[str, Sequence[tuple[str, str]]]]) -> None:
        """Try to see it under the name of the open path."""
        plain = self.probe.send("GET", _OPEN, target=self.target)
        for path, headers in ways:
            answer = self.probe.send("GET", path, headers=headers, target=self.target)
            self.seen.add(answer.status)
            if answer.succeeded and plain.succeeded and answer.body != plain.body:
                self.wrong.append(f"{path} {dict(headers) or ''} is let through as {_OPEN}, and is not that: {answer}")

    def _is_it(self, answer: Answer, spelling: str) -> bool:
        """Whether a success shows what is guarded: the same as with a token, or what no other path shows."""
        if self.shown and answer.body == self.shown:
            return True
        word = self.path.rstrip("/").rpartition("/")[2]
        elsewhere = spelling.replace(word, "n0thing") if word else spelling
        return elsewhere == spelling or not self.probe.send("GET", elsewhere, target=self.target).succeeded


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
