"""Requests that two servers in a row could read in two ways (RFC 9112 section 11.2).

Behind each stands a second request. A server that refuses the first one has to close the connection: what is left in it
might be another request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attack.check import Check, InconclusiveError, Severity, Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    from attack.probe import Probe
    from attack.wire import Conversation

_LENGTHS = (
    ("Content-Length: 4", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: chunked", "Content-Length: 4"),
    ("Content-Length: 4", "Content-Length: 5"),
    ("Content-Length: 4", "Content-Length: 4"),
    ("Content-Length: 4, 4",),
    ("Content-Length: +4",),
    ("Content-Length: -4",),
    ("Content-Length: 0x4",),
    ("Content-Length: 4 4",),
    ("Content-Length:",),
    ("Transfer-Encoding: chunked", "Transfer-Encoding: chunked"),
    ("Transfer-Encoding: xchunked",),
    ("Transfer-Encoding: chunked, identity",),
    ("Transfer-Encoding: \x0bchunked",),
)
_LINES = (
    ("Content-Length : 4",),
    ("Transfer-Encoding : chunked",),
    ("Transfer-Encoding:", " chunked"),
    ("X-Folded: a", " Content-Length: 4"),
    ("X-Null: a\x00b",),
    ("X-Return: a\rContent-Length: 4",),
    (": no name",),
)
_BARE = ("X-Bare: a\nX-Attack: b",)
_CHUNKS = (
    b"-2\r\n{}\r\n0\r\n\r\n",
    b"0x2\r\n{}\r\n0\r\n\r\n",
    b"+2\r\n{}\r\n0\r\n\r\n",
    b"2\r\n{}xx\r\n0\r\n\r\n",
    b"fffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    b"zz\r\n{}\r\n0\r\n\r\n",
)
_EXTENDED = (
    b"2;a=b\r\n{}\r\n0\r\n\r\n",
    b"2;a\n{}\r\n0\r\n\r\n",
    b"2\r\n{}\r\n0;" + b"a" * 20_000 + b"\r\n\r\n",
    b"2\r\n{}\r\n0\r\nHost: attack.invalid\r\nContent-Length: 9\r\n\r\n",
)
_REFUSALS = range(400, 600)


def _head(probe: Probe, start: str, lines: Sequence[str], hosts: Sequence[str] | None = None) -> bytes:
    names = [probe.target.authority] if hosts is None else hosts
    first, _, last = start.partition(" ")
    path, _, version = last.partition(" ")
    if path.startswith("/"):
        path = probe.target.prefix + path
    every = [f"{first} {path} {version or 'HTTP/1.1'}", *(f"Host: {name}" for name in names)]
    return "\r\n".join([*every, f"User-Agent: {probe.agent}", *lines, "", ""]).encode("latin-1")


def _behind(probe: Probe) -> bytes:
    """The second request, whose reply shows that the first one was not the end."""
    return _head(probe, "GET /health/live", [])


def _control(probe: Probe) -> None:
    """Two plain requests in a row get two replies, or none of the following tells anything."""
    plain = _head(probe, "POST /auth/login", ["Content-Type: application/json", "Content-Length: 2"]) + b"{}"
    found = probe.talk(plain + _head(probe, "GET /health/live", ["Connection: close"]), closing=True)
    if [answer.status for answer in found.answers][1:] != [200]:
        raise InconclusiveError(f"two plain requests in a row did not get two replies: {found}")


def _refused(probe: Probe, requests: Sequence[tuple[str, bytes]], tried: str) -> Verdict:
    """Whether each of these gets one refusal at the most, and then the end of the connection."""
    _control(probe)
    wrong = []
    for name, sent in requests:
        found = probe.talk(sent + _behind(probe))
        if _is_refusal(found) and not found.closed:
            found = probe.talk(sent + _behind(probe), closing=True)  # it may just be slow to close
        if not _is_refusal(found) or not found.closed:
            wrong.append(f"{name}: {found}")
    _control(probe)
    return verdict(tried, wrong, f"{len(requests)} were refused, and the connection was closed")


def _is_refusal(found: Conversation) -> bool:
    """Whether nothing but one refusal came, or nothing at all."""
    return len(found.answers) <= 1 and all(answer.status in _REFUSALS for answer in found.answers)


def _one_reading(probe: Probe, requests: Sequence[tuple[str, bytes]], wrong: list[str]) -> None:
    """Adds to `wrong` what is neither refused nor read as one request before the second one."""
    for name, sent in requests:
        found = probe.talk(sent + _head(probe, "GET /health/live", ["Connection: close"]), closing=True)
        statuses = [answer.status for answer in found.answers]
        is_refused = _is_refusal(found) and found.closed
        is_read = len(statuses) == 2 and statuses[1] == 200  # noqa: PLR2004 - the second request got its reply
        if not is_refused and not is_read:
            wrong.append(f"{name}: {found}")


def _lengths(probe: Probe) -> Verdict:
    requests = [
        (" | ".join(lines), _head(probe, "POST /auth/login", ["Content-Type: application/json", *lines]) + b"0\r\n\r\n")
        for lines in _LENGTHS
    ]
    return _refused(probe, requests, "Content-Length beside Transfer-Encoding, twice, and in odd forms")


def _lines(probe: Probe) -> Verdict:
    requests = [(repr(" | ".join(lines)), _head(probe, "POST /auth/login", lines) + b"0\r\n\r\n") for lines in _LINES]
    found = _refused(probe, requests, "folded lines, spaces before colons, NUL, and ends of lines that are half ones")
    wrong = [] if found.came_back.endswith("was closed") else [found.came_back]
    login = ["Content-Type: application/json", "Content-Length: 2"]
    _one_reading(probe, [("a bare LF", _head(probe, "POST /auth/login", [*_BARE, *login]) + b"{}")], wrong)
    return verdict(found.tried, wrong, found.came_back)


def _hosts(probe: Probe) -> Verdict:
    own = probe.target.authority
    requests = [
        (f"Host {hosts}", _head(probe, "GET /.well-known/jwks.json", [], hosts))
        for hosts in (
            [],
            [own, own],
            [own, "attack.invalid"],
            [f"{own}, attack.invalid"],
            [f"{own}/auth"],
            ["a b"],
            [""],
        )
    ]
    _control(probe)
    wrong = []
    for name, sent in requests:
        # The length is beyond doubt, so the connection may stay open, unlike after the other requests.
        found = probe.talk(sent + _head(probe, "GET /health/live", ["Connection: close"]), closing=True)
        if not (found.answers or found.closed) or any(answer.status not in _REFUSALS for answer in found.answers[:1]):
            wrong.append(f"{name}: {found}")
    _control(probe)
    return verdict("no Host, two of them, and such as name nothing", wrong, f"{len(requests)} were refused")


def _chunks(probe: Probe) -> Verdict:
    head = _head(probe, "POST /auth/login", ["Content-Type: application/json", "Transfer-Encoding: chunked"])
    found = _refused(probe, [(repr(each), head + each) for each in _CHUNKS], "malformed chunks, and extended ones")
    wrong = [] if found.came_back.endswith("was closed") else [found.came_back]
    _one_reading(probe, [(repr(each[:40]), head + each) for each in _EXTENDED], wrong)
    return verdict(found.tried, wrong, found.came_back)


_MEND = "Put the proxy that ships in front, and keep proxy and server up to date: both have to refuse such requests."
CHECKS = (
    Check(
        "smuggling-length",
        "A request whose length can be read in two ways is refused.",
        Severity.CRITICAL,
        _MEND,
        "OWASP ASVS 5.0 4.2.1, RFC 9112 sections 6.1 and 6.3",
        _lengths,
    ),
    Check(
        "smuggling-lines",
        "A head whose lines can be read in two ways is refused.",
        Severity.HIGH,
        _MEND,
        "RFC 9112 sections 2.2, 5.1 and 5.2",
        _lines,
    ),
    Check(
        "smuggling-host",
        "A request names one host.",
        Severity.HIGH,
        _MEND,
        "RFC 9112 section 3.2",
        _hosts,
    ),
    Check(
        "smuggling-chunks",
        "Chunks are read in one way.",
        Severity.CRITICAL,
        _MEND,
        "RFC 9112 section 7.1",
        _chunks,
    ),
)
