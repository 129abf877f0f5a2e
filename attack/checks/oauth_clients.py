"""What a client of the authorization server could get beyond what its user gave it; for that the operator names one."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attack.browser import is_redirect
from attack.check import Check, InconclusiveError, Severity, Verdict, verdict
from attack.checks.oauth import STRANGER
from attack.client import authorize, client_of, leads_to_login, request_of, visitor_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attack.client import Visitor
    from attack.probe import Probe
    from attack.wire import Answer

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _redirect_uri(probe: Probe) -> Verdict:
    client = client_of(probe)
    usual = request_of(client, secrets.token_urlsafe(32))
    wrong, sent = [], 0
    for name, uri in _alike(client.redirect_uri):
        sent += 1
        answer = authorize(probe, usual | {"redirect_uri": uri})
        if is_redirect(answer):
            wrong.append(f"{name} was taken: {uri[:80]!r}")
    for pair in ([client.redirect_uri, STRANGER], [STRANGER, client.redirect_uri]):
        sent += 1
        rest = [(name, value) for name, value in usual.items() if name != "redirect_uri"]
        answer = authorize(probe, [*rest, *(("redirect_uri", uri) for uri in pair)])
        if is_redirect(answer):
            wrong.append("two redirect URIs were taken")
    return verdict(
        "addresses that are nearly the registered redirect URI", wrong, f"none of {sent} redirected anywhere"
    )


def _alike(uri: str) -> Iterator[tuple[str, str]]:
    """Addresses that are nearly this one: what each is, and the address."""
    parts = urlsplit(uri)
    yield "a stranger's address", f"{STRANGER}/cb"
    for name, behind in (
        ("a longer path", "/attack"), ("a query", "&attack=1" if parts.query else "?attack=1"), ("a NUL", "\x00"),
        ("a fragment", "#attack"), ("a dot segment", "/../attack"), ("an encoded dot segment", "/%2e%2e/attack"),
        ("a tab", "\t"), ("a space", " "), ("an encoded line end", "%0d%0aattack:1"),
    ):  # fmt: skip
        yield f"{name} behind it", f"{uri}{behind}"
    yield "a space before it", f" {uri}"
    yield "the same without its last letter", uri[:-1]
    yield "a script", f"javascript:alert(1)//{uri}"
    if not parts.hostname:  # a scheme of an app
        yield "another scheme", uri.replace(parts.scheme, f"{parts.scheme}.attack", 1)
        return
    tail = uri.partition(parts.netloc)[2]
    yield "another scheme", f"{'http' if parts.scheme == 'https' else 'https'}://{parts.netloc}{tail}"
    yield "the host as a user", f"{parts.scheme}://{parts.netloc}@client.attack.invalid{tail}"
    yield "a user before the host", f"{parts.scheme}://attack@{parts.netloc}{tail}"
    yield "the host as a subdomain", f"{parts.scheme}://{parts.hostname}.attack.invalid{tail}"
    yield "a backslash", f"{parts.scheme}://client.attack.invalid\\@{parts.netloc}{tail}"
    yield "a stranger in front", f"{parts.scheme}://client.attack.invalid/{parts.netloc}{tail}"
    if tail.swapcase() != tail:
        yield "its path in capitals", f"{parts.scheme}://{parts.netloc}{tail.swapcase()}"
    if parts.hostname not in _LOOPBACK:  # where the port is free (RFC 8252 section 7.3)
        yield "a subdomain", f"{parts.scheme}://attack.{parts.netloc}{tail}"
        yield "another port", f"{parts.scheme}://{parts.hostname}:8443{tail}"


def _downgrade(probe: Probe) -> Verdict:
    client = client_of(probe)
    usual = request_of(client, secrets.token_urlsafe(32))
    challenge = {"code_challenge", "code_challenge_method"}
    without = {name: value for name, value in usual.items() if name not in challenge}
    plain = secrets.token_urlsafe(32)
    wrong = []
    tried: dict[str, dict[str, str]] = {
        "no challenge": without,
        "a challenge without its method": {**without, "code_challenge": usual["code_challenge"]},
        "a plain challenge": {**without, "code_challenge": plain, "code_challenge_method": "plain"},
        "an empty challenge": {**usual, "code_challenge": ""},
        "a short challenge": {**usual, "code_challenge": "attack"},
        **{f"response_type {each}": {**usual, "response_type": each} for each in ("token", "id_token", "code token")},
        "response_mode fragment": {**usual, "response_mode": "fragment"},
    }
    for name, parameters in tried.items():
        if leads_to_login(authorize(probe, parameters), client):
            wrong.append(f"a request with {name} was taken")
    return verdict(", ".join(tried), wrong, "each was refused")


def _code(probe: Probe) -> Verdict:
    visitor = visitor_of(probe)
    wrong = [
        f"a code was exchanged {name}"
        for name, changed in (
            ("without a verifier", {"code_verifier": None}),
            ("with another verifier", {"code_verifier": secrets.token_urlsafe(32)}),
            ("with another redirect URI", {"redirect_uri": f"{STRANGER}/cb"}),
            ("by another client", {"client_id": "00000000-0000-7000-8000-000000000000"}),
        )
        if visitor.redeem(visitor.code(), **changed).succeeded
    ]
    code = visitor.code()
    first = visitor.redeem(code)
    if not first.succeeded:
        raise InconclusiveError(f"an honest exchange gives no tokens: {first}")
    second = visitor.redeem(code)
    if second.succeeded:
        wrong.append("a code was exchanged twice")
    wrong += _still_good(visitor, first, "a code was used again")
    return verdict("codes without their verifier, of another client, and twice", wrong, f"each was refused: {second}")


def _refresh(probe: Probe) -> Verdict:
    visitor = visitor_of(probe)
    first = visitor.tokens()["refresh_token"]
    second = _refreshed(visitor, first)
    third = _refreshed(visitor, str(second.json.get("refresh_token")))
    if not third.succeeded:
        raise InconclusiveError(f"an honest refresh gives no tokens: {third}")
    wrong = []
    again = _refreshed(visitor, first)  # two exchanges later: no lost reply explains that
    if again.succeeded:
        wrong.append("a refresh token was exchanged again, two exchanges later")
    wrong += _still_good(visitor, third, "a former refresh token was used again")
    if _refreshed(visitor, str(third.json.get("refresh_token"))).succeeded:
        wrong.append("the session goes on after a former refresh token of it was used again")
    more = visitor.tokens()["refresh_token"]
    if _refreshed(visitor, more, scope="openid offline_access email profile").succeeded:
        wrong.append("a refresh gives more scopes than the user did")
    return verdict("former refresh tokens, and more scopes", wrong, f"refused, and the session ended: {again}")


def _refreshed(visitor: Visitor, token: str, **more: str) -> Answer:
    return visitor.ask({"grant_type": "refresh_token", "refresh_token": token, **more})


def _still_good(visitor: Visitor, given: Answer, since: str) -> list[str]:
    """What is wrong if the tokens of this reply are accepted still."""
    answer = visitor.probe.send("GET", "/oauth/userinfo", token=str(given.json.get("access_token", "")))
    return [f"the session goes on after {since}"] if answer.succeeded else []


CHECKS = (
    Check(
        "oauth-redirect-uri",
        "A redirect URI is compared to the letter.",
        Severity.CRITICAL,
        "Compare whole addresses, never their beginning, and show a page where they differ.",
        "RFC 9700 section 2.1, OWASP ASVS 5.0 10.4.1",
        _redirect_uri,
    ),
    Check(
        "oauth-downgrade",
        "Nothing but a code is given, and for a challenge by S256 alone.",
        Severity.CRITICAL,
        "Demand PKCE by S256 of every client, and refuse every response type but code.",
        "RFC 9700 sections 2.1.1 and 2.1.2, OWASP ASVS 5.0 10.4.6",
        _downgrade,
    ),
    Check(
        "oauth-code",
        "A code is good once, for its client and its verifier; its second use ends what the first gave.",
        Severity.CRITICAL,
        "Spend a code by one conditional write, and end its session at the second use.",
        "RFC 9700 section 2.1.1, OWASP ASVS 5.0 10.4.2 and 10.4.3",
        _code,
    ),
    Check(
        "oauth-refresh",
        "A former refresh token ends its session, and none gives more than the user did.",
        Severity.HIGH,
        "Rotate refresh tokens, end the session at the use of a former one, and keep to what was granted.",
        "RFC 9700 section 4.14.2, OWASP ASVS 5.0 10.4.5",
        _refresh,
    ),
)
